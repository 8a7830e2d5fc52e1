"""The part of a document that was asked for: its columns in their order, checked, in record batches of a bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.contract import FormatError
from format_plugins.faults import wrong_data
from format_plugins.options import nearest
from format_plugins.slicing import TARGET_BYTES, sliced

_VIEWS = (pa.string_view(), pa.binary_view())
_PLAIN_BYTES = TARGET_BYTES * 2 // 3  # a view takes 16 bytes, where the end of a plain text takes 8
_MOST_VIEWED_BYTES = 256 << 20


def selected(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, columns: Sequence[str] | None, max_rows: int
) -> pa.RecordBatchReader:
    """Return ``columns`` (all of them for None) of ``batches``, lazily, in slices of about 2 MiB and ``max_rows`` rows.

    Each batch is validated in full before anything touches it: a damaged document decodes to offsets that point
    anywhere. Raises ``FormatError`` at once for a column that is not there, later for a batch that is not valid.
    """
    if columns is not None:
        schema = pa.schema([_field(schema, name) for name in columns], metadata=cast("Any", schema.metadata))
    return pa.RecordBatchReader.from_batches(schema, _slices(batches, columns, max_rows))


def _field(schema: pa.Schema, name: str) -> pa.Field[Any]:
    found = schema.get_all_field_indices(name)
    if len(found) == 1:
        return schema.field(found[0])
    near = nearest(name, schema.names)
    hint = f"; did you mean {near!r}?" if near else ""
    problem = f"there are {len(found)} columns {name!r}" if found else f"there is no column {name!r}{hint}"
    raise FormatError(problem, column=name, option="columns")


def _slices(batches: Iterable[pa.RecordBatch], columns: Sequence[str] | None, max_rows: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        with wrong_data("the document holds a record batch that is not valid"):
            batch.validate(full=True)
            found = batch if columns is None else batch.select(list(columns))
            _check_views(found)
        yield from _cut(found, max_rows)


def _cut(batch: pa.RecordBatch, max_rows: int) -> Iterator[pa.RecordBatch]:
    if batch.get_total_buffer_size() <= TARGET_BYTES and batch.num_rows <= max_rows:
        yield batch
        return
    plain = [_without_views(kind) for kind in batch.schema.types]
    if plain == batch.schema.types:
        yield from sliced(batch, max_rows=max_rows)
        return
    # A slice of views keeps every byte of the whole, however few rows it has: copy what the rows themselves need.
    fields = [field.with_type(kind) for field, kind in zip(batch.schema, plain, strict=True)]
    whole = batch.cast(pa.schema(fields, metadata=cast("Any", batch.schema.metadata)))
    for piece in sliced(whole, max_bytes=_PLAIN_BYTES, max_rows=max_rows):
        own = [pa.concat_arrays([column]).cast(kind) for column, kind in zip(piece.columns, batch.schema.types, strict=True)]
        yield pa.RecordBatch.from_arrays(own, schema=batch.schema)


def _without_views(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(kind) else kind


def _check_views(batch: pa.RecordBatch) -> None:
    """Refuse views that point at one text so often that whoever writes them out runs out of memory."""
    for index, kind in enumerate(batch.schema.types):
        if kind not in _VIEWS:
            continue
        column = batch.column(index)
        parts = pa.Array.from_buffers(pa.int32(), 4 * (column.offset + len(column)), [None, column.buffers()[1]])
        # A view is four numbers of 32 bits, and the first one is its length.
        lengths = pc.list_element(pa.FixedSizeListArray.from_arrays(parts, 4), 0).slice(column.offset)
        size = pc.sum(pc.if_else(column.is_valid(), lengths, 0)).as_py() or 0
        if size > _MOST_VIEWED_BYTES:
            name = batch.schema.names[index]
            raise FormatError(f"the column {name!r} repeats text up to {size:,} bytes in one record batch", column=name)
