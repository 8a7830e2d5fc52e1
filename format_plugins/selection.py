"""The part of a document that was asked for: its columns in their order, checked, in record batches of a bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.contract import FormatError
from format_plugins.faults import wrong_data
from format_plugins.slicing import sliced
from format_plugins.spelling import did_you_mean
from format_plugins.views import text_lengths

_VIEWS = (pa.string_view(), pa.binary_view())
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
    hint = did_you_mean(name, schema.names)
    problem = f"there are {len(found)} columns {name!r}" if found else f"there is no column {name!r}{hint}"
    raise FormatError(problem, column=name, option="columns")


def _slices(batches: Iterable[pa.RecordBatch], columns: Sequence[str] | None, max_rows: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        with wrong_data("the document holds a record batch that is not valid"):
            batch.validate(full=True)
            found = batch if columns is None else batch.select(list(columns))
            _check_views(found)
        yield from sliced(found, max_rows=max_rows)


def _check_views(batch: pa.RecordBatch) -> None:
    """Refuse views that point at one text so often that whoever writes them out runs out of memory."""
    for index, kind in enumerate(batch.schema.types):
        if kind not in _VIEWS:
            continue
        size = pc.sum(text_lengths(batch.column(index))).as_py() or 0
        if size > _MOST_VIEWED_BYTES:
            name = batch.schema.names[index]
            raise FormatError(f"the column {name!r} repeats text up to {size:,} bytes in one record batch", column=name)
