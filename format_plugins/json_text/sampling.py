"""From a sample of records to the types of their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from format_plugins.json_text.faults import RecordError
from format_plugins.json_text.options import JsonOptions

_INT64 = 1 << 63
_UINT64 = 1 << 64
_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
_SHAPES = (
    ("zoned", re.compile(rf"{_DATE}[T ]{_TIME}(Z|[+-]\d\d(:?\d\d)?)", re.ASCII)),
    ("local", re.compile(rf"{_DATE}[T ]{_TIME}", re.ASCII)),
    ("date", re.compile(_DATE, re.ASCII)),
)
_TYPES: dict[str, tuple[pa.DataType, ...]] = {
    "zoned": (pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC")),
    "local": (pa.timestamp("us"), pa.timestamp("ns")),
    "date": (pa.date32(),),
}
_KINDS = {bool: "a boolean", int: "an integer", float: "a number", str: "text", dict: "an object", list: "an array"}


def inferred(records: Iterable[dict[str, Any]], options: JsonOptions) -> pa.Schema:
    """Return the schema of ``records``: their fields in the order of appearance, or the ``columns`` of the options.

    Types of the option ``schema`` win. Raises ``RecordError`` for columns that have no one type.
    """
    given = options.types()
    sample = _Sample(options)
    columns: dict[str, _Seen] = {}
    for index, record in enumerate(records):
        sample.index = index
        for name, value in record.items():
            if options.columns and name not in options.columns:
                continue
            seen = columns.get(name) or sample.added(columns, name, name)
            if name not in given:
                sample.add(seen, value, 2)
    types = {name: given.get(name) or sample.type_of(seen) for name, seen in columns.items()} | given
    missing = [name for name in options.columns if name not in types]
    if missing:
        raise RecordError(
            f"the sampled records have no field {missing[0]!r}; its type can be given in the option schema", option="columns"
        )
    return pa.schema([(name, types[name]) for name in options.columns or types])


class _Seen:
    """What was seen in one column, or one place of a nested column."""

    __slots__ = ("column", "fields", "item", "kinds", "largest", "shape", "smallest", "texts")

    def __init__(self, column: str) -> None:
        self.column = column
        self.kinds: dict[type, int] = {}  # and the record that had each first
        self.smallest = 0
        self.largest = 0
        self.fields: dict[str, _Seen] = {}
        self.item: _Seen | None = None
        self.texts: list[str] | None = []  # as long as all have one shape of a date or time
        self.shape: str | None = None


class _Sample:
    """The walk over the sample: it counts columns, and knows the record it is at."""

    def __init__(self, options: JsonOptions) -> None:
        self._options = options
        self._columns = 0
        self.index = 0

    def added(self, fields: dict[str, _Seen], name: str, column: str) -> _Seen:
        self._columns += 1
        if self._columns > self._options.max_columns:
            problem = f"there are more than {self._options.max_columns:,} columns; the option max_columns allows more"
            raise RecordError(problem, index=self.index, option="max_columns")
        fields[name] = seen = _Seen(column)
        return seen

    def add(self, seen: _Seen, value: Any, depth: int) -> None:  # noqa: ANN401 - any JSON value
        if value is None:
            return
        if depth > self._options.max_depth:
            problem = f"values are nested deeper than {self._options.max_depth} levels"
            raise RecordError(problem, index=self.index, column=seen.column[:64], option="max_depth")
        kind = type(value)
        seen.kinds.setdefault(kind, self.index)
        if kind is int:
            seen.smallest = min(seen.smallest, value)
            seen.largest = max(seen.largest, value)
        elif kind is str:
            self._add_text(seen, value)
        elif kind is dict:
            for name, inner in value.items():
                self.add(seen.fields.get(name) or self.added(seen.fields, name, f"{seen.column}.{name}"), inner, depth + 1)
        elif kind is list:
            seen.item = item = seen.item or _Seen(f"{seen.column}[]")
            for inner in value:
                self.add(item, inner, depth + 1)

    def _add_text(self, seen: _Seen, value: str) -> None:
        if seen.texts is None:
            return
        shape = next((name for name, pattern in _SHAPES if pattern.fullmatch(value)), None)
        if shape is None or shape != (seen.shape or shape) or self._options.timestamps == "text":
            seen.texts = None
            return
        seen.shape = shape
        seen.texts.append(value)

    def type_of(self, seen: _Seen) -> pa.DataType:
        kinds = seen.kinds
        if len(kinds) > 1 and set(kinds) != {int, float}:
            raise self._mixed(seen)
        kind = float if float in kinds else next(iter(kinds), str)  # only nulls, or lists without items, become text
        if kind is dict:
            return pa.struct([(name, self.type_of(inner)) for name, inner in seen.fields.items()])
        if kind is list:
            return pa.list_(self.type_of(seen.item or _Seen(seen.column)))
        if kind is str:
            return _text(seen)
        if kind is int:
            return self._integer(seen)
        return pa.bool_() if kind is bool else pa.float64()

    def _integer(self, seen: _Seen) -> pa.DataType:
        if seen.smallest >= -_INT64 and seen.largest < _INT64:
            return pa.int64()
        if seen.smallest >= 0 and seen.largest < _UINT64:
            return pa.uint64()
        digits = len(str(max(seen.largest, -seen.smallest)))
        if digits <= 38:  # noqa: PLR2004 - what decimal128 holds
            return pa.decimal128(38, 0)
        if digits <= 76:  # noqa: PLR2004 - what decimal256 holds
            return pa.decimal256(76, 0)
        problem = f"an integer of {digits} digits fits no type; the option schema can make the column a double, if it is exact"
        raise RecordError(problem, index=seen.kinds[int], column=seen.column, option="schema")

    def _mixed(self, seen: _Seen) -> RecordError:
        (first, _), (second, index) = list(seen.kinds.items())[:2]
        return RecordError(
            f"here is {_KINDS[second]}, but {_KINDS[first]} in an earlier record; a column has one type: "
            "the option columns can leave this one out, and the option schema can give a type that holds both",
            index=index,
            column=seen.column,
            option="schema",
        )


def _text(seen: _Seen) -> pa.DataType:
    if seen.texts is None or seen.shape is None:
        return pa.string()
    texts = pa.array(seen.texts)
    for type_ in _TYPES[seen.shape]:
        try:
            texts.cast(type_)
        except pa.ArrowInvalid:
            continue
        return type_
    return pa.string()
