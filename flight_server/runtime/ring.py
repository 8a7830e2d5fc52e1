"""Memory that the server shares with one child: slots for what goes in, and slots for what comes out."""

from __future__ import annotations

import fcntl
import mmap
import os
from contextlib import suppress
from typing import Literal, Self, TypeAlias

#: In each direction. One slot holds a record batch as the server cuts them, with its head.
SLOTS = 4
SLOT_BYTES = (2 << 20) + (64 << 10)
RING_BYTES = 2 * SLOTS * SLOT_BYTES

Direction: TypeAlias = Literal["in", "out"]


class Ring:
    """Slots by direction, seen from the child: "in" is written by the server and read by the child, "out" the reverse.

    The other side may write to all of it at any moment. Whoever does not trust it copies first, and looks then.
    """

    def __init__(self, descriptor: int) -> None:
        self._map = mmap.mmap(descriptor, RING_BYTES)
        self._view = memoryview(self._map)

    @classmethod
    def make(cls) -> tuple[Self, int]:
        """Make a ring, and the descriptor that the other side maps it by, which is the caller's to close.

        Its size is sealed: memory that the other side could take away under a reader would kill it.
        """
        descriptor = os.memfd_create("flight-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(descriptor, RING_BYTES)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            return cls(descriptor), descriptor
        except BaseException:
            os.close(descriptor)
            raise

    def slot(self, direction: Direction, number: int) -> memoryview:
        """Return the memory of a slot. Raises ``IndexError`` for a number that there is not."""
        if not 0 <= number < SLOTS:
            raise IndexError(number)
        start = (number + (SLOTS if direction == "out" else 0)) * SLOT_BYTES
        return self._view[start : start + SLOT_BYTES]

    def rest(self) -> None:
        """Give the memory back to the system; what is written next is had anew."""
        self._map.madvise(mmap.MADV_REMOVE)

    def close(self) -> None:
        """Let go of the memory; what still looks at a slot keeps it until it goes."""
        self._view.release()
        with suppress(BufferError):
            self._map.close()
