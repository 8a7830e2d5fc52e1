"""Whether what came back says what was written: to the sign of zero, and NaN is NaN."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.kinds import Array, holds, is_text_view


def same(one: Array, other: Array) -> bool:
    """Say whether two arrays, or chunked ones, have the same type and the same values."""
    if one.type != other.type or len(one) != len(other):
        return False
    one, other = whole(one), whole(other)
    if one.type != other.type:  # dictionaries that cannot be made into one
        one, other = plain(one), plain(other)
    if pa.types.is_floating(one.type):  # Arrow takes -0.0 for 0.0, and NaN for nothing
        return list(map(repr, one.to_pylist())) == list(map(repr, other.to_pylist()))
    if one.type == other.type and one.equals(other):
        return True
    if not holds(one.type, pa.types.is_dictionary):
        return False
    # Of dictionaries the values count, not where each has its place, unless their order means something.
    return one.to_pylist() == other.to_pylist() and _order(one) == _order(other)


def _order(array: Array) -> list[object]:
    """Return the values that occur in a dictionary that is ordered, in its order."""
    if not (pa.types.is_dictionary(array.type) and array.type.ordered):
        return []
    used = set(array.indices.to_pylist())
    return [value for place, value in enumerate(array.dictionary.to_pylist()) if place in used]


def same_values(before: Array, after: Array) -> bool:
    """Say whether ``after`` has the values of ``before`` in another type."""
    before, after = plain(whole(before)), plain(whole(after))
    if before.type == after.type:
        return same(before, after)
    try:
        return same(before.cast(after.type), after)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False


def same_tables(one: pa.Table, other: pa.Table) -> bool:
    """Say whether two tables have the same names, types and values, however they are chunked."""
    return (
        one.schema.equals(other.schema)
        and one.num_rows == other.num_rows
        and all(same(left, right) for left, right in zip(one.columns, other.columns, strict=True))
    )


def difference(one: pa.Table, other: pa.Table) -> str:
    """Say in half a sentence what is different in ``other``."""
    if not one.schema.equals(other.schema):
        return f"the schema is {_listed(other.schema)} instead of {_listed(one.schema)}"
    if not keeps_metadata(one.schema, other.schema):
        return "metadata is lost"
    if one.num_rows != other.num_rows:
        return f"there are {other.num_rows:,} rows instead of {one.num_rows:,}"
    for field, before, after in zip(one.schema, one.columns, other.columns, strict=True):
        for row in range(one.num_rows):
            if not same(before.slice(row, 1), after.slice(row, 1)):
                return f"row {row + 1} of the column {field.name!r} is {shown(after, row)} instead of {shown(before, row)}"
        if not same(before, after):
            return f"the dictionary of the column {field.name!r} has another order"
    return "nothing is different"


def keeps_metadata(one: Any, other: Any) -> bool:  # noqa: ANN401 - schemas, fields or types
    """Say whether ``other``, of the same types, has the metadata of ``one``, at every level; more of it does no harm."""
    lost = dict(one.metadata or {}).items() - dict(other.metadata or {}).items()
    return not lost and all(keeps_metadata(*pair) for pair in zip(_fields(one), _fields(other), strict=True))


def _fields(holder: Any) -> list[pa.Field[Any]]:  # noqa: ANN401 - as above
    if isinstance(holder, pa.Schema):
        return list(holder)
    return [holder.type.field(index) for index in range(holder.type.num_fields)]


def shown(array: Array, row: int) -> str:
    """Return a value as text, in short."""
    try:
        return repr(array[row].as_py())[:80]
    except (ValueError, OverflowError, TypeError):  # a time that Python cannot hold
        return str(array[row])[:80]


def whole(array: Array) -> Array:
    """Return a chunked array as one array; of plain values where its dictionaries cannot be made into one."""
    if not isinstance(array, pa.ChunkedArray):
        return array
    if array.num_chunks == 0:
        return pa.nulls(0, array.type)
    if array.num_chunks == 1:
        return array.chunk(0)
    try:
        return array.combine_chunks()
    except pa.ArrowInvalid:
        return pa.concat_arrays([plain(chunk) for chunk in array.chunks])


def plain(array: Array) -> Array:
    """Return the values themselves: no extension, no dictionary, no runs, no views."""
    if isinstance(array, pa.ExtensionArray):
        return plain(array.storage)
    if isinstance(array, pa.DictionaryArray):
        return plain(array.dictionary).take(array.indices)
    if isinstance(array, pa.RunEndEncodedArray):
        return plain(pc.call_function("run_end_decode", [array]))
    if is_text_view(array.type):
        return array.cast(pa.large_string() if pa.types.is_string_view(array.type) else pa.large_binary())
    return array


def nulls(array: Array) -> int:
    """Return how many of the rows are null, also where a dictionary or a run says so."""
    return int(plain(whole(array)).null_count)


def _listed(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name!r}: {field.type}{'' if field.nullable else ' not null'}" for field in schema) or "empty"
