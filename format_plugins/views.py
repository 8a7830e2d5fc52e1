"""Arrow's view types, whose slices keep all the bytes that any row of the whole points into."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.kinds import Array, Type, children, holds, is_list_view, is_text_view
from format_plugins.relabelling import list_elements, struct_fields

#: Texts up to this length stand in the view itself, those beyond in buffers that rows may share (Arrow's layout).
_INLINE_BYTES = 12


def compacted(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with views that hold no more than its own rows, where Arrow can make them.

    Views that point at the same bytes so often that these would take more room written out stay as they are; so do views
    inside unions, maps and list views of views.
    """
    if not any(holds(kind, is_view) for kind in batch.schema.types):
        return batch
    return pa.RecordBatch.from_arrays([_compacted(column) for column in batch.columns], schema=batch.schema)


def is_view(kind: Type) -> bool:
    """Whether the values of this type point into buffers that slices share."""
    return is_text_view(kind) or is_list_view(kind)


def text_lengths(column: Array) -> Array:
    """Return the length in bytes of each text of an array of text or binary views; 0 for null. Arrow has no kernel for it."""
    parts = pa.Array.from_buffers(pa.int32(), 4 * (column.offset + len(column)), [None, column.buffers()[1]])
    # A view is four numbers of 32 bits, and the first one is its length.
    lengths = pc.list_element(pa.FixedSizeListArray.from_arrays(parts, 4), 0).slice(column.offset)
    return pc.if_else(column.is_valid(), lengths, 0)


def _compacted(column: Array) -> Array:
    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(kind, _compacted(column.storage))
    if not holds(kind, is_view):
        return column
    try:
        if children(kind):  # joining cuts nested values to those of the slice; the views among them stay long
            column = pa.concat_arrays([column.slice(0, 0), column])
        if holds(kind, is_list_view) or not _is_shorter_written_out(column):
            return column
        return column.cast(_without_views(kind)).cast(kind)
    except pa.ArrowNotImplementedError:
        return column


def _is_shorter_written_out(column: Array) -> bool:
    held = written = 0
    for views in _text_views(column):
        lengths = text_lengths(views)
        held += sum(buffer.size for buffer in views.buffers()[2:] if buffer is not None)
        written += pc.sum(pc.if_else(pc.greater(lengths, pa.scalar(_INLINE_BYTES)), lengths, 0)).as_py() or 0
    return written < held


def _text_views(column: Array) -> list[Array]:
    """Return the arrays of text and binary views in a column, of the rows that it has."""
    kind = column.type
    if is_text_view(kind):
        return [column]
    if pa.types.is_struct(kind):
        return [views for child in struct_fields(column) for views in _text_views(child)]
    return _text_views(list_elements(column)) if pa.types.is_list(kind) or pa.types.is_large_list(kind) else []


def _without_views(kind: Type) -> Type:
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
