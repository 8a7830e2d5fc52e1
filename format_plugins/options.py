"""From a mapping (YAML, JSON) to a frozen dataclass, strictly: unknown keys and wrong types are errors that help."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from format_plugins.spelling import did_you_mean

T = TypeVar("T")
_HintsOf: TypeAlias = Callable[[type], Mapping[str, Any]]


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
        return dataclasses.field(default_factory=lambda: copy.deepcopy(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def type_hints(config_type: type) -> Mapping[str, Any]:
    """Return the types of a dataclass's fields by their names."""
    return get_type_hints(config_type, include_extras=True)


def decode(
    config_type: type[T],
    values: Mapping[str, Any] | None,
    *,
    where: str = "",
    base: T | None = None,
    hints_of: _HintsOf = type_hints,
) -> T:
    """Make a ``config_type`` of ``values``, laid over ``base`` when there is one, section by section.

    ``hints_of`` may remember what ``type_hints`` says, by someone who need not fear to keep a plugin's classes alive.
    ``where`` prefixes the key in messages (``plugins.plugin_configs.csv``). Raises ``OptionError`` that names the
    key, the value and what was wanted; for an unknown key, the known ones and the nearest.
    """
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        raise OptionError(f"{where or 'the options'} must be a mapping, not {_kind(values)}", key=where.rpartition(".")[2])
    hints = hints_of(config_type)
    fields = dataclasses.fields(config_type)  # type: ignore[arg-type] # T is a dataclass, which a TypeVar cannot say
    names = tuple(item.name for item in fields)
    given = {}
    for key, value in values.items():
        path = f"{where}.{key}" if where else str(key)
        if key not in names:
            hint = did_you_mean(str(key), names)
            raise OptionError(f"unknown key {path!r}{hint} (known: {', '.join(names) or 'none'})", key=str(key), known=names)
        given[key] = _converted(value, hints[key], path, base=getattr(base, key, None), hints_of=hints_of)
    if base is None:
        _check_complete(fields, given, where)
    try:
        return config_type(**given) if base is None else dataclasses.replace(base, **given)  # type: ignore[type-var] # as above
    except (TypeError, ValueError) as error:  # a check in __post_init__, or an option without a default
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"{where + ': ' if where else ''}{error}", key=where.rpartition(".")[2]) from None


def _check_complete(fields: tuple[dataclasses.Field[Any], ...], given: Mapping[str, Any], where: str) -> None:
    for item in fields:
        if item.name not in given and item.default is item.default_factory is dataclasses.MISSING and item.init:
            path = f"{where}.{item.name}" if where else item.name
            raise OptionError(f"{path} is missing, and it has no default", key=item.name)


def _converted(value: Any, wanted: Any, path: str, *, base: Any, hints_of: _HintsOf) -> Any:  # noqa: ANN401 - any type
    section = _section(wanted)
    if section is not None and not (value is None and section is not wanted):
        if value is None:
            raise OptionError(f"{path} must be a mapping, not nothing", key=path.rpartition(".")[2])
        return decode(section, value, where=path, base=base, hints_of=hints_of)
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise OptionError(f"{path}: {error}, in {value!r:.80}{_choices(wanted)}", key=path.rpartition(".")[2]) from None


def _choices(wanted: Any) -> str:  # noqa: ANN401 - a type, or what stands for one
    """Return what may be said, of an option that has few values."""
    known = [str(value) for kind in (wanted, *get_args(wanted)) if get_origin(kind) is Literal for value in get_args(kind)]
    return f" (known: {', '.join(known)})" if known else ""


def _section(wanted: Any) -> Any:  # noqa: ANN401 - a type, or what stands for one
    """Return the dataclass that ``wanted`` is, or is when it is not None; msgspec would let unknown keys of it pass."""
    for kind in (wanted, *get_args(wanted)):
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind if kind is wanted or set(get_args(wanted)) == {kind, type(None)} else None
    return None


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
