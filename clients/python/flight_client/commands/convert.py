"""The command `convert`: a file of one format into a file of another, by the server or without one."""

from __future__ import annotations

from typing import Any

import click

from flight_client.commands import parameters, printing
from flight_client.commands.meter import Meter, metered
from flight_client.commands.parameters import STANDARD
from flight_client.commands.reading import reading
from flight_client.commands.session import Command, Session, cancelling, pass_session
from flight_client.commands.work import Interrupt
from flight_client.commands.writing import Document, shown, written


@click.command(cls=Command)
@click.argument("source", metavar="IN", shell_complete=parameters.files)
@click.argument("target", metavar="OUT", callback=parameters.target, shell_complete=parameters.files)
@parameters.format_name("--from", "from_format", "The format of IN; told by its name if left out.")
@parameters.format_name("--to", "to_format", "The format of OUT; told by its name if left out.")
@parameters.encoding("--from-encoding", "from_encoding", "IN")
@parameters.encoding("--to-encoding", "to_encoding", "OUT")
@parameters.key_values("--from-option", "from_options", "IN's")
@parameters.key_values("--to-option", "to_options", "OUT's")
@parameters.columns()
@click.option("--limit", type=click.IntRange(min=0), metavar="ROWS", help="The most rows wanted; all if left out.")
@parameters.schema_from()
@click.option("--local", is_flag=True, help="Convert here, with the formats that are installed, and ask no server.")
@pass_session
def convert(session: Session, /, *, source: str, target: str, local: bool, **request: Any) -> None:  # noqa: ANN401 - the options
    """Convert the file IN to the file OUT, or standard input to standard output (-); nothing is stored."""
    for path, flag, said in ((source, "--from", request["from_format"]), (target, "--to", request["to_format"])):
        if path == STANDARD and said is None:
            raise click.UsageError(f"standard input and output have no name: give {flag}")
    wanted = request.pop("schema_from")
    if local and wanted:
        raise click.UsageError("--schema-from asks a server, and --local asks none")
    converter = _local() if local else session.client
    request["schema"] = session.ask(lambda client: client.info(wanted).schema) if wanted else None
    names = _names(session, converter)
    for path, side in ((source, "from"), (target, "to")):
        named = names.read(path, request[f"{side}_format"], request[f"{side}_encoding"], flag=f"--{side}")
        request |= {f"{side}_format": named.format, f"{side}_encoding": named.encoding}

    def work(interrupt: Interrupt, meter: Meter) -> int:
        with reading(source, interrupt, meter) as file, cancelling(interrupt) as cancel:
            document: Document = converter.convert(file, cancel=cancel, **request)
            return written(document, target, interrupt, meter)

    with metered(quiet=session.quiet or shown(target)) as meter:
        size = session.transfer(lambda interrupt: work(interrupt, meter))
    if target != STANDARD and not session.quiet:
        printing.record({"file": target, "bytes": size}, as_json=session.json)


def _local() -> Any:  # noqa: ANN401 - a LocalConverter, which must not be imported here
    from flight_client.commands.local import converter

    return converter()


def _names(session: Session, converter: Any) -> Any:  # noqa: ANN401 - a client or a LocalConverter
    from flight_client.commands.naming import Names

    return session.transfer(lambda _: Names.of(converter))
