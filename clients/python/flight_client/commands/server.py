"""The commands that look at a server and at its plugins: `formats`, `plugins`, `reload`, `rollback` and `health`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from flight_client.commands import failures, parameters, printing
from flight_client.commands.failures import Failure
from flight_client.commands.profiles import did_you_mean
from flight_client.commands.session import Command, Session, pass_session

if TYPE_CHECKING:
    from flight_client.client import Client

_PLUGIN_COLUMNS = (
    "name", "version", "generation", "state", "origin", "sha256", "leases", "loads", "failures", "load_ms", "last_error",
)  # fmt: skip
#: What people look for, in the width that they have; the others can be had by a name, or in a pipe.
_PLUGIN_COLUMNS_SHOWN = ("name", "version", "generation", "state", "origin", "failures", "last_error")
_HASH_CHARS = 12


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
@parameters.plugin_argument(required=False)
@pass_session
def plugins(session: Session, *, name: str | None) -> None:
    """List the plugins, served or not, and what is wrong with them; or all that is known of the plugin NAME."""
    if name is not None:
        for each in session.ask(lambda client: _claimants(client, name)):
            printing.record(each if session.json else _readable(each), as_json=session.json)
        return
    found = session.ask(lambda client: client.plugins())
    shown = found if session.json else [{**each, "sha256": (each["sha256"] or "")[:_HASH_CHARS]} for each in found]
    printing.table(shown, _PLUGIN_COLUMNS_SHOWN if sys.stdout.isatty() else _PLUGIN_COLUMNS, as_json=session.json)


def _claimants(client: Client, name: str) -> list[dict[str, Any]]:
    """Return all plugins that ask for a name, the one that has it first; the server says what it thinks of a name of none."""
    (first,) = client.action("plugin", {"name": name})
    return [first, *(each for each in client.plugins() if each["name"] == name and each["file"] != first["file"])]


def _readable(plugin: dict[str, Any]) -> dict[str, Any]:
    loaded_at = plugin["loaded_at"]
    if loaded_at is None:
        return plugin
    return {**plugin, "loaded_at": datetime.fromtimestamp(loaded_at, UTC).isoformat(sep=" ", timespec="seconds")}


@click.command(cls=Command)
@pass_session
def reload(session: Session) -> None:
    """Bring the plugins in step with their folder and the server's configuration now, and list what changed.

    Of the configuration, only the options of plugins and plugins.allow are taken in. What was rejected ends this with 5.
    """
    changed = session.ask(lambda client: client.reload())
    printing.table(changed, ("plugin", "action", "generation", "error"), as_json=session.json)
    if any(each["action"] == "rejected" for each in changed):
        click.get_current_context().exit(failures.FAULT)


@click.command(cls=Command)
@parameters.plugin_argument(required=True)
@pass_session
def rollback(session: Session, *, name: str) -> None:
    """Have the bytes serve that the plugin NAME had before the present ones, until its file changes.

    Once more brings the present ones back.
    """
    status = session.ask(lambda client: client.rollback(name))
    printing.table([status], ("name", "version", "generation", "state", "sha256"), as_json=session.json)


@click.command(cls=Command)
@pass_session
def health(session: Session) -> None:
    """Show how the server is; one that is stopping ends this with 3."""
    told = session.ask(lambda client: client.health())
    printing.record(told, as_json=session.json)
    if told["status"] != "ok":
        click.get_current_context().exit(failures.UNAVAILABLE)
