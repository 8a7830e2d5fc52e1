"""The commands that look at datasets, `ls`, `info` and `versions`, and the one that ends them, `drop`."""

from __future__ import annotations

import sys
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import click

from flight_client.commands import failures, parameters, printing
from flight_client.commands.session import Command, Session, pass_session

if TYPE_CHECKING:
    from flight_client.client import Client


@click.command(cls=Command)
@parameters.dataset("prefix", default="")
@pass_session
def ls(session: Session, *, prefix: str) -> None:
    """List the datasets, or those whose names begin with PREFIX."""
    found = session.ask(lambda client: client.list(prefix))
    printing.table(found, ("dataset", "version", "rows", "bytes", "updated"), as_json=session.json)


@click.command(cls=Command)
@parameters.dataset()
@parameters.version()
@pass_session
def info(session: Session, *, dataset: str, version: int | None) -> None:
    """Show a dataset: its size, its versions, its schema."""

    def question(client: Client) -> dict[str, Any]:
        told = printing.plain(client.info(dataset, version=version))
        schema = told.pop("schema") if session.json else "\n".join(map(_field, told.pop("schema")))
        versions = [{name: item[name] for name in ("version", "rows", "bytes")} for item in client.versions(dataset)]
        return {**told, "versions": versions, "schema": schema}

    printing.record(session.ask(question), as_json=session.json)


def _field(field: dict[str, Any]) -> str:
    return f"{field['name']}: {field['type']}{'' if field['nullable'] else ' not null'}"


@click.command(cls=Command)
@parameters.dataset()
@pass_session
def versions(session: Session, *, dataset: str) -> None:
    """List the versions of a dataset that can be read, oldest first."""
    found = session.ask(lambda client: client.versions(dataset))
    columns = ("version", "rows", "bytes", "created", "operation", "current")
    printing.table(found, columns, as_json=session.json)


@click.command(cls=Command)
@parameters.dataset("names", nargs=-1, required=True, metavar="DATASET...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask on a terminal.")
@pass_session
def drop(session: Session, *, names: tuple[str, ...], yes: bool) -> None:
    """Drop each DATASET; on a terminal you are asked before."""
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        what = names[0] if len(names) == 1 else f"{len(names)} datasets ({', '.join(names)})"
        if not click.confirm(failures.visible(f"Drop {what}?"), err=True):
            raise failures.Failure("nothing was dropped", failures.REFUSED)
    answers = printing.Lines(("dataset", "version"), as_json=session.json, quiet=session.quiet)
    failed = []
    for name in dict.fromkeys(names):
        try:
            answers.add(session.ask(methodcaller("drop", name)))
        except Exception as error:
            failure = failures.failure_of(error, name if len(names) > 1 else "")
            if failure is None:
                raise
            failed.append(failure)
            failures.show(failure, as_json=session.json)
    click.get_current_context().exit(failures.together(failed, len(dict.fromkeys(names))))
