"""From the text of an Arrow type to the type: what options such as ``column_types`` are written in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import pyarrow as pa

from format_plugins.spelling import did_you_mean

#: Types may nest this deep; Arrow IPC itself ends there.
MAX_DEPTH = 64

_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*|-?\d+|[<>\[\](),:=]|'(?:[^'\\]|\\.)*'|[^\s<>\[\](),:=']+)")


def parse_type(text: str) -> pa.DataType:
    """Return the Arrow type that ``text`` names.

    Taken are what ``str(type)`` of pyarrow prints, and shorter forms: ``int64``, ``double``, ``decimal128(18,4)``,
    ``timestamp[us, UTC]``, ``date32``, ``dictionary<string>``, ``list<int64>``, ``fixed_size_list<float>[3]``,
    ``map<string, int64>``, ``struct<a: int64, 'a b': string>``. Raises ``ValueError`` that says what was not understood.
    """
    reader = _Reader(text)
    found = _type(reader, 0)
    if reader.peek() is not None:
        raise reader.error(f"{reader.peek()!r} follows the type")
    return found


class _Reader:
    """The tokens of a type text, read one after the other."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def take(self) -> str:
        token = self.peek()
        if token is None:
            raise self.error("it ends too early")
        self._at += 1
        return token

    def expect(self, *wanted: str) -> str:
        token = self.take()
        if token not in wanted:
            raise self.error(f"{' or '.join(map(repr, wanted))} was expected, not {token!r}")
        return token

    def skip(self, token: str) -> bool:
        if self.peek() != token:
            return False
        self._at += 1
        return True

    def number(self) -> int:
        token = self.take()
        if not re.fullmatch(r"-?\d{1,9}", token):
            raise self.error(f"a number was expected, not {token!r}")
        return int(token)

    def field_name(self) -> str | None:
        """Take ``name :`` when that comes next."""
        if self._tokens[self._at + 1 : self._at + 2] != [":"]:
            return None
        name = self.take()
        self.take()
        return re.sub(r"\\(.)", r"\1", name[1:-1]) if name.startswith("'") else name

    def keyword(self, word: str) -> None:
        """Step over ``word =`` or ``word :`` when it is there: what pyarrow prints and people leave out."""
        if self.peek() == word and self._tokens[self._at + 1 : self._at + 2] in (["="], [":"]):
            self._at += 2

    def error(self, why: str) -> ValueError:
        return ValueError(f"{self.text!r:.120} is not a type: {why}")


_SIMPLE: dict[str, Callable[[], pa.DataType]] = {
    "null": pa.null,
    "bool": pa.bool_,
    "boolean": pa.bool_,
    "int8": pa.int8,
    "int16": pa.int16,
    "int32": pa.int32,
    "int64": pa.int64,
    "uint8": pa.uint8,
    "uint16": pa.uint16,
    "uint32": pa.uint32,
    "uint64": pa.uint64,
    "float16": pa.float16,
    "halffloat": pa.float16,
    "float32": pa.float32,
    "float": pa.float32,
    "float64": pa.float64,
    "double": pa.float64,
    "string": pa.string,
    "utf8": pa.string,
    "large_string": pa.large_string,
    "large_utf8": pa.large_string,
    "string_view": pa.string_view,
    "binary": pa.binary,
    "large_binary": pa.large_binary,
    "binary_view": pa.binary_view,
    "month_day_nano_interval": pa.month_day_nano_interval,
}
_UNITS = {"time32": ("s", "ms"), "time64": ("us", "ns"), "duration": ("s", "ms", "us", "ns")}
_DECIMALS: dict[str, Callable[[int, int], pa.DataType]] = {
    "decimal": pa.decimal128,
    "decimal32": pa.decimal32,
    "decimal64": pa.decimal64,
    "decimal128": pa.decimal128,
    "decimal256": pa.decimal256,
}
_LISTS: dict[str, Callable[[pa.Field[Any]], pa.DataType]] = {
    "list": pa.list_,
    "large_list": pa.large_list,
    "list_view": pa.list_view,
    "large_list_view": pa.large_list_view,
}


def _type(reader: _Reader, depth: int) -> pa.DataType:
    if depth > MAX_DEPTH:
        raise reader.error(f"it nests deeper than {MAX_DEPTH}")
    name = reader.take()
    if name in _SIMPLE:
        return _SIMPLE[name]()
    for known, parse in _PARAMETRIC.items():
        if name in known:
            return parse(reader, name, depth)
    names = [*_SIMPLE, *(each for known in _PARAMETRIC for each in known)]
    raise reader.error(f"{name!r} is unknown{did_you_mean(name, names)}")


def _date(reader: _Reader, name: str, _: int) -> pa.DataType:
    if reader.skip("["):
        reader.expect("day" if name == "date32" else "ms")
        reader.expect("]")
    return pa.date32() if name == "date32" else pa.date64()


def _timed(reader: _Reader, name: str, _: int) -> pa.DataType:
    reader.expect("[")
    unit = reader.expect(*_UNITS[name])
    reader.expect("]")
    makers: dict[str, Any] = {"time32": pa.time32, "time64": pa.time64, "duration": pa.duration}
    return cast("pa.DataType", makers[name](unit))


def _timestamp(reader: _Reader, _: str, __: int) -> pa.DataType:
    unit = "us"
    zone = None
    if reader.skip("["):
        unit = reader.expect("s", "ms", "us", "ns")
        if reader.skip(","):
            reader.keyword("tz")
            parts = [reader.take()]
            while reader.peek() not in {"]", None}:
                parts.append(reader.take())
            zone = "".join(parts).strip("'")
        reader.expect("]")
    make: Any = pa.timestamp
    return cast("pa.DataType", make(unit, zone))


def _decimal(reader: _Reader, name: str, _: int) -> pa.DataType:
    close = {"(": ")", "[": "]"}[reader.expect("(", "[")]
    precision = reader.number()
    scale = reader.number() if reader.skip(",") else 0
    reader.expect(close)
    try:
        return _DECIMALS[name](precision, scale)
    except ValueError as error:
        raise reader.error(str(error)) from None


def _fixed_binary(reader: _Reader, _: str, __: int) -> pa.DataType:
    return pa.binary(_bracketed_size(reader))


def _list(reader: _Reader, name: str, depth: int) -> pa.DataType:
    reader.expect("<")
    item = _field(reader, depth, default_name="item")
    size = reader.number() if name == "fixed_size_list" and reader.skip(",") else None
    reader.expect(">")
    if name != "fixed_size_list":
        return _LISTS[name](item)
    return pa.list_(item, _bracketed_size(reader) if size is None else size)


def _dictionary(reader: _Reader, _: str, depth: int) -> pa.DataType:
    reader.expect("<")
    reader.keyword("values")
    values = _type(reader, depth + 1)
    indices: Any = pa.int32()
    ordered = False
    if reader.skip(","):
        reader.keyword("indices")
        indices = _type(reader, depth + 1)
        if reader.skip(","):
            reader.keyword("ordered")
            ordered = reader.expect("0", "1", "false", "true") in {"1", "true"}
    reader.expect(">")
    if not pa.types.is_integer(indices):
        raise reader.error(f"the indices of a dictionary are integers, not {indices}")
    make: Any = pa.dictionary
    return cast("pa.DataType", make(indices, values, ordered))


def _struct(reader: _Reader, _: str, depth: int) -> pa.DataType:
    reader.expect("<")
    fields = []
    while not reader.skip(">"):
        fields.append(_field(reader, depth, default_name=None))
        if reader.expect(",", ">") == ">":
            break
    return pa.struct(fields)


def _map(reader: _Reader, _: str, depth: int) -> pa.DataType:
    reader.expect("<")
    key = _type(reader, depth + 1)
    reader.expect(",")
    value = _type(reader, depth + 1)
    reader.expect(">")
    return pa.map_(key, value)


def _field(reader: _Reader, depth: int, *, default_name: str | None) -> pa.Field[Any]:
    name = reader.field_name() or default_name
    if name is None:
        raise reader.error("a field of a struct is written 'name: type'")
    type_ = _type(reader, depth + 1)
    nullable = True
    if reader.skip("not"):
        reader.expect("null")
        nullable = False
    try:
        return pa.field(name, type_, nullable)
    except ValueError as error:  # null, but not nullable
        raise reader.error(str(error)) from None


def _bracketed_size(reader: _Reader) -> int:
    reader.expect("[")
    size = reader.number()
    reader.expect("]")
    if size < 0:
        raise reader.error("a size is not negative")
    return size


_PARAMETRIC: dict[tuple[str, ...], Callable[[_Reader, str, int], pa.DataType]] = {
    ("date32", "date64"): _date,
    tuple(_UNITS): _timed,
    ("timestamp",): _timestamp,
    tuple(_DECIMALS): _decimal,
    ("fixed_size_binary",): _fixed_binary,
    (*_LISTS, "fixed_size_list"): _list,
    ("dictionary",): _dictionary,
    ("struct",): _struct,
    ("map",): _map,
}
