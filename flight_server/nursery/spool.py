"""The folders of children for their own temporary files: one a child, private, and removed when it has ended."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PREFIX = "flight-spool-"
#: A folder that nobody holds and that is older than this was left by a server that was killed.
_STALE_SECS = 60.0


class Spools:
    """Makes the folders, in one of its own in the system's temporary folder, from ``open`` to ``close``."""

    def __init__(self) -> None:
        self._root: Path | None = None
        self._held = -1

    def open(self) -> None:
        """Make the folder of folders, and remove those of servers that were killed. Raises ``OSError``."""
        root = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._held = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._held, fcntl.LOCK_EX)
        self._root = root
        for stale in _left_behind(root.parent):
            remove(stale)

    def make(self, number: int) -> Spool:
        """Make the folder of the child ``number``. Raises ``OSError``."""
        if self._root is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        path = self._root / str(number)
        path.mkdir(0o700)
        return Spool(path)

    def close(self) -> None:
        """Remove all of it. A second time, or unopened, nothing happens."""
        root, self._root = self._root, None
        if root is not None:
            remove(root)
            os.close(self._held)


class Spool:
    """The folder of one child."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def clear(self) -> None:
        """Remove it; when there is much in it, beside what else is to be done."""
        try:
            self.path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            threading.Thread(target=remove, args=(self.path,), name="spool", daemon=True).start()


def remove(folder: Path) -> None:
    """Remove a folder whatever is in it: a child may have nested folders deeper than any path can name.

    Its processes must have ended. What cannot be removed stays, until a later server tries again.
    """
    with suppress(OSError):
        folder.chmod(0o700)
        folders = list(_folders_in(folder))
        attic = Path(tempfile.mkdtemp(dir=folder)) if folders else folder
        numbers = itertools.count()
        while folders:
            inner = folders.pop()
            folders += [deep.rename(attic / str(next(numbers))) for deep in list(_folders_in(inner))]
            shutil.rmtree(inner, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _folders_in(folder: Path) -> Iterator[Path]:
    """Yield the folders in one, each made so that it can be moved and looked into."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                path = Path(entry.path)
                path.chmod(0o700)
                yield path


def _left_behind(folder: Path) -> Iterator[Path]:
    for path in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                found = os.fstat(handle)
                if found.st_uid == os.geteuid() and time.time() - found.st_mtime > _STALE_SECS:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield path
            finally:
                os.close(handle)
