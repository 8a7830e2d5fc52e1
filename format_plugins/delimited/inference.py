"""Types from a sample: a column is a number, a date, a timestamp or a bool only when each of its values is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.delimited.options import DelimitedOptions

#: Arrays of strings, and of bools. The stubs of pyarrow.compute know only some of the combinations.
Strings: TypeAlias = Any
Flags: TypeAlias = Any

# Zeros in front belong to identifiers (007), and so do more digits than int64 always has room for: both stay text.
_INTEGER = r"^(?:0|-?[1-9][0-9]{0,17})$"
# One to seventeen significant digits: as many as a double keeps.
_NUMBER = r"^-?(?:0|[1-9][0-9]{0,17})?(?:POINT[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?$"
_HAS_DIGIT = r"^-?POINT?[0-9]"
_NO_NUMBER = r"(?i)^(?:nan|[+-]?inf(?:inity)?)$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
_ZONE = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_NANOSECONDS = r"\.[0-9]{7,9}(?:$|[^0-9])"
_MOST_DIGITS = 17


def infer_type(values: Strings, options: DelimitedOptions) -> pa.DataType:
    """Return bool, int64, double, date32 or timestamp when each value that is not null is one; string otherwise.

    ``nan`` and ``inf`` count as doubles beside at least one number. Timestamps are in microseconds, in nanoseconds when
    a value has more digits; with a zone in each value they are in UTC, with a zone in some they stay strings.
    """
    texts = values.drop_null()
    if not len(texts):
        return pa.string()
    if _all(pc.is_in(texts, pa.array([*options.true_values, *options.false_values], pa.string()))):
        return pa.bool_()
    if _match(texts, _INTEGER):
        return pa.int64()
    if _is_double(texts, options.decimal_point):
        return pa.float64()
    if _match(texts, _DATE) and _casts(texts, pa.date32()):
        return pa.date32()
    return _timestamp(texts, options.timestamp_formats) or pa.string()


def _is_double(texts: Strings, decimal_point: str) -> bool:
    if not _all(pc.or_(_matches(texts, _NUMBER, decimal_point), _matches(texts, _NO_NUMBER))):
        return False
    numbers = texts.filter(_matches(texts, _NUMBER, decimal_point))
    if not len(numbers) or not _all(_matches(numbers, _HAS_DIGIT, decimal_point)):
        return False
    mantissas = pc.replace_substring_regex(numbers, r"[eE].*$", "")
    digits = pc.replace_substring_regex(mantissas, r"[^0-9]", "")
    if pc.max(pc.binary_length(pc.utf8_ltrim(digits, "0"))).as_py() > _MOST_DIGITS:
        return False
    plain = numbers if decimal_point == "." else pc.replace_substring(numbers, decimal_point, ".")
    return _casts(plain, pa.float64()) and _all(pc.is_finite(plain.cast(pa.float64())))


def _timestamp(texts: Strings, formats: Sequence[str]) -> pa.DataType | None:
    for each in formats:
        if _parses(texts, each):
            return pa.timestamp("us", "UTC" if "%z" in each else None)
    zoned = _match(texts, _TIMESTAMP + _ZONE)
    if not zoned and not _match(texts, _TIMESTAMP + "$"):
        return None
    fine = pc.any(_matches(texts, _NANOSECONDS)).as_py()
    type_: pa.DataType = pa.timestamp("ns" if fine else "us", "UTC" if zoned else None)
    return type_ if _casts(texts, type_) else None


def _parses(texts: Strings, timestamp_format: str) -> bool:
    parsed: Any = pc.strptime(texts, format=timestamp_format, unit="us", error_is_null=True)
    return bool(parsed.null_count == 0)


def _casts(texts: Strings, type_: pa.DataType) -> bool:
    try:
        texts.cast(type_)
    except pa.ArrowInvalid:
        return False
    return True


def _match(texts: Strings, pattern: str) -> bool:
    # Most columns fail on their first value: do not look at the others.
    return bool(_matches(texts.slice(0, 1), pattern)[0].as_py()) and _all(_matches(texts, pattern))


def _matches(texts: Strings, pattern: str, decimal_point: str = ".") -> Flags:
    return pc.match_substring_regex(texts, pattern.replace("POINT", f"\\x{{{ord(decimal_point):x}}}"))


def _all(flags: Flags) -> bool:
    return bool(pc.all(flags, min_count=0).as_py())
