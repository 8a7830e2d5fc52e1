"""The command `get`: a dataset into a file."""

from __future__ import annotations

from typing import Any

import click

from flight_client.commands import parameters, printing
from flight_client.commands.meter import Meter, metered
from flight_client.commands.parameters import STANDARD
from flight_client.commands.session import Command, Session, cancelling, pass_session
from flight_client.commands.work import Interrupt
from flight_client.commands.writing import shown, written

_FORMAT = "csv"


@click.command(cls=Command)
@parameters.dataset()
@click.option(
    "-o",
    "--output",
    default=STANDARD,
    metavar="FILE",
    callback=parameters.target,
    shell_complete=parameters.files,
    help="The file to write; standard output (-) if left out.",
)
@parameters.format_name("--format", "format", f"The format; told by the file's name if left out, {_FORMAT} on standard output.")
@parameters.encoding("--encoding", "content_encoding", "the file")
@parameters.columns()
@parameters.rows()
@parameters.version()
@parameters.key_values("--option", "options", "the file's")
@pass_session
def get(session: Session, /, *, dataset: str, output: str, **request: Any) -> None:  # noqa: ANN401 - what Client.get_bytes takes
    """Write a dataset to a file, whole or not at all, or to standard output."""
    from flight_client.commands.naming import Names

    if output == STANDARD:
        request["format"] = request["format"] or _FORMAT
    named = session.ask(Names.of).read(output, request["format"], request["content_encoding"], flag="--format")
    request |= {"format": named.format, "content_encoding": named.encoding}

    def work(interrupt: Interrupt, meter: Meter) -> int:
        from flight_client import retries
        from flight_client.errors import FlightClientError
        from flight_client.files import replaceable

        with cancelling(interrupt) as cancel:
            tries = retries.Tries(retries.DEFAULT, cancel)
            while True:
                document = session.client.get_bytes(dataset, cancel=cancel, **request)
                try:
                    return written(document, output, interrupt, meter)
                except FlightClientError as error:
                    # What went into a pipe or a terminal cannot be taken back; a file is begun again.
                    tries.again(error, safe=output != STANDARD and replaceable(output))

    with metered(quiet=session.quiet or shown(output)) as meter:
        size = session.transfer(lambda interrupt: work(interrupt, meter))
    if output != STANDARD and not session.quiet:
        printing.record({"file": output, "bytes": size}, as_json=session.json)
