"""Documents inside record batches: byte chunks in and out of the one-column payload schema."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from flight_server.errors import BadPayload

#: The field that carries a document, a chunk a row.
FIELD = "payload"
#: What the server sends holds at least this much (the last chunk excepted) ...
MIN_CHUNK_BYTES = 1 << 20
#: ... and at most this much, so that clients with gRPC's 4 MiB default work.
MAX_CHUNK_BYTES = 2 << 20
#: Smaller pieces are copied as they come: an object kept for each would take far more memory than its bytes.
_SMALL_BYTES = 16 << 10


def schema(format_name: str, media_type: str | None, content_encoding: str | None) -> pa.Schema:
    """Return the schema of a payload stream that the server sends."""
    metadata: dict[bytes | str, bytes | str] = {"format": format_name}
    if media_type:
        metadata["media_type"] = media_type
    if content_encoding:
        metadata["content_encoding"] = content_encoding
    return pa.schema([pa.field(FIELD, pa.binary())], metadata=metadata)


def is_payload(schema: pa.Schema) -> bool:
    """Whether a stream of this schema carries a document rather than rows."""
    return bool(
        len(schema) == 1
        and schema.field(0).name == FIELD
        and (pa.types.is_binary(schema.field(0).type) or pa.types.is_large_binary(schema.field(0).type))
    )


def chunk_of(batch: pa.RecordBatch) -> pa.Buffer:
    """Return the bytes of all rows of a validated payload batch, without copying: they lie side by side."""
    column = batch.column(0)
    if column.null_count:
        raise BadPayload(f"a payload row is null: rows of {FIELD!r} carry the document's bytes and may not be null")
    if len(column) == 0:
        return pa.py_buffer(b"")
    width = 8 if pa.types.is_large_binary(column.type) else 4
    _, offsets, data = column.buffers()
    kind = pa.int64() if width == 8 else pa.int32()  # noqa: PLR2004 - bytes of an offset
    ends = pa.Array.from_buffers(kind, len(column) + 1, [None, offsets], offset=column.offset)
    start, stop = ends[0].as_py(), ends[len(column)].as_py()
    return pa.py_buffer(b"") if data is None else data.slice(start, stop - start)


def batches(chunks: Iterable[Any], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield a document as payload batches of one row each, cut to 1 to 2 MiB; large chunks are not copied."""
    held: list[memoryview | bytearray] = []
    size = 0
    for chunk in chunks:
        view = memoryview(chunk).cast("B")
        while view:
            # A chunk that fills a message alone goes as it is; smaller ones are gathered first.
            take = min(len(view), MAX_CHUNK_BYTES - size)
            _hold(held, view[:take])
            size += take
            view = view[take:]
            if size >= MIN_CHUNK_BYTES:
                yield _batch(held, schema)
                held, size = [], 0
    if held:
        yield _batch(held, schema)


def _hold(held: list[memoryview | bytearray], piece: memoryview) -> None:
    if len(piece) >= _SMALL_BYTES:
        held.append(piece)
    elif held and isinstance(held[-1], bytearray):
        held[-1] += piece
    else:
        held.append(bytearray(piece))


def _batch(held: list[memoryview | bytearray], schema: pa.Schema) -> pa.RecordBatch:
    data = pa.py_buffer(held[0] if len(held) == 1 else b"".join(held))
    offsets = pa.py_buffer(struct.pack("=2i", 0, data.size))
    return pa.RecordBatch.from_arrays([pa.Array.from_buffers(pa.binary(), 1, [None, offsets, data])], schema=schema)
