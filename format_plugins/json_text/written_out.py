"""Arrays whose values are all there: out of dictionaries and runs, and without extension types, at any depth."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from format_plugins.kinds import Array, Type, is_extension, is_list_view, is_text_view
from format_plugins.relabelling import mapped, struct_fields, with_fields
from format_plugins.sharing import run_numbers


def is_encoded(type_: Type) -> bool:
    """Tell whether there is a dictionary, a run or an extension type in ``type_``."""
    return bool(written_out_type(type_) != type_)


def written_out(array: Array) -> Array:
    """Return the values of ``array``, of ``written_out_type(array.type)``."""
    return _values(array, takeable=False)


def written_out_type(type_: Type) -> Type:
    """Return the type that values of ``type_`` have when they are written out."""
    return _type(type_, takeable=False)


def _type(type_: Type, *, takeable: bool) -> Type:
    def change(each: Type) -> Type | None:
        if is_extension(each):
            return _type(each.storage_type, takeable=takeable)
        if _is_shared(each):
            return _type(each.value_type, takeable=True)
        if takeable and is_text_view(each):
            return pa.large_string() if pa.types.is_string_view(each) else pa.large_binary()
        return None

    return mapped(type_, change)


def _is_shared(type_: Type) -> bool:
    return pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_)


def _values(array: Array, *, takeable: bool) -> Array:
    """Return the values of an array; ``takeable`` also without views, which Arrow cannot take out of an array."""
    while is_extension(array.type):
        array = array.storage
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return _values(array.dictionary, takeable=True).take(array.indices)
    if pa.types.is_run_end_encoded(type_):
        values, numbers = run_numbers(array)
        return _values(values, takeable=True).take(numbers)
    wanted = _type(type_, takeable=takeable)
    if wanted == type_:
        return array
    if is_text_view(type_):
        return array.cast(wanted)
    if pa.types.is_struct(type_):
        children = [_values(child, takeable=takeable) for child in struct_fields(array)]
        # What was null in a dictionary is null now, whatever the field says.
        fields = [
            field.with_type(child.type).with_nullable(field.nullable or child.null_count > 0)
            for field, child in zip(type_, children, strict=True)
        ]
        return pa.StructArray.from_arrays(children, fields=fields, mask=array.is_null())
    return _of_lists(array, takeable=takeable)


def _of_lists(array: Array, *, takeable: bool) -> Array:
    """Return lists or maps with the same buffers, over other values."""
    type_ = array.type
    inner = _values(array.values, takeable=takeable)
    own = 1 if pa.types.is_fixed_size_list(type_) else 3 if is_list_view(type_) else 2
    field: pa.Field[Any] = type_.field(0)
    wanted = with_fields(type_, [field.with_type(inner.type)])
    buffers = array.buffers()[:own]
    return pa.Array.from_buffers(wanted, len(array), buffers, array.null_count, array.offset, children=[inner])
