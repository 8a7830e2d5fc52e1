"""Configuration from YAML and the command line, strictly: what is not understood is an error that helps."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from flight_server.config import Config
from format_plugins.options import OptionError, decode

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


class ConfigError(Exception):
    """The configuration cannot be used; the message says where and why."""


def load(path: Path | None, overrides: Iterable[str] = (), environment: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration file, lay ``section.key=value`` overrides over it, and check the whole.

    ``${env:NAME}`` anywhere in a text value is replaced by that variable of ``environment``; one that is not set is an
    error. Raises ``ConfigError``.
    """
    members = {} if path is None else _read(path)
    source = "the configuration" if path is None else str(path)
    for override in overrides:
        _lay(members, override)
    try:
        return decode(Config, _expanded(members, environment, ""))
    except OptionError as error:
        raise ConfigError(f"{source}: {error}") from None


def differing(one: Any, other: Any, prefix: str = "") -> list[str]:  # noqa: ANN401 - a configuration, or a section of it
    """Return the dotted keys in which two configurations differ."""
    keys = []
    for field in dataclasses.fields(one):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if dataclasses.is_dataclass(mine):
            keys += differing(mine, theirs, f"{prefix}{field.name}.")
        elif mine != theirs:
            keys.append(prefix + field.name)
    return keys


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    try:
        members = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if members is None:
        return {}
    if not isinstance(members, dict):
        raise ConfigError(f"{path}: the file must hold sections (server:, store:, plugins:), not a {type(members).__name__}")
    # A section that is there but empty means its defaults.
    return {key: {} if value is None else value for key, value in members.items()}


def _lay(members: dict[str, Any], override: str) -> None:
    """Lay one ``section.key=value`` over the members; the value is read as YAML."""
    path, equals, text = override.partition("=")
    *sections, key = path.strip().split(".")
    if not equals or not sections or not key:
        raise ConfigError(f"--set {override!r}: expected section.key=value, such as server.location=grpc://0.0.0.0:8815")
    inner = members
    for section in sections:
        inner = inner.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override!r}: {section!r} is not a section")
    try:
        inner[key] = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError:
        inner[key] = text


def _expanded(value: Any, environment: Mapping[str, str], where: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    if isinstance(value, dict):
        return {key: _expanded(item, environment, f"{where}.{key}" if where else str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item, environment, where) for item in value]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        kind, _, name = match[1].partition(":")
        if kind != "env" or not name:
            raise ConfigError(f"{where}: {match[0]} is no reference that is known; ${{env:NAME}} is")
        if name not in environment:
            raise ConfigError(f"{where}: the environment variable {name} is not set")
        return environment[name]

    whole = _REFERENCE.fullmatch(value)
    text = _REFERENCE.sub(replaced, value)
    # A value that is nothing but a reference takes the type that the text has in YAML: a port stays a number.
    return yaml.load(text, Loader=_StrictLoader) if whole else text  # noqa: S506 - a subclass of SafeLoader


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice: the first one would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


# As in YAML 1.2: only true and false are booleans. `off` is a word that settings have as a value.
_StrictLoader.yaml_implicit_resolvers = {
    letter: [each for each in resolvers if each[0] != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
