"""How a value that holds no others is read: the strict check of its text, its carrier, and its way into its column."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.contract import UnsupportedError
from format_plugins.decimals import of_texts
from format_plugins.json_text.faults import UnfitError
from format_plugins.json_text.options import JsonOptions
from format_plugins.kinds import Array, Type, is_text

Finish: TypeAlias = Callable[[Array], Array]

#: By their bits, the least double that rounds to infinity in a float, and the integer up to which it holds all.
_FLOATS = {16: (65520.0, 1 << 11), 32: (float.fromhex("0x1.ffffffp+127"), 1 << 24), 64: (None, 1 << 53)}
_NON_FINITE = Literal["NaN", "Infinity", "-Infinity"]
#: Where the least timestamp[ns] lies, 1677-09-21T00:12:43.145224192, in any time zone; and the digits behind a second.
_FIRST_SECOND = r"^1677-09-2[0-2].*:43\."
_FRACTION = re.compile(r"\.([0-9]{1,9})(?![0-9])")
_FRACTIONS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a type is read.

    ``check`` is the type that the strict parser holds the text against. What it parsed is written again, as plain
    JSON, and read into an array of ``carrier``; ``finish`` makes the array wanted of that, exactly, or raises
    ``UnfitError``. None: the carrier is the type wanted.

    ``verbatim``: the columnar reader makes the same array of the document's own text, once it has passed the check.
    What it reads otherwise, though it is right, is known from its source, and found again by a test: of text keys that
    are repeated it keeps all; short floats it rounds once and not twice; and a number is no string to it.
    """

    check: Any
    carrier: pa.DataType
    finish: Finish | None = None
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What the reading of types depends on beside the type."""

    options: JsonOptions
    #: Take integers beyond 2**53 into double columns when they are exact. Slower: used where the quick rules refuse.
    large_integers: bool = False


class _Anything(type):
    """Every object is an instance: what the parser's hook returns is not held against a type once more."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True


class ExactDouble(metaclass=_Anything):
    """The check of a double column that takes large integers; ``exact_double`` does it."""


def exact_double(wanted: type, value: object) -> object:
    """Return ``value`` when a double holds it exactly or, for a fraction, as the nearest; the parser's hook."""
    if wanted is not ExactDouble or isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"Expected `number`, got `{type(value).__name__}`")
    try:
        nearest = float(value)
    except OverflowError:
        raise ValueError("Number out of range") from None
    if nearest != value:
        raise ValueError(f"A double does not hold {value} exactly")
    return nearest


def leaf(type_: Type, rules: Rules) -> Reading:
    """Return how ``type_``, which holds no other types, is read; raise ``UnsupportedError`` when JSON has no way."""
    for accepts, make in _LEAVES:
        if accepts(type_):
            return make(type_, rules)
    raise UnsupportedError(f"JSON has no form for {type_}")


def converted(convert: Finish, array: Array) -> Array:
    """Return ``convert(array)``; raise ``UnfitError`` with the first value that does not go through."""
    try:
        return convert(array)
    except (pa.ArrowException, ValueError) as error:
        reason = str(error).partition("\n")[0]
    low, high = 0, len(array)  # the first ``high`` values fail; the first ``low`` do not
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(array.slice(0, middle))
            low = middle
        except (pa.ArrowException, ValueError):
            high = middle
    raise UnfitError(reason, str(array[high - 1]) if high else None)


def _integer(type_: Type, _: Rules) -> Reading:
    bits = type_.bit_width
    if pa.types.is_signed_integer(type_):
        return Reading(Annotated[int, msgspec.Meta(ge=-(1 << bits - 1), le=(1 << bits - 1) - 1)], type_, verbatim=True)
    # The parser has no bound beyond int64; larger than uint64 is an error of the columnar reader.
    most = None if bits == 64 else (1 << bits) - 1  # noqa: PLR2004 - bits
    return Reading(Annotated[int, msgspec.Meta(ge=0, le=most)], type_, verbatim=True)


def _float(type_: Type, rules: Rules) -> Reading:
    limit, exact = _FLOATS[type_.bit_width]
    number: Any = float if limit is None else Annotated[float, msgspec.Meta(gt=-limit, lt=limit)]
    check: Any = Annotated[int, msgspec.Meta(ge=-exact, le=exact)] | number
    if rules.options.non_finite == "string":
        return Reading(check | _NON_FINITE, type_, verbatim=limit is None)
    return Reading(ExactDouble if rules.large_integers and limit is None else check, type_, verbatim=limit is None)


def _timestamp(type_: Type, _: Rules) -> Reading:
    if pa.types.is_timestamp(type_) and type_.unit == "ns":
        return Reading(str, pa.string(), lambda array: converted(lambda part: _nanoseconds(part, type_), array), verbatim=True)
    return Reading(str, pa.string(), _casting(type_), verbatim=True)


def _nanoseconds(texts: Array, type_: Type) -> Array:
    """Read timestamps; Arrow's own reading counts whole seconds first, and refuses those before the first one of them."""
    try:
        return texts.cast(type_)
    except pa.ArrowInvalid:
        first: Array = pc.match_substring_regex(texts, _FIRST_SECOND)
        if not pc.any(first).as_py():
            raise
    others = pc.if_else(first, pa.scalar(None, pa.string()), texts).cast(type_).view(pa.int64()).to_pylist()
    for place in pc.indices_nonzero(first.fill_null(False)).to_pylist():
        others[place] = _first_second(texts[place].as_py(), type_)
    return pa.array(others, pa.int64()).view(type_)


def _first_second(text: str, type_: Type) -> int:
    found = _FRACTION.search(text)
    if found is None:
        raise ValueError(f"{text!r:.80} is no {type_}")
    seconds: Any = pa.array([text.replace(found[0], "", 1)]).cast(pa.timestamp("s", type_.tz)).view(pa.int64())
    number = int(seconds[0].as_py()) * 10**9 + int(found[1].ljust(9, "0"))
    if number < -(1 << 63):
        raise ValueError(f"{text!r:.80} is before the first {type_}")
    return number


def _time(type_: Type, _: Rules) -> Reading:
    digits = _FRACTIONS[type_.unit]
    fraction = rf"(\.[0-9]{{1,{digits}}})?" if digits else ""
    pattern = rf"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]{fraction}\Z"
    return Reading(Annotated[str, msgspec.Meta(pattern=pattern)], type_, verbatim=True)


def _duration(type_: Type, rules: Rules) -> Reading:
    return Reading(_integer(pa.int64(), rules).check, pa.int64(), _casting(type_), verbatim=True)


def _decimal(type_: Type, _: Rules) -> Reading:
    return Reading(Decimal, pa.string(), lambda array: converted(lambda part: of_texts(part, type_), array))


def _binary(type_: Type, rules: Rules) -> Reading:
    decode = _base64 if rules.options.binary == "base64" else binascii.unhexlify

    def of_text(array: Array) -> Array:
        values = [None if text is None else decode(text) for text in array.to_pylist()]
        return pa.array(values, type=type_)

    return Reading(str, pa.string(), lambda array: converted(of_text, array), verbatim=True)


def _base64(text: str) -> bytes:
    data = binascii.a2b_base64(text, strict_mode=True)
    if binascii.b2a_base64(data, newline=False).decode() != text:
        raise ValueError("the base64 text is not as an encoder writes it")
    return data


def _casting(type_: Type) -> Finish:
    return lambda array: converted(lambda part: part.cast(type_), array)


def _is_binary(type_: Type) -> bool:
    return (
        pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
        or pa.types.is_fixed_size_binary(type_)
        or pa.types.is_binary_view(type_)
    )


_LEAVES: tuple[tuple[Callable[[Type], bool], Callable[[Type, Rules], Reading]], ...] = (
    (pa.types.is_integer, _integer),
    (pa.types.is_floating, _float),
    (is_text, lambda type_, _: Reading(str, type_, verbatim=True)),
    (pa.types.is_boolean, lambda type_, _: Reading(bool, type_, verbatim=True)),
    (pa.types.is_null, lambda type_, _: Reading(None, type_, verbatim=True)),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_date, _timestamp),
    (pa.types.is_time, _time),
    (pa.types.is_duration, _duration),
    (pa.types.is_decimal, _decimal),
    (_is_binary, _binary),
)
