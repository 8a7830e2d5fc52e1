"""Dictionaries and runs: made of arrays of any type, where Arrow makes them of some only, and taken apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.kinds import Array, Type
from format_plugins.relabelling import mapped, numbers_of_times, relabelled, storage


def dictionary_of(array: Array, type_: Type) -> Array:
    """Return the values of ``array`` as a dictionary array of ``type_``, in the order in which they first come.

    Raises ``ValueError`` when there are more of them than its indices can tell apart.
    """
    try:
        encoded: Any = None if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    except pa.ArrowNotImplementedError:
        encoded = None
    if encoded is None:
        first: dict[object, int] = {}
        for place, text in enumerate(texts := list(_texts(array))):
            first.setdefault(text, place)
        numbers = {text: number for number, text in enumerate(first)}
        indices = pa.array([numbers[text] for text in texts], pa.int64())
        encoded = pa.DictionaryArray.from_arrays(indices, _picked(array, first.values()))
    return pa.DictionaryArray.from_arrays(_indices(encoded, type_), encoded.dictionary, ordered=type_.ordered)


def runs_of(array: Array, type_: Type) -> Array:
    """Return the values of ``array`` as a run-end encoded array of ``type_``; raises ``ValueError`` for too many rows."""
    if not array.type.num_fields:
        try:
            return pc.call_function("run_end_encode", [array], pc.RunEndEncodeOptions(type_.run_end_type))
        except pa.ArrowNotImplementedError:
            pass
    lengths = [len(list(run)) for _, run in itertools.groupby(_texts(array))]
    ends = list(itertools.accumulate(lengths))
    values = _picked(array, [0, *ends][: len(ends)])
    return pa.RunEndEncodedArray.from_arrays(pa.array(ends, type_.run_end_type), values, type_)


def run_numbers(array: Array) -> tuple[Array, Array]:
    """Return the values of the runs that a run-end encoded array has rows of, and for each row the number of its run.

    A slice has all runs of the whole: those that are its own are counted from its beginning to its end.
    """
    start, count = array.find_physical_offset(), array.find_physical_length()
    runs: Array = pa.RunEndEncodedArray.from_arrays(run_ends(array), pa.array(range(count), pa.int64()))
    return array.values.slice(start, count), pc.call_function("run_end_decode", [runs])


def run_ends(array: Array) -> Array:
    """Return where the runs end that a run-end encoded array has rows of, in its own rows."""
    ends = array.run_ends.slice(array.find_physical_offset(), array.find_physical_length()).cast(pa.int64())
    return pc.min_element_wise(pc.subtract(ends, pa.scalar(array.offset)), pa.scalar(len(array)))


def _indices(encoded: Array, type_: Type) -> Array:
    try:
        return encoded.indices.cast(type_.index_type)
    except pa.ArrowInvalid:
        bits = type_.index_type.bit_width - pa.types.is_signed_integer(type_.index_type)
        raise ValueError(
            f"{len(encoded.dictionary):,} different values in one record batch, "
            f"and indices of {type_.index_type} tell {1 << bits:,} apart"
        ) from None


def _texts(array: Array) -> Iterable[object]:
    """Return for each value a text that no other value has."""
    return map(repr, relabelled(storage(array), mapped(storage(array).type, _numbers)).to_pylist())


def _numbers(type_: Type) -> Type | None:
    return pa.binary(type_.bit_width // 8) if pa.types.is_decimal(type_) else numbers_of_times(type_)


def _picked(array: Array, places: Iterable[int]) -> Array:
    # Arrow cannot take values of every type: it has none that it cannot join.
    parts = storage(array)
    return relabelled(pa.concat_arrays([parts.slice(0, 0), *(parts.slice(place, 1) for place in places)]), array.type)
