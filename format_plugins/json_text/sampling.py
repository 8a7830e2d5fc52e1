"""From a sample of records to the types of their columns."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.json_text.faults import RecordError
from format_plugins.json_text.options import JsonOptions

_INT64 = 1 << 63
_UINT64 = 1 << 64
_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
#: The digits are those of ASCII to Python, with a flag, and to Arrow.
_SHAPES = {
    "zoned": rf"{_DATE}[T ]{_TIME}(Z|[+-]\d\d(:?\d\d)?)",
    "local": rf"{_DATE}[T ]{_TIME}",
    "date": _DATE,
}
_TYPES: dict[str, tuple[pa.DataType, ...]] = {
    "zoned": (pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC")),
    "local": (pa.timestamp("us"), pa.timestamp("ns")),
    "date": (pa.date32(),),
}
_KINDS = {bool: "a boolean", int: "an integer", float: "a number", str: "text", dict: "an object", list: "an array"}


def inferred(records: list[dict[str, Any]], options: JsonOptions) -> pa.Schema:
    """Return the schema of ``records``: their fields in the order of appearance, or the ``columns`` of the options.

    Types of the option ``schema`` win. Raises ``RecordError`` for columns that have no one type.
    """
    given = options.types()
    types = _types(records, options) | given
    missing = [name for name in options.columns if name not in types]
    if missing:
        raise RecordError(
            f"the sampled records have no field {missing[0]!r}; its type can be given in the option schema", option="columns"
        )
    return pa.schema([(name, types[name]) for name in options.columns or types])


def _types(records: list[dict[str, Any]], options: JsonOptions) -> dict[str, pa.DataType]:
    """Return the types of the columns; raise the ``RecordError`` of the first record that fits no types."""
    try:
        return _Sample(options).columns(records)
    except RecordError as error:
        first = error
    low, high = 0, len(records)  # the first ``high`` records fail; the first ``low`` do not
    while high - low > 1:
        middle = (low + high) // 2
        try:
            _Sample(options).columns(records[:middle])
            low = middle
        except RecordError as error:
            high, first = middle, error
    first.index = high - 1
    raise first


class _Sample:
    """The types of a sample, place by place: all values that stand at one place are looked at together."""

    def __init__(self, options: JsonOptions) -> None:
        self._options = options
        self._given = options.types()
        self._count = 0

    def columns(self, records: list[dict[str, Any]]) -> dict[str, pa.DataType]:
        """Return the types of the columns that are wanted; those that the options give are not looked at."""
        places = self._places(records, self._options.columns)
        return {
            name: self._given[name] if name in self._given else self._type(values, name, 2) for name, values in places.items()
        }

    def _places(self, objects: list[dict[str, Any]], wanted: tuple[str, ...] = ()) -> dict[str, list[Any]]:
        """Return the values of each field, in the order of their appearance."""
        if wanted:
            objects = [{name: fields[name] for name in fields if name in wanted} for fields in objects]
        places: defaultdict[str, list[Any]] = defaultdict(list)
        for fields in objects:
            self._limit(len(fields))
            for name, value in fields.items():
                places[name].append(value)
            self._limit(len(places))
        self._count += len(places)
        return places

    def _limit(self, more: int) -> None:
        if self._count + more > self._options.max_columns:
            problem = f"there are more than {self._options.max_columns:,} columns; the option max_columns allows more"
            raise RecordError(problem, option="max_columns")

    def _type(self, values: list[Any], column: str, depth: int) -> pa.DataType:
        kinds = dict.fromkeys(map(type, values))  # in the order of their appearance
        if type(None) in kinds:
            del kinds[type(None)]
            values = [value for value in values if value is not None]
        if not kinds:
            return pa.string()  # as are lists without items
        if depth > self._options.max_depth:
            problem = f"values are nested deeper than {self._options.max_depth} levels"
            raise RecordError(problem, column=column[:64], option="max_depth")
        kind = _one_of(list(kinds), column)
        if kind is dict:
            places = self._places(values)
            return pa.struct([(name, self._type(inner, f"{column}.{name}", depth + 1)) for name, inner in places.items()])
        if kind is list:
            return pa.list_(self._type(list(itertools.chain.from_iterable(values)), f"{column}[]", depth + 1))
        if kind is str:
            return pa.string() if self._options.timestamps == "text" else _text(values)
        return _number(kind, values, column)


def _number(kind: type, values: list[Any], column: str) -> pa.DataType:
    if kind is not int:
        return pa.bool_() if kind is bool else pa.float64()
    smallest, largest = min(values), max(values)
    if smallest >= -_INT64 and largest < _INT64:
        return pa.int64()
    if smallest >= 0 and largest < _UINT64:
        return pa.uint64()
    digits = len(str(max(largest, -smallest)))
    if digits <= 38:  # noqa: PLR2004 - what decimal128 holds
        return pa.decimal128(38, 0)
    if digits <= 76:  # noqa: PLR2004 - what decimal256 holds
        return pa.decimal256(76, 0)
    problem = f"an integer of {digits} digits fits no type; the option schema can make the column a double, if it is exact"
    raise RecordError(problem, column=column, option="schema")


def _one_of(kinds: list[type], column: str) -> type:
    if len(kinds) == 1:
        return kinds[0]
    if set(kinds) == {int, float}:
        return float
    raise RecordError(
        f"here is {_KINDS[kinds[-1]]}, but {_KINDS[kinds[0]]} in an earlier record; a column has one type: "
        "the option columns can leave this one out, and the option schema can give a type that holds both",
        column=column,
        option="schema",
    )


def _text(values: list[str]) -> pa.DataType:
    shape = next((name for name, pattern in _SHAPES.items() if re.fullmatch(pattern, values[0], re.ASCII)), None)
    if shape is None:
        return pa.string()
    texts = pa.array(values)
    if not pc.all(pc.match_substring_regex(texts, rf"\A(?:{_SHAPES[shape]})\z")).as_py():
        return pa.string()
    for type_ in _TYPES[shape]:
        try:
            texts.cast(type_)
        except pa.ArrowInvalid:
            continue
        return type_
    return pa.string()
