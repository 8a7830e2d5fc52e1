"""The settings as people read them: the table of configs/README.md and the commented configs/default.yaml."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import get_type_hints

import yaml

from flight_server.config import Config
from flight_server.option_table import markdown, options_of, settings_of


def table() -> str:
    """Return every setting as rows of a Markdown table."""
    return markdown(settings_of(Config), called="key")


def default_yaml() -> str:
    """Return every setting with its default and its comment as a YAML file."""
    lines = ["# Every setting with its default. Copy what you change; leave out the rest."]
    sections = get_type_hints(Config)
    for field in dataclasses.fields(Config):
        lines += ["", *_section(field.name, sections[field.name], "")]
    return "\n".join(lines) + "\n"


def _section(name: str, config_type: type, indent: str) -> Iterator[str]:
    yield f"{indent}# {(config_type.__doc__ or '').strip()}"
    yield f"{indent}{name}:"
    hints = get_type_hints(config_type)
    for row in options_of(config_type):
        if dataclasses.is_dataclass(hints[row["name"]]):
            yield from _section(row["name"], hints[row["name"]], f"{indent}  ")
            continue
        unit = f" [{row['unit']}]" if row["unit"] else ""
        value = yaml.safe_dump(row["default"], default_flow_style=True, width=1000).replace("\n...", "").strip()
        yield f"{indent}  # {row['doc'][0].upper()}{row['doc'][1:]}.{unit}"
        yield f"{indent}  {row['name']}: {value}"
