"""How a value that holds others is read: objects, arrays, and the encodings that Arrow has and JSON has not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from format_plugins.contract import UnsupportedError
from format_plugins.json_text.faults import UnfitError
from format_plugins.json_text.leaves import Finish, Reading, Rules, converted, leaf
from format_plugins.json_text.renaming import safe_name
from format_plugins.json_text.written_out import written_out_type
from format_plugins.kinds import Array, Type, is_extension, is_list, is_text
from format_plugins.sharing import dictionary_of, runs_of


def reading(type_: Type, rules: Rules, depth: int = 1) -> Reading:
    """Return how ``type_`` is read; raise ``UnsupportedError`` when JSON has no way, or it nests too deep."""
    if depth > rules.options.max_depth:
        raise UnsupportedError(f"the schema nests deeper than {rules.options.max_depth} levels", option="max_depth")
    for accepts, make in _NESTED:
        if accepts(type_):
            return make(type_, rules, depth)
    return leaf(type_, rules)


def record(type_: Type, rules: Rules, depth: int, *, forbid_unknown: bool) -> Reading:
    """Return how an object is read that has the fields of ``type_``."""
    names = [field.name for field in type_]
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise UnsupportedError(f"a JSON object cannot hold two fields of the name {repeated!r}", column=repeated)
    readings = [reading(field.type, rules, depth + 1) for field in type_]
    safe = [safe_name(name) for name in names]
    fields = []
    for number, (field, inner) in enumerate(zip(type_, readings, strict=True)):
        default = None if field.nullable else msgspec.NODEFAULT
        fields.append((f"f{number}", _check(field, inner), msgspec.field(default=default, name=safe[number])))
    check = msgspec.defstruct(
        "Record", fields, kw_only=True, omit_defaults=True, gc=False, forbid_unknown_fields=forbid_unknown
    )
    carrier = pa.struct(
        [field.with_type(inner.carrier).with_name(name) for field, inner, name in zip(type_, readings, safe, strict=True)]
    )
    verbatim = all(inner.verbatim for inner in readings)
    if safe == names and all(inner.finish is None for inner in readings):
        return Reading(check, carrier, verbatim=verbatim)

    def finish(array: Array) -> Array:
        columns = [
            _finished(inner, array.field(number), f".{field.name}")
            for number, (field, inner) in enumerate(zip(type_, readings, strict=True))
        ]
        return _rebuilt(type_, array, columns)

    return Reading(check, carrier, finish, verbatim=verbatim)


def _check(field: pa.Field[Any], inner: Reading) -> Any:  # noqa: ANN401 - a type of the parser
    return inner.check | None if field.nullable and inner.check is not None else inner.check


def _finished(inner: Reading, array: Array, step: str) -> Array:
    try:
        return array if inner.finish is None else inner.finish(array)
    except UnfitError as error:
        error.path = step + error.path
        raise


def _rebuilt(type_: Type, array: Array, children: list[Array]) -> Array:
    """Return an array of ``type_`` with the buffers of ``array`` and other children. It was just read: no slice."""
    own = 3 if pa.types.is_list_view(type_) or pa.types.is_large_list_view(type_) else 2
    own = 1 if pa.types.is_struct(type_) or pa.types.is_fixed_size_list(type_) else own
    return pa.Array.from_buffers(type_, len(array), array.buffers()[:own], array.null_count, 0, children=children)


def _list(type_: Type, rules: Rules, depth: int) -> Reading:
    item = type_.value_field
    inner = reading(item.type, rules, depth + 1)
    check: Any = list[_check(item, inner)]  # type: ignore[misc] # made at run time
    field = item.with_type(inner.carrier)
    if pa.types.is_fixed_size_list(type_):
        check = Annotated[check, msgspec.Meta(min_length=type_.list_size, max_length=type_.list_size)]
        carrier: pa.DataType = pa.list_(field, type_.list_size)
    elif pa.types.is_large_list(type_):
        carrier = pa.large_list(field)
    elif pa.types.is_list_view(type_):
        carrier = pa.list_view(field)
    else:
        carrier = pa.large_list_view(field) if pa.types.is_large_list_view(type_) else pa.list_(field)
    if inner.finish is None:
        return Reading(check, carrier, verbatim=inner.verbatim)

    def finish(array: Array) -> Array:
        return _rebuilt(type_, array, [_finished(inner, array.values, "[]")])

    return Reading(check, carrier, finish, verbatim=inner.verbatim)


def _map(type_: Type, rules: Rules, depth: int) -> Reading:
    """Read an object when the keys are text, otherwise an array of objects with a ``key`` and a ``value`` each."""
    entry = pa.struct([type_.key_field.with_name("key").with_nullable(False), type_.item_field.with_name("value")])
    if not is_text(written_out_type(type_.key_type)):
        inner = record(entry, rules, depth + 1, forbid_unknown=True)
        carrier: pa.DataType = pa.list_(pa.field("entries", inner.carrier, nullable=False))
        entries = pa.struct([type_.key_field, type_.item_field])

        def of_list(array: Array) -> Array:
            items = _finished(inner, array.values, "[]")
            return _rebuilt(type_, array, [_rebuilt(entries, items, [items.field(0), items.field(1)])])

        listed: Any = list[inner.check]  # type: ignore[name-defined] # made at run time
        return Reading(listed, carrier, of_list, verbatim=inner.verbatim)
    key, inner = reading(type_.key_type, rules, depth + 1), reading(type_.item_type, rules, depth + 1)
    check: Any = dict[str, _check(type_.item_field, inner)]  # type: ignore[misc] # made at run time
    carrier = pa.map_(type_.key_field.with_type(pa.string()), type_.item_field.with_type(inner.carrier), type_.keys_sorted)

    def of_map(array: Array) -> Array:
        values = _finished(inner, array.items, "{}")
        keys = _finished(key, array.keys.cast(key.carrier), "{}")
        entries = pa.StructArray.from_arrays([keys, values], fields=[type_.key_field, type_.item_field])
        return _rebuilt(type_, array, [entries])

    return Reading(check, carrier, of_map)


def _dictionary(type_: Type, rules: Rules, depth: int) -> Reading:
    if pa.types.is_dictionary(type_.value_type):
        raise UnsupportedError(f"JSON cannot be read as {type_!s:.200}: a dictionary of dictionaries")
    inner = reading(type_.value_type, rules, depth)

    return _shared(inner, lambda array: dictionary_of(array, type_))


def _run_end_encoded(type_: Type, rules: Rules, depth: int) -> Reading:
    return _shared(reading(type_.value_type, rules, depth), lambda array: runs_of(array, type_))


def _shared(inner: Reading, encode: Finish) -> Reading:
    def finish(array: Array) -> Array:
        return converted(encode, _finished(inner, array, ""))

    return Reading(inner.check, inner.carrier, finish, verbatim=inner.verbatim)


def _extension(type_: Type, rules: Rules, depth: int) -> Reading:
    inner = reading(type_.storage_type, rules, depth)

    def wrap(array: Array) -> Array:
        return pa.ExtensionArray.from_storage(type_, _finished(inner, array, ""))

    return Reading(inner.check, inner.carrier, wrap, verbatim=inner.verbatim)


def _struct(type_: Type, rules: Rules, depth: int) -> Reading:
    return record(type_, rules, depth, forbid_unknown=rules.options.unknown_fields == "error")


_NESTED: tuple[tuple[Callable[[Type], bool], Callable[[Type, Rules, int], Reading]], ...] = (
    (is_extension, _extension),
    (pa.types.is_struct, _struct),
    (pa.types.is_map, _map),
    (pa.types.is_dictionary, _dictionary),
    (pa.types.is_run_end_encoded, _run_end_encoded),
    (is_list, _list),
)
