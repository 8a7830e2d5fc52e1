"""A file on its way to the server: counted, and stopped when the work is to end."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from flight_client.commands.meter import Advance, Meter
from flight_client.commands.parameters import STANDARD
from flight_client.commands.work import Interrupt

_PATIENCE_SECS = 0.2


class Watched:
    """A binary file whose reads raise ``KeyboardInterrupt`` when the work is to end, also while they wait."""

    def __init__(self, file: IO[bytes], interrupt: Interrupt, advance: Advance) -> None:
        self._file = file
        self._interrupt = interrupt
        self._advance = advance
        self._done = 0
        self._pipe = _pipe(file)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, ``b""`` at the end."""
        self._interrupt.check()
        if self._pipe is not None and size > 0:
            while not select.select([self._pipe], [], [], _PATIENCE_SECS)[0]:
                self._interrupt.check()
            piece = os.read(self._pipe, size)
        else:
            piece = self._file.read(size)
        self._done += len(piece)
        self._advance(self._done)
        return piece

    def seekable(self) -> bool:
        """Say whether the file can be read again."""
        return self._pipe is None and self._file.seekable()

    def tell(self) -> int:
        """Return where in the file the next read begins."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere in the file."""
        self._done = self._file.seek(offset, whence)
        return self._done


@contextmanager
def reading(path: str, interrupt: Interrupt, meter: Meter) -> Iterator[Watched]:
    """Open ``path`` (``-`` is standard input) to be sent, with a bar."""
    if path == STANDARD:
        with meter.bar("standard input", None) as advance:
            yield Watched(sys.stdin.buffer, interrupt, advance)
        return
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a name is shown in errors as it was given
        told = os.fstat(file.fileno())
        total = told.st_size if stat.S_ISREG(told.st_mode) else None
        with meter.bar(path, total) as advance:
            yield Watched(file, interrupt, advance)


def _pipe(file: IO[bytes]) -> int | None:
    """Return the descriptor of what may have to be waited for."""
    try:
        number = file.fileno()
    except (OSError, io.UnsupportedOperation):
        return None
    return None if stat.S_ISREG(os.fstat(number).st_mode) else number
