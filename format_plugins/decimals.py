"""From the text of decimals to decimal arrays, exactly: a value that does not fit is an error.

Arrow's own cast of text is not used where the digits could pass the precision: it multiplies without looking, and
wraps around (``"7"`` as ``decimal128(38, 38)`` becomes another number).
"""

from __future__ import annotations

import re
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.kinds import Array, Type

# Python's Decimal takes more than this: underscores, other alphabets' digits, NaN.
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def of_texts(array: Array, type_: Type) -> Array:
    """Return texts as decimals of ``type_``; raise ``ValueError`` for the first that is none, or would lose a digit."""
    if type_.scale >= 0:
        whole = f"[0-9]{{1,{type_.precision - type_.scale}}}" if type_.precision > type_.scale else "0"
        fraction = f"(\\.[0-9]{{1,{type_.scale}}})?" if type_.scale else ""
        within = pc.call_function("match_substring_regex", [array], pc.MatchSubstringOptions(f"\\A-?{whole}{fraction}\\z"))
        if pc.all(within).as_py() is not False:
            return array.cast(type_)
    numbers = [None if text is None else str(_unscaled(text, type_)) for text in array.to_pylist()]
    unscaled = pa.array(numbers, pa.string()).cast(of_width(type_.bit_width, type_.precision))
    return pa.Array.from_buffers(type_, len(unscaled), unscaled.buffers(), unscaled.null_count)


def of_width(bits: int, precision: int) -> Type:
    """Return the decimals of that width in bits that are integers of up to ``precision`` digits."""
    for kind in (pa.decimal32, pa.decimal64, pa.decimal128, pa.decimal256):
        if kind(1, 0).bit_width == bits:
            return kind(precision, 0)
    raise ValueError(f"no decimals are {bits} bits wide")


def _unscaled(text: str, type_: Type) -> int:
    """Return the integer that stands for ``text`` in ``type_``."""
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text!r:.80} is no decimal number")
    sign, digits, exponent = Decimal(text).as_tuple()
    number = "".join(map(str, digits)).lstrip("0")
    shift = int(exponent) + type_.scale
    if number and len(number) + shift > type_.precision:
        raise ValueError(f"more than {type_.precision} digits")
    if shift < 0 and number[shift:].strip("0"):
        raise ValueError(f"more than {type_.scale} digits after the point")
    plain = (number + "0" * shift if shift >= 0 else number[:shift]) if number else "0"
    return -int(plain or "0") if sign else int(plain or "0")
