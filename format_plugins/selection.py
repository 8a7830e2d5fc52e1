"""The part of a document that was asked for: its columns in their order, checked, in record batches of a bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import pyarrow as pa

from format_plugins.contract import FormatError
from format_plugins.faults import wrong_data
from format_plugins.options import nearest
from format_plugins.slicing import TARGET_BYTES, sliced


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
    for piece in sliced(batch.cast(pa.schema(fields, metadata=cast("Any", batch.schema.metadata))), max_rows=max_rows):
        yield piece.cast(batch.schema)


def _without_views(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(kind) else kind
