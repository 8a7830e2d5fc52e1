"""How columns are written: made plain, which is of types that the JSON writer writes exactly, or refused."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.contract import UnsupportedError
from format_plugins.json_text.options import JsonOptions
from format_plugins.json_text.written_out import is_encoded, written_out, written_out_type
from format_plugins.kinds import Array, Type, is_list, is_text
from format_plugins.relabelling import relabelled, struct_fields

#: Makes a plain array of an array; None: it is plain as it is.
Plain: TypeAlias = Callable[[Array], Array] | None

_DAY = 86_400
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
#: As many as Arrow's widest decimal has.
_MOST_DIGITS = 76
#: The days of the years 0000 to 9999, which is what ISO-8601 dates of four digits can say.
_DAYS = (-719_528, 2_932_896)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the schema a type stands: what an error names."""

    column: str
    options: JsonOptions

    def step(self, name: str) -> Place:
        """Return the place of a part."""
        return Place(f"{self.column}{name}", self.options)

    def refusal(self, problem: str, option: str | None = None) -> UnsupportedError:
        """Return the error that names this place."""
        return UnsupportedError(f"column {self.column!r}: {problem}", column=self.column, option=option)


def plain(type_: Type, place: Place, depth: int = 1) -> Plain:
    """Return how arrays of ``type_`` are made plain; raise ``UnsupportedError`` when JSON has no form for them.

    The function returned raises it, too, for values that JSON has no form for.
    """
    if depth > place.options.max_depth:
        raise place.refusal(f"the schema nests deeper than {place.options.max_depth} levels", "max_depth")
    if is_encoded(type_):
        inner = plain(written_out_type(type_), place, depth)
        return lambda array: _applied(inner, written_out(array))
    for accepts, make in _NESTED:
        if accepts(type_):
            return make(type_, place, depth)
    return _leaf(type_, place)


def plain_struct(type_: Type, place: Place, depth: int) -> Plain:
    """Return how structs are made plain; raise ``UnsupportedError`` for two fields of one name, too."""
    names = [field.name for field in type_]
    places = [place.step(f".{name}" if place.column else name) for name in names]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise places[number].refusal("a JSON object cannot hold two fields of one name")
        if "\0" in name:
            raise places[number].refusal("a name that holds NUL would be cut off there by the writer")
    steps = [plain(field.type, inner, depth + 1) for field, inner in zip(type_, places, strict=True)]
    if depth == 1 and all(step is None for step in steps):
        return None

    def convert(array: Array) -> Array:
        # Structs in structs are always made anew: the writer panics when they are slices.
        columns = [_applied(step, column) for step, column in zip(steps, struct_fields(array), strict=True)]
        if not columns:
            return array
        fields = [field.with_type(column.type).with_nullable(True) for field, column in zip(type_, columns, strict=True)]
        return pa.StructArray.from_arrays(columns, fields=fields, mask=array.is_null())

    return convert


def _applied(convert: Plain, array: Array) -> Array:
    return array if convert is None else convert(array)


def _list(type_: Type, place: Place, depth: int) -> Plain:
    inner = plain(type_.value_type, place.step("[]"), depth + 1)
    if inner is None:
        return None

    def convert(array: Array) -> Array:
        offsets, values = _parts(array)
        return pa.ListArray.from_arrays(offsets, inner(values), mask=array.is_null())

    return convert


def _parts(array: Array) -> tuple[Array, Array]:
    """Return the offsets of lists, of which those that are null are empty, and the values in all the lists."""
    lengths: Array = pc.list_value_length(array)
    return _offsets(lengths), pc.list_flatten(array)


def _offsets(lengths: Array) -> Array:
    ends = pc.cumulative_sum(lengths.cast(pa.int32()).fill_null(0))
    return pa.concat_arrays([pa.array([0], pa.int32()), ends])


def _map(type_: Type, place: Place, depth: int) -> Plain:
    """Write an object when the keys are text, otherwise an array of objects with a ``key`` and a ``value`` each."""
    entry = pa.struct([type_.key_field.with_name("key"), type_.item_field.with_name("value")])
    entries = pa.list_(pa.field("entries", entry, nullable=False))
    if not is_text(type_.key_type):
        as_list = _list(entries, place, depth)
        return lambda array: _applied(as_list, relabelled(array, entries))
    inner = plain(type_.item_type, place.step("{}"), depth + 1)

    def convert(array: Array) -> Array:
        offsets, pairs = _parts(relabelled(array, entries))
        keys, values = struct_fields(pairs)
        if _holds_twice(offsets, keys):
            raise place.refusal("a map holds the same key twice, which a JSON object cannot")
        if values.null_count and not place.options.explicit_nulls:
            raise place.refusal(
                "without explicit_nulls the keys of a map whose values are null would be lost", "explicit_nulls"
            )
        return pa.MapArray.from_arrays(offsets, keys.cast(pa.string()), _applied(inner, values), mask=array.is_null())

    return convert


def _holds_twice(offsets: Array, keys: Array) -> bool:
    """Say whether a key stands twice in one map. Without Arrow's grouping, which writes to stderr as it likes."""
    parents = pc.list_parent_indices(pa.ListArray.from_arrays(offsets, keys))
    numbers = keys.cast(pa.large_string()).dictionary_encode()
    pairs = pc.add(pc.multiply(parents.cast(pa.int64()), pa.scalar(len(numbers.dictionary))), numbers.indices.cast(pa.int64()))
    return bool(pc.count_distinct(pairs).as_py() < len(keys))


def _leaf(type_: Type, place: Place) -> Plain:
    if is_text(type_) or any(accepts(type_) for accepts in _AS_IT_IS):
        return None
    for accepts, make in _LEAVES:
        if accepts(type_):
            return make(type_, place)
    raise place.refusal(f"JSON has no form for {type_}")


def _floating(type_: Type, place: Place) -> Plain:
    # Half floats are written as the floats that they are: the writer and the check know those.
    plain_type = pa.float32() if pa.types.is_float16(type_) else type_

    def convert(array: Array) -> Array:
        array = array.cast(plain_type)
        if place.options.non_finite == "error" and pc.any(pc.invert(pc.is_finite(array))).as_py():
            problem = "JSON has no NaN and no infinity; the option non_finite can make them null or text"
            raise place.refusal(problem, "non_finite")
        return array

    return convert


def _decimal(type_: Type, place: Place) -> Plain:
    if type_.scale >= 0:
        return None
    # The writer puts the zeros of the scale behind a 0, too, which is no JSON.
    digits = type_.precision - type_.scale
    if digits > _MOST_DIGITS:
        raise place.refusal(f"numbers of {type_} have up to {digits} digits, and more than {_MOST_DIGITS} are not written")
    return lambda array: array.cast(pa.decimal256(digits, 0))


def _timestamp(type_: Type, place: Place) -> Plain:
    seconds = (_DAYS[0] * _DAY, (_DAYS[1] + 1) * _DAY - 1)
    unit = _UNITS[type_.unit]
    zoned = pa.timestamp(type_.unit, "UTC")

    def convert(array: Array) -> Array:
        _check_range(array.cast(pa.int64()), seconds[0] * unit, seconds[1] * unit + unit - 1, place)
        return array.cast(zoned) if type_.tz else array

    return convert


def _date(type_: Type, place: Place) -> Plain:
    def convert(array: Array) -> Array:
        try:
            days = array.cast(pa.date32())
        except pa.ArrowInvalid:
            raise place.refusal("a date64 that is not at midnight is no date") from None
        _check_range(days.cast(pa.int32()), *_DAYS, place)
        return days

    del type_  # both widths become the narrower one
    return convert


def _time(type_: Type, place: Place) -> Plain:
    number = pa.int32() if pa.types.is_time32(type_) else pa.int64()

    def convert(array: Array) -> Array:
        _check_range(array.cast(number), 0, _DAY * _UNITS[type_.unit] - 1, place)
        return array

    return convert


def _check_range(numbers: Array, least: int, most: int, place: Place) -> None:
    seen: Any = pc.min_max(numbers).as_py()
    if seen["min"] is not None and (seen["min"] < least or seen["max"] > most):
        raise place.refusal("a value is outside the years 0000 to 9999, or a time outside its day, and has no ISO-8601 text")


def _duration(_: Type, __: Place) -> Plain:
    return lambda array: array.cast(pa.int64())


def _binary(_: Type, place: Place) -> Plain:
    encode: Callable[[bytes], str] = _base64 if place.options.binary == "base64" else bytes.hex

    def convert(array: Array) -> Array:
        return pa.array([None if value is None else encode(value) for value in array.to_pylist()], pa.string())

    return convert


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


_NESTED: tuple[tuple[Callable[[Type], bool], Callable[[Type, Place, int], Plain]], ...] = (
    (pa.types.is_struct, plain_struct),
    (pa.types.is_map, _map),
    (is_list, _list),
)
_AS_IT_IS: tuple[Callable[[Type], bool], ...] = (
    pa.types.is_integer,
    pa.types.is_boolean,
)
_LEAVES: tuple[tuple[Callable[[Type], bool], Callable[[Type, Place], Plain]], ...] = (
    (pa.types.is_null, lambda _, __: lambda array: pa.nulls(len(array))),  # lists of them have lost their length
    (pa.types.is_decimal, _decimal),
    (pa.types.is_floating, _floating),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_date, _date),
    (pa.types.is_time, _time),
    (pa.types.is_duration, _duration),
    (pa.types.is_binary, _binary),
    (pa.types.is_large_binary, _binary),
    (pa.types.is_fixed_size_binary, _binary),
    (pa.types.is_binary_view, _binary),
)
