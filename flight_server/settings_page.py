"""The settings as people read them: the table of configs/README.md and the commented configs/default.yaml."""

from __future__ import annotations

import dataclasses
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
        section = sections[field.name]
        lines += ["", f"# {(section.__doc__ or '').strip()}", f"{field.name}:"]
        for row in options_of(section):
            unit = f" [{row['unit']}]" if row["unit"] else ""
            value = yaml.safe_dump(row["default"], default_flow_style=True, width=1000).replace("\n...", "").strip()
            lines += [f"  # {row['doc'][0].upper()}{row['doc'][1:]}.{unit}", f"  {row['name']}: {value}"]
    return "\n".join(lines) + "\n"
