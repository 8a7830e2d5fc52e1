"""Being told that the plugin folder changed. A hint: what has changed is found out by looking."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import structlog
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

# Not "opened" and "closed unwritten": the server's own reading would wake it for ever.
_CHANGES: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]

_MAX_INNER = 64

#: Path, device and inode of a folder: another folder under the same path is another one.
Identity: TypeAlias = tuple[str, int, int]


class Watcher:
    """Calls ``wake`` from a thread of its own whenever something happens in ``folder``. ``wake`` must not raise."""

    def __init__(self, folder: Path, wake: Callable[[], None]) -> None:
        self._folder = folder
        self._handler = _Waker(wake)
        self._observer: BaseObserver | None = None
        self._inner: dict[Identity, ObservedWatch] = {}
        self._identity: Identity | None = None
        self._is_refused = False
        self._log = structlog.get_logger("flight_server.plugins")

    @property
    def is_watching(self) -> bool:
        """Whether changes are told now."""
        return self._observer is not None and self._is_alive(self._observer)

    def follow(self) -> None:
        """Watch the folder that the path leads to now; cheap when it is watched already.

        A folder that was deleted and made again, renamed, or a link that was repointed sends no event: its identity is
        compared. When it cannot be watched the caller goes on looking now and then.
        """
        identity = self._identify()
        # Tried again when it could not be watched: descriptors run out, and are given back.
        if identity != self._identity or self._observer is None or not self._is_alive(self._observer):
            self.stop()
            self._identity = identity
            if identity is not None:
                self._observer = self._watching(identity[0])
        if identity is not None and self._observer is not None:
            self._follow_inner(self._observer, identity[0])

    def stop(self) -> None:
        """Watch no more; the threads have ended when it returns."""
        observer, self._observer, self._identity = self._observer, None, None
        self._inner.clear()
        if observer is not None:
            _end(observer)

    def _watching(self, path: str) -> BaseObserver | None:
        observer = None
        try:
            observer = Observer()
            observer.schedule(self._handler, path, event_filter=_CHANGES)
            observer.start()
        except OSError as error:  # no inotify instance or watch left, or the folder has just gone
            if not self._is_refused:
                told = "the plugin folder cannot be watched and is only looked at now and then"
                self._log.warning(told, error=error.strerror)
            self._is_refused = True
            if observer is not None:
                _end(observer)
            return None
        self._is_refused = False
        return observer

    def _follow_inner(self, observer: BaseObserver, path: str) -> None:
        """Watch the folders of packages, each by itself.

        watchdog can watch a tree, but when one of its folders vanishes while it is being added, the thread that reads
        all of a process's events dies for good.
        """
        wanted = _inner_folders(path)
        for gone in self._inner.keys() - wanted:
            with contextlib.suppress(KeyError, OSError):
                observer.unschedule(self._inner.pop(gone))
        for new in wanted - self._inner.keys():
            with contextlib.suppress(OSError):  # gone again, or no watch is left: looking now and then finds it
                self._inner[new] = observer.schedule(self._handler, new[0], event_filter=_CHANGES)

    def _identify(self) -> Identity | None:
        try:
            status = self._folder.stat()
        except OSError:
            return None
        return (os.path.realpath(self._folder), status.st_dev, status.st_ino)

    @staticmethod
    def _is_alive(observer: BaseObserver) -> bool:
        emitters = list(observer.emitters)
        return observer.is_alive() and bool(emitters) and all(emitter.is_alive() for emitter in emitters)


class _Waker(FileSystemEventHandler):
    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def dispatch(self, event: FileSystemEvent) -> None:
        # An exception here would end watchdog's thread for good.
        del event
        self._wake()


def _inner_folders(path: str) -> set[Identity]:
    """Return the folders below ``path`` in which plugins may lie, as many as are worth a thread each."""
    found: set[Identity] = set()
    for folder, inner, _ in os.walk(path):
        inner[:] = [name for name in inner if name != "__pycache__" and not name.startswith(".")]
        for child in (Path(folder) / name for name in inner):
            with contextlib.suppress(OSError):
                status = child.stat(follow_symlinks=False)
                found.add((str(child), status.st_dev, status.st_ino))
        if len(found) >= _MAX_INNER:
            break
    return found


def _end(observer: BaseObserver) -> None:
    observer.stop()
    if observer.is_alive():
        observer.join()
