"""The command `head`: the first rows of a dataset, for people to read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from flight_client.commands import parameters, printing
from flight_client.commands.meter import Meter
from flight_client.commands.parameters import STANDARD
from flight_client.commands.session import Command, Session, cancelling, pass_session
from flight_client.commands.work import Interrupt
from flight_client.commands.writing import written

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 10
_CELL_CHARS = 60
_GAP = 2  # between columns


@click.command(cls=Command)
@parameters.dataset()
@parameters.rows(_ROWS, "-n")
@parameters.columns()
@parameters.version()
@pass_session
def head(session: Session, /, *, dataset: str, **selection: Any) -> None:  # noqa: ANN401 - what Client.get takes
    """Show the first rows of a dataset as a table."""
    if session.json:

        def work(interrupt: Interrupt) -> int:
            with cancelling(interrupt) as cancel:
                document = session.impatient.get_bytes(dataset, format="ndjson", cancel=cancel, **selection)
                return written(document, STANDARD, interrupt, Meter(None, 1))

        session.transfer(work)
        return
    rows = session.ask(lambda client: client.get(dataset, **selection).read_all(), session.impatient)
    lines = list(zip(*(_texts(column) for column in rows.columns), strict=True))
    if sys.stdout.isatty():
        _show(rows.schema, lines)
        return
    for line in (rows.schema.names, *lines):
        printing.say("\t".join(map(printing.line, line)))


def _show(schema: pa.Schema, lines: Sequence[Sequence[str]]) -> None:
    from rich.console import Console

    shown = [[_short(text) for text in line] for line in lines]
    names = [f"{_short(field.name)}\n{_short(str(field.type))}" for field in schema]
    widths = [max(map(len, "\n".join(column).splitlines()), default=0) + _GAP for column in zip(names, *shown, strict=True)]
    room, fitting = Console().width, 0
    while fitting < len(widths) and (room := room - widths[fitting]) >= -_GAP:
        fitting += 1
    fitting = max(fitting, 1)
    printing.grid(names[:fitting], [line[:fitting] for line in shown], fold=False)
    if fitting < len(names):
        click.echo(f"{fitting} of {len(names)} columns; --columns A,B chooses others", err=True)


def _texts(column: pa.ChunkedArray[Any]) -> list[str]:
    return [_text(value) for value in column]


def _text(value: pa.Scalar[Any]) -> str:
    import pyarrow as pa

    if not value.is_valid:
        return ""
    try:
        return str(value.cast(pa.string()))  # exact, also for times that Python cannot hold
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return str(value)


def _short(text: str) -> str:
    line = printing.line(text)
    return line if len(line) <= _CELL_CHARS else f"{line[: _CELL_CHARS - 1]}…"
