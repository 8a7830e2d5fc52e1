"""How much the rows of a record batch are when each value is written out, which values that rows share hide."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.kinds import Array, Type, holds, is_extension, is_list, is_list_view, is_text, is_text_view
from format_plugins.relabelling import struct_fields
from format_plugins.sharing import run_ends, run_numbers
from format_plugins.slicing import data_bytes
from format_plugins.views import is_view, text_lengths

#: What a number takes, or a null, about.
_FIXED_BYTES = 8


def shares(kind: Type) -> bool:
    """Tell whether rows of this type may share what they hold."""
    return pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) or is_view(kind)


def written_bytes(batch: pa.RecordBatch, *, shares: Callable[[Type], bool] = shares) -> int:
    """Return the size of ``batch`` in bytes, where a value that rows share counts for each of them.

    A dictionary's value, a run and a view each take a few bytes a row, whatever the length of the text: ten kilobytes can
    become gigabytes when they are written out. ``shares`` tells the types that the writer does write out.
    """
    size = data_bytes(batch)
    for index, kind in enumerate(batch.schema.types):
        if holds(kind, shares):
            size += _total(batch.column(index))
    return size


def _lengths(array: Array) -> Array:
    """Return about how many bytes each value of ``array`` takes when it is written out."""
    for is_kind, measure in _KINDS:
        if is_kind(array.type):
            return measure(array)
    return pa.repeat(pa.scalar(_FIXED_BYTES, pa.int64()), len(array))


def _of_runs(array: Array) -> Array:
    values, numbers = run_numbers(array)
    return _lengths(values).take(numbers)


def _total(array: Array) -> int:
    if not pa.types.is_run_end_encoded(array.type):
        return int(pc.sum(_lengths(array)).as_py() or 0)
    # The rows of a few runs may be too many to be looked at one by one.
    ends = run_ends(array)
    begins = pa.concat_arrays([pa.array([0], pa.int64()), ends])[:-1]
    values = array.values.slice(array.find_physical_offset(), array.find_physical_length())
    return int(pc.sum(pc.multiply(_lengths(values), pc.subtract(ends, begins))).as_py() or 0)


def _of_lists(array: Array) -> Array:
    kind = array.type
    if pa.types.is_fixed_size_list(kind):
        begins = pc.multiply(pa.array(range(array.offset, array.offset + len(array))), pa.scalar(kind.list_size))
        ends = pc.add(begins, pa.scalar(kind.list_size))
    elif is_list_view(kind):
        begins = array.offsets.cast(pa.int64())
        ends = pc.add(begins, array.sizes.cast(pa.int64()))
    else:
        offsets = array.offsets.cast(pa.int64())
        begins, ends = offsets[:-1], offsets[1:]
    if not len(array):
        return begins
    first, last = pc.min(begins).as_py(), pc.max(ends).as_py()
    elements = [array.keys, array.items] if pa.types.is_map(kind) else [array.values]
    # How much lies before each element: a list is what lies between its two ends.
    before = pc.cumulative_sum(_sum([_lengths(each.slice(first, last - first)) for each in elements], last - first))
    before = pa.concat_arrays([pa.array([0], pa.int64()), before])
    return pc.subtract(*(before.take(pc.subtract(place, pa.scalar(first))) for place in (ends, begins)))


def _sum(parts: list[Array], rows: int) -> Array:
    total: Array = pa.repeat(pa.scalar(0, pa.int64()), rows)
    for part in parts:
        total = pc.add(total, pc.fill_null(part, 0))
    return total


_KINDS: tuple[tuple[Callable[[Type], bool], Callable[[Array], Array]], ...] = (
    (is_extension, lambda array: _lengths(array.storage)),
    (pa.types.is_dictionary, lambda array: _lengths(array.dictionary).take(array.indices)),
    (pa.types.is_run_end_encoded, _of_runs),
    (pa.types.is_struct, lambda array: _sum([_lengths(field) for field in struct_fields(array)], len(array))),
    (lambda kind: is_list(kind) or pa.types.is_map(kind), _of_lists),
    (is_text_view, lambda array: text_lengths(array).cast(pa.int64())),
    (pa.types.is_binary, lambda array: pc.binary_length(array).cast(pa.int64())),
    (pa.types.is_large_binary, pc.binary_length),
    (is_text, lambda array: pc.binary_length(array).cast(pa.int64())),
)
