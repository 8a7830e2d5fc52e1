"""What an Arrow IPC message or footer says of its own size, read from its flatbuffer before anything is allocated.

Only the few fields that bound memory are read here (Message.fbs and File.fbs of the Arrow columnar format); all else
is Arrow's. The input is hostile: whatever does not lie inside the bytes is a ``FormatError``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from format_plugins.contract import FormatError

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3  # MessageHeader
_LEGACY_COMPRESSION = b"ARROW:experimental_compression"  # how Arrow 0.17 said it, in custom metadata


@dataclass(frozen=True, slots=True)
class Block:
    """Where a file's footer says that a message lies, in bytes from the file's start."""

    offset: int
    metadata_bytes: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Message:
    """The sizes in a message's metadata. ``buffers`` holds (offset, length) pairs within the body."""

    body_bytes: int
    rows: int
    buffers: tuple[tuple[int, int], ...]
    compressed: bool
    dictionary: int | None
    is_delta: bool

    def decoded_bytes(self, body: memoryview) -> int:
        """Return how long the buffers are when decompressed, as ``body`` (all of it) declares."""
        if not self.compressed:
            return sum(length for _, length in self.buffers)
        return sum(_decoded_length(body, offset, length) for offset, length in self.buffers)


def message(metadata: bytes) -> Message:
    """Read the metadata of one message (without its prefix)."""
    try:
        return _message(metadata)
    except struct.error as error:
        raise FormatError(f"the metadata of an Arrow message is damaged: {error}") from error


def footer_blocks(footer: bytes) -> tuple[list[Block], list[Block]]:
    """Read the dictionary blocks and the record batch blocks of a file's footer."""
    try:
        table = _Table.root(footer)
        return _blocks(table, 2), _blocks(table, 3)
    except struct.error as error:
        raise FormatError(f"the footer of the Arrow file is damaged: {error}") from error


def _message(metadata: bytes) -> Message:
    table = _Table.root(metadata)
    kind = table.number(1, "<B")
    header = table.table(2)
    body_bytes = table.number(3, "<q")
    dictionary, is_delta = None, False
    if kind == _DICTIONARY_BATCH and header is not None:
        dictionary, is_delta = header.number(0, "<q"), bool(header.number(2, "<B"))
        header = header.table(1)
    if kind not in {_DICTIONARY_BATCH, _RECORD_BATCH} or header is None:
        return Message(body_bytes, 0, (), compressed=False, dictionary=None, is_delta=False)
    compressed = header.table(3) is not None or _LEGACY_COMPRESSION in metadata
    buffers = tuple((offset, length) for offset, length in header.structs(2, "<qq"))
    return Message(body_bytes, header.number(0, "<q"), buffers, compressed, dictionary, is_delta)


def _blocks(table: _Table, slot: int) -> list[Block]:
    return [Block(offset, metadata, body) for offset, metadata, body in table.structs(slot, "<qi4xq")]


def _decoded_length(body: memoryview, offset: int, length: int) -> int:
    """Return how long a compressed buffer says that it will be: it begins with that, or with -1 when stored as it is."""
    if length < _LENGTH.size or not 0 <= offset <= len(body) - _LENGTH.size:
        return max(length, 0)
    (declared,) = _LENGTH.unpack_from(body, offset)
    return length if declared < 0 else int(declared)


_LENGTH = struct.Struct("<q")


class _Table:
    """A flatbuffer table: a jump back to a vtable, which gives each field's place by its slot."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position
        self._vtable = position - self._read("<i", position)
        self._vtable_bytes = self._read("<H", self._vtable)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, *struct.unpack_from("<I", data, 0))

    def number(self, slot: int, layout: str) -> int:
        place = self._place(slot)
        return self._read(layout, place) if place else 0

    def table(self, slot: int) -> _Table | None:
        place = self._place(slot)
        return _Table(self._data, place + self._read("<I", place)) if place else None

    def structs(self, slot: int, layout: str) -> list[tuple[int, ...]]:
        place = self._place(slot)
        if not place:
            return []
        start = place + self._read("<I", place)
        size = self._read("<I", start) * struct.calcsize(layout)
        data = memoryview(self._data)[start + 4 : start + 4 + size]
        if len(data) != size:
            raise struct.error("a vector does not lie inside")
        return list(struct.iter_unpack(layout, data))

    def _place(self, slot: int) -> int:
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_bytes:
            return 0
        offset = self._read("<H", self._vtable + entry)
        return self._position + offset if offset else 0

    def _read(self, layout: str, position: int) -> int:
        if position < 0:  # struct would count from the end
            raise struct.error("an offset points before the start")
        (value,) = struct.unpack_from(layout, self._data, position)
        return int(value)
