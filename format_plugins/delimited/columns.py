"""How each column of the output comes out of the text: parsed as one type, finished to another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.contract import UnsupportedError
from format_plugins.decimals import of_texts
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.sharing import dictionary_of

#: From the array that pyarrow's parser made to the array of the output; raises ``pa.ArrowInvalid`` when one value cannot.
Finish: TypeAlias = "Callable[[pa.Array[Any]], pa.Array[Any]]"

_PARSED = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_float32,
    pa.types.is_float64,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_timestamp,
    pa.types.is_duration,  # a number of its units
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the output. ``position`` is its place in the document; None: it is missing there, all null."""

    field: pa.Field[Any]
    position: int | None
    parsed: pa.DataType
    finish: Finish | None = None
    inferred: bool = False  # the type was seen in the sample, not given


def plan_column(field: pa.Field[Any], position: int | None, options: DelimitedOptions, *, inferred: bool = False) -> Column:
    """Decide how ``field`` is read. Raises ``UnsupportedError`` when text cannot carry its type exactly."""
    plan = _plan(field.type, options)
    if plan is None:
        raise UnsupportedError(
            f"column {field.name!r:.80} has type {field.type!s:.80}, which delimited text cannot carry", column=field.name
        )
    return Column(field, position, plan[0], plan[1], inferred)


def _plan(type_: pa.DataType, options: DelimitedOptions) -> tuple[pa.DataType, Finish | None] | None:
    if any(is_kind(type_) for is_kind in _PARSED):
        return type_, None
    if pa.types.is_float16(type_) or pa.types.is_string_view(type_):
        return pa.float64() if pa.types.is_float16(type_) else pa.string(), lambda array: array.cast(type_)
    if pa.types.is_decimal(type_):
        return pa.string(), lambda array: _decimals(array, type_, options.decimal_point)
    if isinstance(type_, pa.DictionaryType):
        return _then(_plan(type_.value_type, options), lambda array: dictionary_of(array, type_))
    if isinstance(type_, pa.BaseExtensionType):
        return _then(_plan(type_.storage_type, options), type_.wrap_array)
    return None


def _then(plan: tuple[pa.DataType, Finish | None] | None, last: Finish) -> tuple[pa.DataType, Finish | None] | None:
    if plan is None or plan[1] is None:
        return plan and (plan[0], last)
    before = plan[1]
    return plan[0], lambda array: last(before(array))


def _decimals(array: pa.Array[Any], type_: pa.DataType, decimal_point: str) -> pa.Array[Any]:
    texts = pc.utf8_trim_whitespace(array)
    if decimal_point != ".":
        texts = pc.replace_substring(texts, decimal_point, ".")
    return cast("pa.Array[Any]", of_texts(texts, type_))
