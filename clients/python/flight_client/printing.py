"""What the command prints: tables on a terminal, lines with tabs in a pipe, JSON when asked."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
import pyarrow as pa


def record(members: Any) -> None:  # noqa: ANN401 - a dataclass or a mapping
    """Print one thing: a line a member."""
    plain = _plain(members)
    if _as_json():
        click.echo(json.dumps(plain, ensure_ascii=False))
        return
    rows = [(name, _cell(value)) for name, value in plain.items()]
    if sys.stdout.isatty():
        _print_table(("", ""), rows, show_header=False)
        return
    for name, text in rows:
        click.echo(f"{name}\t{_line(text)}")


def table(items: Iterable[Any], columns: Sequence[str]) -> None:
    """Print many things: ``columns`` of each on a line; all members as JSON."""
    plain = [_plain(item) for item in items]
    if _as_json():
        click.echo(json.dumps(plain, ensure_ascii=False))
        return
    rows = [tuple(_cell(item.get(name)) for name in columns) for item in plain]
    if sys.stdout.isatty():
        _print_table(columns, rows, show_header=True)
        return
    for row in (tuple(columns), *rows):
        click.echo("\t".join(map(_line, row)))


def _as_json() -> bool:
    return bool(click.get_current_context().meta["as_json"])


def _plain(value: Any) -> Any:  # noqa: ANN401 - into what JSON holds
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")  # as the server sends it
    if isinstance(value, pa.Schema):
        return {field.name: f"{field.type}{'' if field.nullable else ' not null'}" for field in value}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _cell(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {item}" for name, item in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)


def _line(text: str) -> str:
    return "; ".join(text.replace("\t", " ").splitlines())


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, show_header: bool) -> None:
    # Only a terminal needs it, and importing it takes longer than most calls.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    folded = [Column(name, overflow="fold") for name in columns]  # long names are shown whole
    shown = Table(*folded, show_header=show_header, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*map(Text, row))  # text, for a name may look like markup
    Console().print(shown)
