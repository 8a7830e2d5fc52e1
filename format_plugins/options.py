"""From a mapping (YAML, JSON) to a frozen dataclass, strictly: unknown keys and wrong types are errors that help."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec

T = TypeVar("T")


class OptionError(ValueError):
    """An option is unknown or has a value that it cannot have; ``key`` says which, ``known`` what there is."""

    def __init__(self, message: str, *, key: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.key = key
        self.known = known


def option(default: Any, doc: str, *, unit: str = "") -> Any:  # noqa: ANN401 - a dataclass field of any type
    """Declare one option: its default, what it does in a sentence, and its unit if it has one."""
    metadata = {"doc": doc, "unit": unit}
    if isinstance(default, dict | list | set):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def decode(config_type: type[T], values: Mapping[str, Any] | None, *, where: str = "", base: T | None = None) -> T:
    """Make a ``config_type`` of ``values``, laid over ``base`` when there is one.

    ``where`` prefixes the key in messages (``plugins.plugin_configs.csv``). Raises ``OptionError`` that names the
    key, the value and what was wanted; for an unknown key, the known ones and the nearest.
    """
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        raise OptionError(f"{where or 'the options'} must be a mapping, not {_kind(values)}", key=where)
    hints = get_type_hints(config_type, include_extras=True)
    names = tuple(item.name for item in dataclasses.fields(config_type))  # type: ignore[arg-type]
    given = {}
    for key, value in values.items():
        path = f"{where}.{key}" if where else str(key)
        if key not in names:
            raise OptionError(unknown(path, str(key), names), key=str(key), known=names)
        given[key] = _converted(value, hints[key], path)
    try:
        return config_type(**given) if base is None else dataclasses.replace(base, **given)  # type: ignore[type-var]
    except (TypeError, ValueError) as error:  # a check in __post_init__, or an option without a default
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"{where + ': ' if where else ''}{error}", key=where) from None


def unknown(path: str, key: str, names: Iterable[str]) -> str:
    """Say that ``key`` is none of ``names``, with the nearest one."""
    known = tuple(names)
    near = nearest(key, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"unknown key {path!r}{hint} (known: {', '.join(known) or 'none'})"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of ``names`` that looks most like ``name``, or None when none looks like it."""
    found = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0.6)
    return found[0] if found else None


def _converted(value: Any, wanted: Any, path: str) -> Any:  # noqa: ANN401 - any option of any type
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        if value is None:
            raise OptionError(f"{path} must be a mapping, not nothing", key=path.rpartition(".")[2])
        return decode(wanted, value, where=path)
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise OptionError(f"{path}: {error}, in {value!r:.80}", key=path.rpartition(".")[2]) from None


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
