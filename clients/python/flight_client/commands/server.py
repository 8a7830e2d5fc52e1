"""The commands that look at a server: `formats`, `plugins` and `health`."""

from __future__ import annotations

import click

from flight_client.commands import failures, parameters, printing
from flight_client.commands.failures import Failure
from flight_client.commands.profiles import did_you_mean
from flight_client.commands.session import Command, Session, pass_session


@click.command(cls=Command)
@parameters.format_argument("name")
@pass_session
def formats(session: Session, *, name: str | None) -> None:
    """List the formats that the server has, or the options of the format NAME."""
    found = session.ask(lambda client: client.formats())
    if name is None:
        printing.table(found, ("name", "version", "extensions", "description"), as_json=session.json)
        return
    names = [item["name"] for item in found]
    if name not in names:
        raise Failure(
            f"there is no format {name!r}{did_you_mean(name, names)} (there is {', '.join(names)})",
            failures.REFUSED,
            code="unknown_format",
        )
    printing.table(found[names.index(name)]["options"], ("name", "type", "default", "unit", "doc"), as_json=session.json)


@click.command(cls=Command)
@pass_session
def plugins(session: Session) -> None:
    """List the plugins, served or not, and what is wrong with them."""
    found = session.ask(lambda client: client.plugins())
    printing.table(found, ("name", "version", "generation", "state", "origin", "last_error"), as_json=session.json)


@click.command(cls=Command)
@pass_session
def health(session: Session) -> None:
    """Show how the server is; one that is stopping ends this with 3."""
    told = session.ask(lambda client: client.health())
    printing.record(told, as_json=session.json)
    if told["status"] != "ok":
        click.get_current_context().exit(failures.UNAVAILABLE)
