"""Which types widen into which: every value of the narrower type is a value of the wider one, exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

_types = pa.types

#: Bits of the significand: integers up to that size are exact.
_FLOAT_BITS = {16: 11, 32: 24, 64: 53}
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}


def widens(has: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a column of type ``has`` may be appended to one of type ``wanted``. Metadata plays no part."""
    if has.equals(wanted) or _types.is_null(has):
        return True
    return any(rule(has, wanted) for rule in _RULES)


def _integer(has: pa.DataType, wanted: pa.DataType) -> bool:
    if not _types.is_integer(has):
        return False
    signed = _types.is_signed_integer(has)
    bits = has.bit_width - signed
    if _types.is_integer(wanted):
        takes_sign = _types.is_signed_integer(wanted)
        return wanted.bit_width - takes_sign >= bits and (takes_sign or not signed)
    if _types.is_floating(wanted):
        return bits <= _FLOAT_BITS[wanted.bit_width]
    return bool(_types.is_decimal(wanted) and wanted.precision - wanted.scale >= _DIGITS[has.bit_width])


def _floating(has: pa.DataType, wanted: pa.DataType) -> bool:
    return _types.is_floating(has) and _types.is_floating(wanted) and has.bit_width <= wanted.bit_width


def _decimal(has: pa.DataType, wanted: pa.DataType) -> bool:
    if not (_types.is_decimal(has) and _types.is_decimal(wanted)):
        return False
    return bool(wanted.scale >= has.scale and wanted.precision - wanted.scale >= has.precision - has.scale)


def _text(has: pa.DataType, wanted: pa.DataType) -> bool:
    if _types.is_string(has) or _types.is_string_view(has):
        return _types.is_large_string(wanted) or (_types.is_string(has) and _types.is_string_view(wanted))
    if _types.is_binary(has) or _types.is_binary_view(has):
        return _types.is_large_binary(wanted) or (_types.is_binary(has) and _types.is_binary_view(wanted))
    return False


def _date(has: pa.DataType, wanted: pa.DataType) -> bool:
    """Days: they fit a timestamp of seconds or milliseconds; in finer units the far ones do not."""
    if not _types.is_date32(has):
        return False
    return _types.is_date64(wanted) or (_types.is_timestamp(wanted) and wanted.tz is None and wanted.unit in ("s", "ms"))


def _time(has: pa.DataType, wanted: pa.DataType) -> bool:
    units = ["s", "ms", "us", "ns"]
    return _types.is_time(has) and _types.is_time(wanted) and units.index(has.unit) <= units.index(wanted.unit)


def _dictionary(has: pa.DataType, wanted: pa.DataType) -> bool:
    if not _types.is_dictionary(has):
        return _types.is_dictionary(wanted) and has.equals(wanted.value_type) and _is_encodable(has)
    if not _types.is_dictionary(wanted):
        return widens(has.value_type, wanted)
    same = has.value_type.equals(wanted.value_type) and has.ordered == wanted.ordered
    return same and widens(has.index_type, wanted.index_type)


def _is_encodable(kind: pa.DataType) -> bool:
    return not (_types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType))


def _list(has: pa.DataType, wanted: pa.DataType) -> bool:
    same = (_types.is_list(has) and (_types.is_list(wanted) or _types.is_large_list(wanted))) or (
        _types.is_large_list(has) and _types.is_large_list(wanted)
    )
    if _types.is_fixed_size_list(has) and _types.is_fixed_size_list(wanted):
        same = has.list_size == wanted.list_size
    return same and _field(has.field(0), wanted.field(0))


def _struct(has: pa.DataType, wanted: pa.DataType) -> bool:
    if not (_types.is_struct(has) and _types.is_struct(wanted) and has.num_fields == wanted.num_fields):
        return False
    pairs = [(has.field(index), wanted.field(index)) for index in range(has.num_fields)]
    return all(one.name == two.name and _field(one, two) for one, two in pairs)


def _field(has: pa.Field[Any], wanted: pa.Field[Any]) -> bool:
    """Nested values: a null inside is not looked for, so what may be null must not become what may not."""
    if has.nullable and not wanted.nullable:
        return False
    return widens(has.type, wanted.type) and (wanted.nullable or not _types.is_null(has.type))


_RULES: tuple[Callable[[pa.DataType, pa.DataType], bool], ...] = (
    _integer,
    _floating,
    _decimal,
    _text,
    _date,
    _time,
    _dictionary,
    _list,
    _struct,
)
