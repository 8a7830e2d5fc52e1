"""What the command prints: tables on a terminal, lines with tabs in a pipe, a line of JSON each when asked."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from flight_client.commands.failures import json_text, visible

STANDARD_OUTPUT = "standard output"


def record(members: Any, *, as_json: bool) -> None:  # noqa: ANN401 - a dataclass or a mapping
    """Print one thing: a line a member."""
    told = plain(members)
    if as_json:
        document(told)
        return
    rows = [(name, _cell(value)) for name, value in told.items()]
    if sys.stdout.isatty():
        grid(("", ""), rows, show_header=False)
        return
    for name, text in rows:
        say(f"{name}\t{line(text)}")


def table(items: Iterable[Any], columns: Sequence[str], *, as_json: bool) -> None:
    """Print many things: ``columns`` of each on a line; all members as JSON, a line each."""
    told = [plain(item) for item in items]
    if sys.stdout.isatty() and not as_json:
        grid(columns, [tuple(_cell(item.get(name)) for name in columns) for item in told])
        return
    lines = Lines(columns, as_json=as_json)
    lines.begin()
    for item in told:
        lines.add(item)


class Lines:
    """A table whose lines are printed as they come."""

    def __init__(self, columns: Sequence[str], *, as_json: bool, quiet: bool = False) -> None:
        self._columns = columns
        self._as_json = as_json
        self._quiet = quiet
        self._begun = False

    def begin(self) -> None:
        """Print the header, once, where there is one."""
        if not (self._begun or self._quiet or self._as_json):
            say("\t".join(self._columns))
        self._begun = True

    def add(self, item: Mapping[str, Any]) -> None:
        """Print a line."""
        self.begin()
        if self._quiet:
            return
        if self._as_json:
            document(item)
            return
        say("\t".join(line(_cell(item.get(name))) for name in self._columns))


def say(text: str) -> None:
    """Print a line; a failure names standard output."""
    with _naming():
        click.echo(text)


@contextmanager
def _naming() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, STANDARD_OUTPUT) from None


def document(members: Mapping[str, Any]) -> None:
    """Print one line of JSON."""
    say(json_text(members))


def plain(value: Any) -> Any:  # noqa: ANN401 - into what JSON holds
    """Return ``value`` as JSON holds it; a schema is a list, for a name may be there twice."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")  # as the server sends it
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return [{"name": field.name, "type": str(field.type), "nullable": field.nullable} for field in value]  # a schema


def _cell(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {_words(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ("\n" if any(isinstance(item, Mapping) for item in value) else " ").join(map(_words, value))
    return str(value)


def _words(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "none"
    return _cell(value) or "none"


def line(text: str) -> str:
    """Return ``text`` in one line that holds nothing which steers a terminal or splits a table."""
    return "; ".join(visible(line) for line in text.splitlines())


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]], *, show_header: bool = True, fold: bool = True) -> None:
    """Print a table for people; cells may have several lines."""
    # Only a terminal needs it, and importing it takes longer than most calls.
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    headed = [Column(Text(name), overflow="fold" if fold else "ellipsis", no_wrap=not fold) for name in columns]
    shown = Table(*headed, show_header=show_header, box=None, pad_edge=False)
    for row in rows:
        # Text, for a name may look like markup, and visible, for it may steer the terminal.
        shown.add_row(*(Text("\n".join(map(visible, cell.splitlines()))) for cell in row))
    with _naming():
        Console().print(shown)
