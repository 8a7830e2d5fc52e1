"""What a child process prints: line by line in the server's log, bounded, and the last of it kept for its ending."""

from __future__ import annotations

import fcntl
import os
import termios
import time
from typing import Any

#: A line is cut to this many characters.
LINE_CHARS = 1000
#: So many lines of a child are logged at once, and so many a second after that.
BURST_LINES = 200
LINES_PER_SEC = 20
#: As much of the standard error's end is kept.
TAIL_BYTES = 8 << 10
_READ_BYTES = 64 << 10


class Budget:
    """How many lines a child may still have logged."""

    def __init__(self) -> None:
        self._lines = float(BURST_LINES)
        self._at = time.monotonic()
        self.left_out = 0

    @property
    def is_spent(self) -> bool:
        """Whether lines are being left out."""
        return self.left_out > 0

    def takes(self) -> bool:
        """Take one line from the budget; False, and counted, when there is none."""
        now = time.monotonic()
        self._lines = min(self._lines + (now - self._at) * LINES_PER_SEC, BURST_LINES)
        self._at = now
        if self._lines < 1:
            self.left_out += 1
            return False
        self._lines -= 1
        return True


class Output:
    """One captured stream of a child: ``descriptor`` is the reading end of its pipe, ``log`` knows whose it is."""

    def __init__(
        self,
        descriptor: int,
        log: Any,  # noqa: ANN401 - structlog's own type is Any
        budget: Budget,
        *,
        stream: str = "",
        says: str = "a plugin printed",
    ) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.log = log
        self.stream = stream
        self._says = says
        self._budget = budget
        self._line = bytearray()
        self._tail = bytearray()

    @property
    def tail(self) -> str:
        """The end of what was printed."""
        return self._tail.decode("utf-8", "replace")

    @property
    def has_unread(self) -> bool:
        """Whether something was printed that has not been read; not to be asked of one that may have been closed."""
        try:
            return fcntl.ioctl(self.descriptor, termios.FIONREAD, bytes(4)) != bytes(4)
        except OSError:  # it was, in this moment
            return False

    @property
    def is_flooding(self) -> bool:
        """Whether more comes than is logged."""
        return self._budget.is_spent

    def pump(self) -> bool | None:
        """Log the lines that are there. Return True when there may be more, None for not yet, False at the end."""
        try:
            piece = os.read(self.descriptor, _READ_BYTES)
        except BlockingIOError:
            return None
        if not piece:
            return False
        self._tail += piece[-TAIL_BYTES:]
        del self._tail[:-TAIL_BYTES]
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._add(line)
            self._say()
        self._add(rest)
        return True

    def close(self) -> None:
        """Log what is there without a line's end, and close the pipe."""
        if self._line:
            self._say()
        if self._budget.left_out:
            self.log.warning("printed lines were left out: too many", lines=self._budget.left_out)
            self._budget.left_out = 0
        os.close(self.descriptor)

    def _add(self, piece: bytes) -> None:
        # Four bytes a character at the most; what is beyond is not even kept.
        self._line += piece[: LINE_CHARS * 4 - len(self._line)]

    def _say(self) -> None:
        text = self._line.decode("utf-8", "replace").rstrip()
        self._line.clear()
        left_out = self._budget.left_out
        if not text or not self._budget.takes():
            return
        if left_out:
            self.log.warning("printed lines were left out: too many", lines=left_out)
            self._budget.left_out = 0
        cut = f"{text[:LINE_CHARS]}…" if len(text) > LINE_CHARS else text
        # A terminal that shows the log shall not take a plugin's text for commands.
        self.log.info(self._says, text="".join(each if each.isprintable() else " " for each in cut))
