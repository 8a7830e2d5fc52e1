"""From a column to the texts of its values, each exact: what is read back is what was written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.contract import UnsupportedError
from format_plugins.decimals import of_width
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.kinds import Array, is_text
from format_plugins.relabelling import relabelled

#: From a column to strings, null where it is null.
ToText: TypeAlias = Callable[[Array], Array]

_DAY_SECONDS = 86400
#: ISO 8601 has four digits for the year.
_FIRST_DAY = (dt.date(1, 1, 1) - dt.date(1970, 1, 1)).days - 366  # the first one of the year 0
_LAST_DAY = (dt.date(9999, 12, 31) - dt.date(1970, 1, 1)).days
#: pyarrow's parser counts whole seconds first: it refuses the last part of a second before the least timestamp[ns].
_FIRST_NANOSECOND = -9_223_372_036_000_000_000
_TOO_EARLY = "a timestamp[ns] in the part of a second before 1677-09-21 00:12:44, which would not be read back"
#: By the width in bits of a decimal, the scale up to which Arrow makes texts of it.
_MOST_DIGITS = {32: 9, 64: 18, 128: 38, 256: 76}
_UNITS_PER_SECOND = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}


def cell_writer(field: pa.Field[Any], options: DelimitedOptions) -> ToText:
    """Return what turns the column ``field`` into texts. Raises ``UnsupportedError`` when no text is exact."""
    writer = _writer(field.name, field.type, options)
    if writer is None:
        raise UnsupportedError(
            f"column {field.name!r:.80} has type {field.type!s:.80}, which delimited text cannot carry", column=field.name
        )
    return writer


def may_hold_anything(type_: pa.DataType) -> bool:
    """Tell whether values of ``type_`` are texts already, in which any character may stand."""
    if isinstance(type_, pa.DictionaryType):
        return may_hold_anything(type_.value_type)
    if isinstance(type_, pa.BaseExtensionType):
        return may_hold_anything(type_.storage_type)
    return is_text(type_)


def _writer(name: str, type_: pa.DataType, options: DelimitedOptions) -> ToText | None:
    if isinstance(type_, pa.DictionaryType):
        if pa.types.is_string_view(type_.value_type):  # Arrow can take no values out of a dictionary of views
            return lambda array: array.dictionary.cast(pa.string()).take(array.indices)
        return _after(lambda array: array.cast(type_.value_type), _writer(name, type_.value_type, options))
    if isinstance(type_, pa.BaseExtensionType):
        return _after(lambda array: array.storage, _writer(name, type_.storage_type, options))
    writers: tuple[tuple[Callable[[pa.DataType], bool], ToText], ...] = (
        (pa.types.is_date, partial(_dates, name)),
        (pa.types.is_timestamp, partial(_timestamps, name)),
        (pa.types.is_boolean, _bools(options)),
        (pa.types.is_floating, partial(_numbers, options)),
        (pa.types.is_decimal, partial(_decimals, options)),
        (pa.types.is_integer, _cast),
        (pa.types.is_time, _cast),
        (pa.types.is_duration, _cast),  # a number of its units
        (pa.types.is_null, _cast),
        (is_text, _cast),
    )
    return next((writer for is_kind, writer in writers if is_kind(type_)), None)


def _after(first: ToText, then: ToText | None) -> ToText | None:
    return then and (lambda array: then(first(array)))


def _cast(array: Array) -> Array:
    return array.cast(pa.string())


def _bools(options: DelimitedOptions) -> ToText:
    true, false = (pa.scalar(texts[0], pa.string()) for texts in (options.true_values, options.false_values))
    return lambda array: pc.if_else(array, true, false)


def _numbers(options: DelimitedOptions, array: Array) -> Array:
    texts = _cast(array)
    return texts if options.decimal_point == "." else pc.replace_substring(texts, ".", options.decimal_point)


def _decimals(options: DelimitedOptions, array: Array) -> Array:
    type_ = array.type
    if abs(type_.scale) <= _MOST_DIGITS[type_.bit_width]:
        return _numbers(options, array)
    # Arrow writes a remark in the place of each such number.
    units = relabelled(array, of_width(type_.bit_width, type_.precision))
    return pc.binary_join_element_wise(_cast(units), f"E{-type_.scale}", "")


def _dates(name: str, array: Array) -> Array:
    try:
        days = array.cast(pa.date32())
    except pa.ArrowInvalid:  # date64 counts milliseconds
        raise UnsupportedError(f"column {name!r:.80} has a date with a time of day", column=name) from None
    _check_range(name, days.view(pa.int32()), _FIRST_DAY, _LAST_DAY)
    return days.cast(pa.string())


def _timestamps(name: str, array: Array) -> Array:
    """Write the instant in UTC: with a zone as ``...Z``, which is many times faster than the zone's own clock."""
    per_second = _UNITS_PER_SECOND[array.type.unit]
    first, last = _FIRST_DAY * _DAY_SECONDS * per_second, ((_LAST_DAY + 1) * _DAY_SECONDS) * per_second - 1
    if array.type.unit == "ns":
        _check_range(name, array.view(pa.int64()), _FIRST_NANOSECOND, (1 << 63) - 1, _TOO_EARLY)
    else:
        _check_range(name, array.view(pa.int64()), first, last)
    texts = array.view(pa.timestamp(array.type.unit)).cast(pa.string())
    return texts if array.type.tz is None else pc.binary_join_element_wise(texts, "Z", "")


def _check_range(name: str, numbers: Array, first: int, last: int, problem: str = "a date outside the years 0 to 9999") -> None:
    bounds: Any = pc.min_max(numbers)
    least, most = bounds["min"].as_py(), bounds["max"].as_py()
    if least is not None and (least < first or most > last):
        raise UnsupportedError(f"column {name!r:.80} has {problem}", column=name)
