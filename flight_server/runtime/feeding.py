"""What a child is fed with while it decodes or encodes: a document, or record batches, a slot at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from flight_server.runtime.units import UnitWriter
from format_plugins.streams import MIN_CHUNK_BYTES, ByteStream, copy_bytes


@dataclass(frozen=True, slots=True)
class Filled:
    """How many bytes went into a slot, from ``start`` on, and how long the unit is that begins with them (0: none does).

    ``is_enough`` says that the child has what it waits for, ``is_last`` that nothing follows.
    """

    size: int
    total: int
    is_enough: bool
    is_last: bool = False
    start: int = 0


class Input(Protocol):
    """What there is to be had. ``ahead_bytes`` is how much is put into a slot before it is wanted; 0: a unit."""

    ahead_bytes: int

    def fill(self, slot: memoryview, wanted: int) -> Filled:
        """Put the next bytes into ``slot``: of the ``wanted`` ones, or of a unit when that is 0."""
        ...


class DocumentInput:
    """A document: as much of it as is wanted is waited for, and no more."""

    ahead_bytes = MIN_CHUNK_BYTES

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def fill(self, slot: memoryview, wanted: int) -> Filled:
        """Put bytes of the document into ``slot``."""
        view = slot[: min(max(wanted, 1), len(slot))]
        size = self._stream.readinto(view)
        is_last = size < len(view)
        return Filled(size, size, is_enough=is_last or size >= wanted, is_last=is_last)


class BatchInput:
    """Record batches, each pulled when it is wanted."""

    ahead_bytes = 0

    def __init__(self, batches: Iterator[pa.RecordBatch], writer: UnitWriter) -> None:
        self._batches = batches
        self._writer = writer
        self._rest = memoryview(b"")

    def fill(self, slot: memoryview, wanted: int) -> Filled:
        """Put a batch, or what is left of it, into ``slot``."""
        del wanted
        total = 0
        if not self._rest:
            if (batch := next(self._batches, None)) is None:
                return Filled(0, 0, is_enough=True, is_last=True)
            if (placed := self._writer.into(slot, batch)) is not None:
                start, size = placed
                return Filled(size, size, is_enough=True, start=start)
            self._rest = memoryview(self._writer.unit(batch))
            total = len(self._rest)
        piece, self._rest = self._rest[: len(slot)], self._rest[len(slot) :]
        copy_bytes(piece, slot[: len(piece)])
        return Filled(len(piece), total, is_enough=not self._rest)
