"""Record batches as units of bytes: a schema, then for each batch its IPC messages, dictionaries first."""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from format_plugins import ipc_layout
from format_plugins.ipc_messages import read_options
from format_plugins.ipc_writing import check_dictionaries
from format_plugins.kinds import holds
from format_plugins.slicing import MAX_BATCH_ROWS, data_bytes

_PREFIX = struct.Struct("<II")
_CONTINUATION = 0xFFFFFFFF

_HEAD_BYTES = 1 << 20
#: A schema that is longer is not written anew for each batch.
_SMALL_BYTES = 16 << 10


def unit_bytes(batch_bytes: int) -> int:
    """Return how long the unit of a record batch may be that has at most ``batch_bytes``: it has a head, and dictionaries."""
    return 2 * batch_bytes + _HEAD_BYTES


class UnitWriter:
    """Turns record batches of one schema into units. Raises ``UnsupportedError`` for a schema that Arrow IPC has no way for."""

    def __init__(self, schema: pa.Schema) -> None:
        check_dictionaries(schema)
        self.schema = schema.serialize()
        self._sink: _Sink | None = None
        if any(holds(kind, pa.types.is_dictionary) for kind in schema.types):
            # Dictionaries are told once, and again when they change: only a writer of the whole stream knows when.
            self._sink = _Sink(skip=self.schema.size)
            sink = pa.PythonFile(self._sink, mode="w")  # type: ignore[arg-type] # the stubs want more than Arrow does
            self._writer = ipc.new_stream(sink, schema)

    def into(self, slot: memoryview, batch: pa.RecordBatch) -> tuple[int, int] | None:
        """Write the messages of the next batch where they are to be: into ``slot``. Return where they begin, and their length.

        None when that cannot be, because there are dictionaries or there is too little room; then nothing was written.
        """
        start = self.schema.size
        if self._sink is not None or start > _SMALL_BYTES or start + data_bytes(batch) > len(slot):
            return None
        sink = pa.FixedSizeBufferWriter(pa.py_buffer(slot))
        # What is written is a stream of its own, which begins with the schema; that much is passed over.
        ipc.new_stream(sink, batch.schema).write_batch(batch)
        return start, sink.tell() - start

    def unit(self, batch: pa.RecordBatch) -> pa.Buffer:
        """Return the messages of the next batch."""
        if self._sink is None:
            return batch.serialize()
        self._writer.write_batch(batch)
        return self._sink.taken()


class UnitReader:
    """Turns units back into record batches.

    What it is given is not trusted: each message is measured before Arrow sees it. Raises ``pyarrow.ArrowException``,
    ``OSError``, and ``FormatError`` for a damaged message; batches are as valid as ``validate(full=True)`` says.
    """

    def __init__(self, schema: pa.Buffer) -> None:
        self._file = _File(schema)
        _measure(schema)
        file = pa.PythonFile(self._file, mode="r")  # type: ignore[arg-type] # the stubs want more than Arrow does
        self._reader = ipc.open_stream(file, options=read_options())
        self._check_used()

    @property
    def schema(self) -> pa.Schema:
        """The schema of every batch."""
        return self._reader.schema

    def batch(self, unit: pa.Buffer) -> pa.RecordBatch:
        """Return the batch of a unit; its memory is the unit's."""
        _measure(unit)
        self._file.feed(unit)
        try:
            batch = self._reader.read_next_batch()
        except StopIteration:
            raise pa.ArrowInvalid("the stream of record batches ends too early") from None
        self._check_used()
        return batch

    def _check_used(self) -> None:
        if self._file.left:
            raise pa.ArrowInvalid("there is more than one record batch")


def _measure(unit: pa.Buffer) -> None:
    """Refuse messages that are not whole, that are compressed, or that have more rows than a batch can."""
    view = memoryview(unit)
    while view:
        if len(view) < _PREFIX.size:
            raise pa.ArrowInvalid("a message is cut short")
        mark, length = _PREFIX.unpack_from(view)
        end = _PREFIX.size + length
        if mark != _CONTINUATION or not 0 < length <= len(view) - _PREFIX.size:
            raise pa.ArrowInvalid("a message has no length, or a wrong one")
        message = ipc_layout.message(bytes(view[_PREFIX.size : end]))
        if message.compressed or not 0 <= message.rows <= MAX_BATCH_ROWS or not 0 <= message.body_bytes <= len(view) - end:
            raise pa.ArrowInvalid("a message is not as it must be between a server and its child")
        view = view[end + message.body_bytes :]


class _Sink:
    """Keeps what Arrow's writer writes until it is taken; the schema, which goes its own way, is left out."""

    closed = False

    def __init__(self, *, skip: int) -> None:
        self._skip = skip
        self._position = 0
        self._pieces: list[bytes] = []

    def write(self, piece: Any) -> int:  # noqa: ANN401 - anything with the buffer protocol
        """Keep a piece; called by Arrow."""
        data = bytes(piece)
        self._position += len(data)
        passed = min(self._skip, len(data))
        self._skip -= passed
        self._pieces.append(data[passed:])
        return len(data)

    def taken(self) -> pa.Buffer:
        """Return all pieces as one."""
        pieces, self._pieces = self._pieces, []
        return pa.py_buffer(b"".join(pieces))

    def tell(self) -> int:
        """Return how much was written; asked by Arrow."""
        return self._position

    def flush(self) -> None:
        """Do nothing; called by Arrow."""

    def close(self) -> None:
        """Do nothing; called by Arrow."""


class _File:
    """What Arrow's reader reads: one unit at a time, without copying it."""

    closed = False

    def __init__(self, unit: pa.Buffer) -> None:
        self.feed(unit)

    @property
    def left(self) -> int:
        """How many bytes of the unit have not been read."""
        return self._unit.size - self._position

    def feed(self, unit: pa.Buffer) -> None:
        """Have this unit read next."""
        self._unit = unit
        self._position = 0

    def read(self, size: int) -> pa.Buffer:
        """Return the next bytes, fewer at the end; called by Arrow."""
        piece = self._unit.slice(self._position, min(max(size, 0), self.left))
        self._position += piece.size
        return piece

    read_buffer = read

    def close(self) -> None:
        """Do nothing; called by Arrow."""
