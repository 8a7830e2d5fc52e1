"""Names of fields that the strict parser and the columnar reader cannot take as they are, and other names for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from format_plugins.json_text.written_out import written_out_type
from format_plugins.kinds import Type, is_list, is_text

#: Makes text with safe names of text with the names of the document.
Rename: TypeAlias = Callable[[bytes], bytes]

# The parser takes no quotes, backslashes and control characters in names; a NUL ends a name on the way to the reader.
# U+E000, which nobody means anything by, begins the substitute, and is substituted itself, so that no two names meet.
_AWKWARD = re.compile('[\x00-\x1f"\\\\\ue000]')
_SUBSTITUTE = re.compile("\ue000([0-9a-f]+);")


def safe_name(name: str) -> str:
    """Return a name that stands for ``name``: itself, for nearly all."""
    return _AWKWARD.sub(lambda found: f"\ue000{ord(found[0]):x};", name)


def real_name(text: str) -> str:
    """Return ``text`` with the names that safe names stand for."""
    return _SUBSTITUTE.sub(lambda found: chr(int(found[1], 16)), text)


def renaming(type_: Type) -> Rename | None:
    """Return what gives records of ``type_`` safe names; None when they have none but safe names."""
    if pa.types.is_struct(type_):
        return _of_fields({field.name: renaming(field.type) for field in type_})
    if isinstance(type_, pa.BaseExtensionType):
        return renaming(type_.storage_type)
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        return renaming(type_.value_type)
    if pa.types.is_map(type_):
        return _of_map(type_)
    return _of_items(renaming(type_.value_type)) if is_list(type_) else None


def _of_fields(inner: dict[str, Rename | None]) -> Rename | None:
    def change(fields: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
        return {safe_name(name): _renamed(inner.get(name), value) for name, value in fields.items()}

    changes = any(inner.values()) or any(safe_name(name) != name for name in inner)
    return _through(dict[str, msgspec.Raw], change) if changes else None


def _of_map(type_: Type) -> Rename | None:
    item = renaming(type_.item_type)
    if is_text(written_out_type(type_.key_type)):
        return item and _through(
            dict[str, msgspec.Raw], lambda parts: {name: _renamed(item, part) for name, part in parts.items()}
        )
    return _of_items(_of_fields({"key": renaming(type_.key_type), "value": item}))


def _of_items(item: Rename | None) -> Rename | None:
    return item and _through(list[msgspec.Raw], lambda parts: [_renamed(item, part) for part in parts])


def _renamed(rename: Rename | None, text: msgspec.Raw) -> msgspec.Raw:
    return text if rename is None else msgspec.Raw(rename(bytes(text)))


def _through(shape: Any, change: Callable[[Any], Any]) -> Rename:  # noqa: ANN401 - a type of the parser
    decoder = msgspec.json.Decoder(shape)

    def rename(text: bytes) -> bytes:
        try:
            parts = decoder.decode(text)
        except msgspec.ValidationError:
            return text  # null, or a value of another type, which the strict parser will say
        return msgspec.json.encode(change(parts))

    return rename
