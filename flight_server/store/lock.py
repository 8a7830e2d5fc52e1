"""The lock of a store's folder: one server at a time."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

#: A server that was killed lets go only when the kernel has finished its last write.
PATIENCE_SECS = 1.0


class StoreLocked(Exception):
    """Another server has the store open."""


class StoreLock:
    """An advisory lock on the file ``lock`` in the folder, held until it is closed or the process dies."""

    def __init__(self, folder: Path) -> None:
        """Take the lock, or raise ``StoreLocked`` after a second."""
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + PATIENCE_SECS
        while not self._taken():
            if time.monotonic() > deadline:
                os.close(self._descriptor)
                raise StoreLocked(
                    f"the store in {folder} is in use by another server: stop that one, or set store.path to another folder"
                )
            time.sleep(0.02)

    def close(self) -> None:
        """Let the next server in."""
        os.close(self._descriptor)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
