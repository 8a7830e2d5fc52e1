"""Record batches as the bytes of an Arrow IPC stream or file, lazily, a message at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pyarrow as pa

from format_plugins.contract import UnsupportedError
from format_plugins.kinds import Type, children, holds, is_extension
from format_plugins.pieces import PieceSink
from format_plugins.slicing import sliced

#: Batches are cut to messages of this size: readers hold a message at once, and refuse those that are too large.
MAX_MESSAGE_BYTES = 64 << 20

Prepare = Callable[[pa.RecordBatch], pa.RecordBatch]


def write_options(compression: Literal["none", "lz4", "zstd"], *, deltas: bool = False) -> pa.ipc.IpcWriteOptions:
    """Return how Arrow is to write; ``deltas`` sends only what a growing dictionary has gained."""
    return pa.ipc.IpcWriteOptions(compression=None if compression == "none" else compression, emit_dictionary_deltas=deltas)


def ipc_pieces(
    batches: pa.RecordBatchReader,
    open_writer: Callable[..., Any],
    options: pa.ipc.IpcWriteOptions,
    prepare: Prepare = lambda batch: batch,
) -> Iterator[pa.Buffer]:
    """Yield what ``open_writer``'s writer makes of ``batches``; ``prepare`` sees each one first.

    Raises ``UnsupportedError`` for what Arrow IPC cannot carry.
    """
    schema = batches.schema
    check_dictionaries(schema)
    sink = PieceSink()
    with open_writer(sink, schema, options=options) as writer:
        for batch in batches:
            for piece in sliced(batch, max_bytes=MAX_MESSAGE_BYTES):
                _write(writer, prepare(piece))
                yield from sink.take()
    yield from sink.rest()


def nested_dictionaries(schema: pa.Schema) -> list[str]:
    """Return the columns that hold a dictionary below their top."""
    return [field.name for field in schema if any(holds(kind, pa.types.is_dictionary) for kind in _inner(field.type))]


def _write(writer: pa.ipc.RecordBatchStreamWriter | pa.ipc.RecordBatchFileWriter, batch: pa.RecordBatch) -> None:
    try:
        writer.write_batch(batch)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        # Two things are left that Arrow refuses here: nesting too deep, and in a file a nested dictionary that changes.
        suspects = nested_dictionaries(batch.schema) if "ictionary" in str(error) else []
        column = ", ".join(suspects) or None
        kinds = ", ".join(str(batch.schema.field(name).type) for name in suspects)
        where = f"column {column!r} ({kinds}): " if column else ""
        raise UnsupportedError(f"{where}{error}", column=column) from error


def check_dictionaries(schema: pa.Schema) -> None:
    """Raise ``UnsupportedError`` for what no Arrow IPC stream can carry."""
    for field in schema:
        if _is_dictionary_of_dictionary(field.type):
            raise UnsupportedError(
                f"column {field.name!r} has {field.type}: Arrow IPC has no way to carry a dictionary of a dictionary",
                column=field.name,
            )
        if _is_dictionary_of_extension(field.type):
            raise UnsupportedError(
                f"column {field.name!r} has {field.type}: Arrow writes a dictionary of an extension type, "
                "and does not read it again",
                column=field.name,
            )


def _is_dictionary_of_extension(kind: Type) -> bool:
    if pa.types.is_dictionary(kind) and is_extension(kind.value_type):
        return True
    return any(map(_is_dictionary_of_extension, _inner(kind)))


def _is_dictionary_of_dictionary(kind: Type) -> bool:
    if pa.types.is_dictionary(kind) and pa.types.is_dictionary(kind.value_type):
        return True
    return any(map(_is_dictionary_of_dictionary, _inner(kind)))


def _inner(kind: Type) -> list[Type]:
    return [kind.value_type] if pa.types.is_dictionary(kind) else children(kind)
