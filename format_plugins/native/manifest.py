"""What a native plugin says of itself in JSON: its metadata, and its options as the dataclass that the host fills in."""

from __future__ import annotations

import dataclasses
import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from format_plugins.contract import PluginMetadata
from format_plugins.native.abi import ABI_MAJOR, ABI_MINOR, SECTION
from format_plugins.native.elf import Elf, LibraryError
from format_plugins.options import OptionError, decode, option

#: A manifest is a page of text; what is much longer is none.
MAX_MANIFEST_BYTES = 256 << 10

_TYPES: Mapping[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "list[str]": tuple[str, ...]}
_NULL = " | null"
_REQUIRED = object()


@dataclass(frozen=True, slots=True)
class _Option:
    """One option as a manifest describes it."""

    name: str
    type: str
    default: Any = _REQUIRED
    doc: str = ""
    unit: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who a plugin is, and the frozen dataclass of its options."""

    metadata: PluginMetadata
    options: tuple[_Option, ...]
    config_type: type = field(compare=False)  # made of the options, anew each time


def embedded(library: Elf) -> Manifest | None:
    """Return the manifest that lies in a library's section; None when it has none. No code of the library runs."""
    content = library.section(SECTION)
    return None if content is None else parse(content.partition(b"\0")[0])


def parse(text: bytes) -> Manifest:
    """Read a manifest, strictly. Raises ``LibraryError`` that says what is wrong with it."""
    if len(text) > MAX_MANIFEST_BYTES:
        raise LibraryError(f"its manifest is longer than {MAX_MANIFEST_BYTES:,} bytes")
    try:
        members = msgspec.json.decode(text, type=dict[str, Any])
        later = _from_a_later_minor(members.pop("abi", f"{ABI_MAJOR}.{ABI_MINOR}"))
        options = msgspec.convert(members.pop("options", []), list[dict[str, Any]])
        metadata = decode(PluginMetadata, _known(PluginMetadata, members) if later else members)
        described = [decode(_Option, _known(_Option, item) if later else item) for item in options]
    except (msgspec.MsgspecError, OptionError, UnicodeDecodeError) as error:
        raise _invalid(str(error)) from None
    if metadata.capabilities.needs_seek:
        raise _invalid("needs_seek is not for native plugins, whose documents come as a stream")
    return Manifest(metadata, tuple(described), _config_type(metadata.name, described))


def _from_a_later_minor(abi: object) -> bool:
    """Say whether a manifest may hold what this host does not know; refuse one of another major version."""
    parts = abi.split(".") if isinstance(abi, str) else []
    if [part.isascii() and part.isdecimal() for part in parts] != [True, True]:
        raise _invalid(f"abi {abi!r:.80} is not of the form '1.0'")
    major, minor = map(int, parts)
    if major != ABI_MAJOR:
        raise LibraryError(f"it was built for version {major} of the native interface, and this host has {ABI_MAJOR}")
    return minor > ABI_MINOR


def _known(kind: type[Any], members: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in dataclasses.fields(kind)}
    return {name: value for name, value in members.items() if name in names}


def _config_type(name: str, described: Sequence[_Option]) -> type:
    fields: list[tuple[str, Any, Any]] = []
    for item in described:
        if not item.name.isidentifier() or keyword.iskeyword(item.name) or item.name in {known for known, *_ in fields}:
            raise _invalid(f"{item.name!r:.80} is no name for an option, or stands there twice")
        fields.append((item.name, _type(item), _field(item)))
    # An option without a default may come after one that has some: the host gives them all by name.
    return dataclasses.make_dataclass(f"{name.title().replace('-', '_')}Options", fields, frozen=True, kw_only=True)


def _type(item: _Option) -> Any:  # noqa: ANN401 - a type, or what stands for one
    wanted = _TYPES.get(item.type.removesuffix(_NULL))
    if wanted is None:
        known = ", ".join(_TYPES)
        raise _invalid(f"the option {item.name} has the type {item.type!r:.80} (known: {known})")
    if item.choices:
        if wanted is not str:
            raise _invalid(f"the option {item.name}: choices are for texts")
        wanted = Literal[item.choices]
    elif item.minimum is not None or item.maximum is not None:
        wanted = Annotated[wanted, msgspec.Meta(ge=_bound(item, item.minimum), le=_bound(item, item.maximum))]
    return wanted | None if item.type.endswith(_NULL) else wanted


def _bound(item: _Option, bound: float | None) -> float | None:
    kind = item.type.removesuffix(_NULL)
    if kind not in {"int", "float"}:
        raise _invalid(f"the option {item.name}: bounds are for numbers")
    if kind == "float" or bound is None:
        return bound
    if not bound.is_integer():
        raise _invalid(f"the option {item.name}: the bound {bound:g} is no int")
    return int(bound)


def _field(item: _Option) -> Any:  # noqa: ANN401 - a dataclass field of any type
    if item.default is _REQUIRED:
        return dataclasses.field(metadata={"doc": item.doc, "unit": item.unit})
    try:
        default = msgspec.convert(item.default, _type(item))
    except (msgspec.ValidationError, TypeError) as error:
        raise _invalid(f"the default of the option {item.name}: {error}") from None
    return option(default, item.doc, unit=item.unit)


def _invalid(reason: str) -> LibraryError:
    return LibraryError(f"its manifest is not valid: {reason}")
