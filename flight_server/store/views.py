"""Arrow's view types, whose slices keep all the bytes that any row of the whole points into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def compacted(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with views that hold no more than its own rows, where Arrow can make them.

    A slice of views is written with every buffer that they could point into. Views inside unions, maps and list views of
    views stay as they are.
    """
    if not any(_holds(kind, is_view) for kind in batch.schema.types):
        return batch
    return pa.RecordBatch.from_arrays([_compacted(column) for column in batch.columns], schema=batch.schema)


def is_view(kind: pa.DataType) -> bool:
    """Whether the values of this type point into buffers that slices share."""
    return pa.types.is_string_view(kind) or pa.types.is_binary_view(kind) or _is_list_view(kind)


def children(kind: pa.DataType) -> list[pa.DataType]:
    """Return the types nested directly in ``kind``."""
    return [kind.field(index).type for index in range(kind.num_fields)]


def _compacted(column: pa.Array[Any]) -> pa.Array[Any]:
    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(kind, _compacted(column.storage))
    if not _holds(kind, is_view):
        return column
    try:
        if children(kind):  # joining cuts nested values to those of the slice; the views among them stay long
            column = pa.concat_arrays([column.slice(0, 0), column])
        return column if _holds(kind, _is_list_view) else column.cast(_without_views(kind)).cast(kind)
    except pa.ArrowNotImplementedError:
        return column


def _without_views(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary_view(kind):
        return pa.large_binary()
    inner = [field.with_type(_without_views(field.type)) for field in map(kind.field, range(kind.num_fields))]
    if types.is_struct(kind):
        return pa.struct(inner)
    if types.is_list(kind):
        return pa.list_(inner[0])
    if types.is_large_list(kind):
        return pa.large_list(inner[0])
    return kind


def _is_list_view(kind: pa.DataType) -> bool:
    return pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind)


def _holds(kind: pa.DataType, wanted: Callable[[pa.DataType], bool]) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _holds(kind.storage_type, wanted)
    return wanted(kind) or any(_holds(child, wanted) for child in children(kind))
