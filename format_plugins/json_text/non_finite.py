"""Writing NaN and infinity as text, into lines where the JSON writer put null for them."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.kinds import Array, Type
from format_plugins.relabelling import mapped, numbers_of_times, relabelled

_NULL = msgspec.Raw(b"null")
_NAMES = {math.inf: '"Infinity"', -math.inf: '"-Infinity"'}


def with_texts(text: bytes, batch: pa.RecordBatch) -> bytes:
    """Return ``text``, the lines of ``batch``, with the values that are not finite as text in their places."""
    columns = [(field.name, batch.column(number)) for number, field in enumerate(batch.schema) if _has_floats(field.type)]
    affected = [(name, values) for name, values in ((name, _non_finite(column)) for name, column in columns) if values]
    if not affected:
        return text
    lines = text.splitlines()
    for name, values in affected:
        for row, value in values.items():
            fields = msgspec.json.decode(lines[row], type=dict[str, msgspec.Raw])
            fields[name] = _patched(fields.get(name, _NULL), value)
            lines[row] = msgspec.json.encode(fields)
    return b"\n".join([*lines, b""])


def _has_floats(type_: Type) -> bool:
    if pa.types.is_map(type_):
        return _has_floats(type_.item_type)
    if pa.types.is_nested(type_):
        return any(_has_floats(type_.field(number).type) for number in range(type_.num_fields))
    return pa.types.is_floating(type_)


def _non_finite(column: Array) -> dict[int, Any]:
    """Return the rows that hold a value that is not finite, with their values."""
    if pa.types.is_floating(column.type):
        strange: Array = pc.invert(pc.is_finite(column))
        rows: Array = pc.indices_nonzero(strange.fill_null(False))
        return {row: column[row].as_py() for row in rows.to_pylist()}
    # Times as numbers: Python has no object for all of them.
    numbers = relabelled(column, mapped(column.type, numbers_of_times))
    values = ((row, _nested(value)) for row, value in enumerate(numbers.to_pylist(maps_as_pydicts="strict")))
    return {row: value for row, value in values if value is not None}


def _nested(value: Any) -> Any:  # noqa: ANN401 - any plain value
    """Return ``value`` when something in it is not finite, else None."""
    if isinstance(value, float):
        return None if math.isfinite(value) else value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value if any(_nested(part) is not None for part in parts) else None


def _patched(text: msgspec.Raw, value: Any) -> msgspec.Raw:  # noqa: ANN401 - any plain value
    if isinstance(value, float):
        return text if math.isfinite(value) else msgspec.Raw(_NAMES.get(value, '"NaN"'))
    if isinstance(value, dict):
        fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        fields |= {name: _patched(fields.get(name, _NULL), part) for name, part in value.items() if part is not None}
        return msgspec.Raw(msgspec.json.encode(fields))
    if isinstance(value, list):
        items = msgspec.json.decode(text, type=list[msgspec.Raw])
        return msgspec.Raw(msgspec.json.encode([_patched(*pair) for pair in zip(items, value, strict=True)]))
    return text
