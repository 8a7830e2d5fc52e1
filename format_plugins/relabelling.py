"""Arrays with another type over the same bytes: extension types taken off at any depth, maps as lists, times as numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.kinds import Array, Type, holds, is_extension, is_list


def relabelled(array: Array, type_: Type) -> Array:
    """Return ``array`` as ``type_``, whose layout in memory is the same at every level. Nothing is copied."""
    while is_extension(array.type):
        array = array.storage  # one over another does not go through Arrow's interface
    over: Any = _Relabelled(array, type_)
    return array if array.type == type_ else pa.array(over)


def storage(array: Array) -> Array:
    """Return ``array`` without extension types, at any depth.

    Arrow's kernels do not look into those: of lists of them it joins views without the bytes that they point at, and
    what is read then is other memory.
    """
    return relabelled(array, storage_type(array.type))


def storage_type(type_: Type) -> Type:
    """Return ``type_`` without extension types, at any depth."""
    return mapped(type_, lambda each: storage_type(each.storage_type) if is_extension(each) else None)


def mapped(type_: Type, change: Callable[[Type], Type | None]) -> Type:
    """Return ``type_`` with each type in it, itself included, that ``change`` has another type for in its place."""
    changed = change(type_)
    if changed is not None:
        return changed
    if pa.types.is_dictionary(type_):
        return pa.dictionary(type_.index_type, mapped(type_.value_type, change), ordered=type_.ordered)
    if pa.types.is_run_end_encoded(type_):
        return pa.run_end_encoded(type_.run_end_type, mapped(type_.value_type, change))
    fields = [type_.field(index) for index in range(type_.num_fields)]
    return with_fields(type_, [field.with_type(mapped(field.type, change)) for field in fields])


def with_fields(type_: Type, fields: list[pa.Field[Any]]) -> Type:
    """Return a type of the kind of ``type_`` that has ``fields``; one that holds no others is returned as it is."""
    if pa.types.is_struct(type_):
        return pa.struct(fields)
    if pa.types.is_map(type_):
        entries = fields[0].type
        return pa.map_(entries.field(0), entries.field(1), type_.keys_sorted)
    if pa.types.is_fixed_size_list(type_):
        return pa.list_(fields[0], type_.list_size)
    if pa.types.is_union(type_):
        return pa.union(fields, mode=type_.mode, type_codes=type_.type_codes)
    if not is_list(type_):
        return type_
    makers: tuple[tuple[Callable[[Type], bool], Callable[..., Type]], ...] = (
        (pa.types.is_list, pa.list_),
        (pa.types.is_large_list, pa.large_list),
        (pa.types.is_list_view, pa.list_view),
        (pa.types.is_large_list_view, pa.large_list_view),
    )
    return next(make(fields[0]) for is_kind, make in makers if is_kind(type_))


def numbers_of_times(type_: Type) -> Type | None:
    """Return the type of the numbers that dates, times and durations are; None for other types. For ``mapped``."""
    if pa.types.is_temporal(type_) and not pa.types.is_interval(type_):
        return pa.int32() if type_.bit_width == 32 else pa.int64()  # noqa: PLR2004 - bits
    return None


def struct_fields(array: Array) -> list[Array]:
    """Return the fields of a struct array, each of its length, and null where the struct is.

    But for those whose type has no place for nulls of its own, runs and unions, which are returned as they are: Arrow
    makes arrays of them that are not valid, or ends the process.
    """
    types = [array.type.field(index).type for index in range(array.type.num_fields)]
    if any(holds(each, _has_no_nulls) for each in types):
        validity = array.is_valid()
        return [_masked(array.field(index), validity) for index in range(len(types))]
    return [_whole_nulls(values, len(array)) for values in array.flatten()]


def list_elements(array: Array) -> Array:
    """Return the elements of the lists in ``array`` that are not null, one after the other."""
    try:
        elements: Array = array.flatten()
    except pa.ArrowNotImplementedError:  # there are none, and Arrow cannot make an empty array of every type
        elements = array.values.slice(0, 0)
    return elements


def _masked(values: Array, validity: Array) -> Array:
    if _has_no_nulls(values.type) or is_extension(values.type):
        return values
    one = pa.StructArray.from_arrays([values], names=[""], mask=pc.invert(validity))
    return _whole_nulls(one.flatten()[0], len(values))


def _whole_nulls(values: Array, rows: int) -> Array:
    # Arrow forgets the length of nulls that it takes out of a list.
    return pa.nulls(rows) if pa.types.is_null(values.type) else values


def _has_no_nulls(type_: Type) -> bool:
    return pa.types.is_run_end_encoded(type_) or pa.types.is_union(type_)


class _Relabelled:
    """An array of Arrow's C data interface, with the schema of another type."""

    def __init__(self, array: Array, type_: Type) -> None:
        self._array = array
        self._type = type_

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return self._type.__arrow_c_schema__(), self._array.__arrow_c_array__(requested_schema)[1]
