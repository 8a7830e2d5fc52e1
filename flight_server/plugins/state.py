"""The state folder: the last good bytes of each dropped plugin, and those before them, for restarts and for going back."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
import structlog

from flight_server.plugins.deployment import Held
from flight_server.plugins.security import Guard
from flight_server.plugins.source import Source, Unreadable, read
from format_plugins.native.filename import library_name

_VERSION = 1
_INDEX = "index.json"
_UNFINISHED = ".new-"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of one plugin file: the bytes that served last and those before; ``tried`` is the file's digest then.

    ``held`` and ``reason`` say why other bytes than the file's served, as in ``Deployment``.
    """

    active: Source | None = None
    previous: Source | None = None
    tried: str = ""
    held: Held = None
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    active: str | None
    previous: str | None
    tried: str
    held: Held
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    version: int
    files: dict[str, _Entry]


class StateFolder:
    """Holds ``index.json``, and a folder for each digest: ``<sha256>/module.py``, ``module.so`` or ``package/``.

    For one thread, and for one server at a time. All of it is the server's own: folders 0700, files 0600.
    """

    def __init__(self, path: Path, *, guard: Guard, limit_bytes: int) -> None:
        self.path = path
        self._guard = guard
        self._limit_bytes = limit_bytes
        self._lock: int | None = None
        self._written = b""
        self._log = structlog.get_logger("flight_server.plugins")

    def open(self) -> None:
        """Make it ready. Raises ``OSError`` when it cannot be made or locked, or is not to be trusted."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        self._guard.check_folder(self.path)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise BlockingIOError(11, "another server uses it") from None
        self._lock = lock
        self._written = b""

    def close(self) -> None:
        """Let another server use it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self, folder: Path) -> dict[str, Kept]:
        """Return what is kept, by file names, as plugins of ``folder``; bytes that are not what was kept are left out."""
        try:
            index = msgspec.json.decode((self.path / _INDEX).read_bytes(), type=_Index)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._log.error("what was kept of plugins cannot be read", file=_INDEX, error=str(error))
            return {}
        if index.version != _VERSION:
            self._log.error("what was kept of plugins is of another version of the server", file=_INDEX, version=index.version)
            return {}
        return {file: self._kept(entry, folder / file) for file, entry in index.files.items() if _is_plain(file)}

    def write(self, kept: Mapping[str, Kept]) -> None:
        """Keep this and nothing else, durably: the bytes first, then the index, and then what is no longer named goes.

        Raises ``OSError``; what was kept before is then still there.
        """
        sources = {source.sha256: source for each in kept.values() for source in (each.active, each.previous) if source}
        index = msgspec.json.format(msgspec.json.encode(_Index(version=_VERSION, files=_entries(kept))))
        if index == self._written:
            return
        for sha256, source in sources.items():
            if not (self.path / sha256).is_dir():
                self._add(source)
        _write(self.path / (_UNFINISHED + _INDEX), index)
        (self.path / (_UNFINISHED + _INDEX)).replace(self.path / _INDEX)
        _sync(self.path)
        self._written = index
        self._sweep(sources.keys())

    def _kept(self, entry: _Entry, path: Path) -> Kept:
        return Kept(
            active=self._source(entry.active, path),
            previous=self._source(entry.previous, path),
            tried=entry.tried,
            held=entry.held,
            reason=entry.reason,
        )

    def _source(self, sha256: str | None, path: Path) -> Source | None:
        if sha256 is None or not _SHA256.fullmatch(sha256):
            return None
        place = self.path / sha256
        is_package, module = (place / "package").is_dir(), _module(path)
        found = read(place / ("package" if is_package else module), limit_bytes=self._limit_bytes, guard=self._guard)
        if isinstance(found, Unreadable) or found.sha256 != sha256:
            why = found.sentence if isinstance(found, Unreadable) else f"they have the sha256 {found.sha256}"
            self._log.error("kept bytes of a plugin are not used", file=path.name, sha256=sha256, error=why)
            # Made anew from good bytes when there are some again.
            shutil.rmtree(place, ignore_errors=True)
            return None
        files = found.files if is_package else {path.name: found.files[module]}
        return dataclasses.replace(found, path=path, files=files)

    def _add(self, source: Source) -> None:
        fresh = self.path / (_UNFINISHED + source.sha256)
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        top = fresh / "package"
        folders = {fresh}
        for name, content in source.files.items():
            file = top / name if source.is_package else fresh / _module(source.path)
            for folder in reversed([each for each in file.parents if each.is_relative_to(fresh)]):
                folder.mkdir(mode=0o700, exist_ok=True)
                folders.add(folder)
            _write(file, content)
        for folder in folders:
            _sync(folder)
        fresh.rename(self.path / source.sha256)

    def _sweep(self, wanted: Collection[str]) -> None:
        for each in self.path.iterdir():
            if (each.name.startswith(_UNFINISHED) or _SHA256.fullmatch(each.name)) and each.name not in wanted:
                shutil.rmtree(each, ignore_errors=True)


def _entries(kept: Mapping[str, Kept]) -> dict[str, _Entry]:
    return {
        file: _Entry(
            active=each.active.sha256 if each.active else None,
            previous=each.previous.sha256 if each.previous else None,
            tried=each.tried,
            held=each.held,
            reason=each.reason,
        )
        for file, each in sorted(kept.items())
    }


def _module(path: Path) -> str:
    """Return what the one file of the plugin at ``path`` is called here."""
    return "module.py" if library_name(path.name) is None else "module.so"


def _is_plain(file: str) -> bool:
    """Say whether ``file`` is a name in a folder, and not a way out of it."""
    return file == Path(file).name and file not in {"", ".", ".."}


def _write(path: Path, content: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
