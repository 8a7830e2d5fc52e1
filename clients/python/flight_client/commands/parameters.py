"""Options and arguments that several commands have, and what the shell completes them with."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from flight_client.commands.session import Session

if TYPE_CHECKING:
    from flight_client.client import Client

#: Standard input, or output.
STANDARD = "-"
_STANDARD_OUTPUT = "/dev/stdout"
_ENCODINGS = ("gzip", "zstd", "lz4", "bz2")

_COMPLETION_SECS = 1.0
_MOST_COMPLETIONS = 500


def key_values(flag: str, name: str, whose: str) -> Callable[[Any], Any]:
    """Return the option that gives options to a format."""
    return click.option(
        flag,
        name,
        multiple=True,
        metavar="KEY=VALUE",
        callback=_parsed,
        help=f"An option of {whose} format, as JSON or text; `flight-client formats NAME` lists them.",
    )


def format_name(flag: str, name: str, text: str) -> Callable[[Any], Any]:
    """Return the option that names a format."""
    return click.option(flag, name, metavar="FORMAT", shell_complete=_formats, help=text)


def encoding(flag: str, name: str, whose: str) -> Callable[[Any], Any]:
    """Return the option that says how a document is packed."""
    text = f"How {whose} is packed ({', '.join(_ENCODINGS)}, or identity: not at all); told by its name if left out."
    return click.option(flag, name, metavar="ENCODING", shell_complete=_encodings, help=text)


def _encodings(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    return [CompletionItem(name) for name in (*_ENCODINGS, "identity") if name.startswith(begun)]


def files(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Have the shell complete the name of a file: it does not of itself when a command completes anything."""
    return [CompletionItem(begun, type="file")]


def columns() -> Callable[[Any], Any]:
    """Return the option that chooses columns."""
    return click.option(
        "--columns", callback=_names, metavar="A,B", help="The columns wanted, in this order; a.b reaches into structs."
    )


def rows(limit: int | None = None, *short: str) -> Callable[[Any], Any]:
    """Return the options that choose rows, ``limit`` of them if nothing is said."""

    def added(command: Any) -> Any:  # noqa: ANN401 - click's decorators take and return anything
        count = click.IntRange(min=0)
        said = "all" if limit is None else limit
        command = click.option("--offset", type=count, default=0, metavar="ROWS", help="How many rows to leave out first.")(
            command
        )
        text = f"The most rows wanted; {said} if left out."
        return click.option(*short, "--limit", type=count, default=limit, metavar="ROWS", help=text)(command)

    return added


def version() -> Callable[[Any], Any]:
    """Return the option that chooses a version."""
    return click.option("--version", type=click.IntRange(min=1), metavar="NUMBER", help="A version; the newest if left out.")


def schema_from() -> Callable[[Any], Any]:
    """Return the option that takes a schema from a dataset."""
    text = "Read the file to exactly the schema of this dataset."
    return click.option("--schema-from", metavar="DATASET", shell_complete=datasets, help=text)


def dataset(name: str = "dataset", **attributes: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - click's own
    """Return the argument that names a dataset."""
    return click.argument(name, shell_complete=datasets, **attributes)


def datasets(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Return the datasets whose names go on from ``begun``."""
    return _told(context, lambda client: [found.dataset for found in client.list(begun)])


def _formats(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    return _told(context, lambda client: [found["name"] for found in client.formats() if found["name"].startswith(begun)])


def format_argument(name: str) -> Callable[[Any], Any]:
    """Return the argument that may name a format."""
    return click.argument(name, required=False, shell_complete=_formats)


def plugin_argument(*, required: bool) -> Callable[[Any], Any]:
    """Return the argument that names a plugin."""
    return click.argument("name", required=required, shell_complete=_plugins)


def _plugins(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    return _told(context, lambda client: [found["name"] for found in client.plugins() if found["name"].startswith(begun)])


def _told(context: click.Context, question: Callable[[Client], list[str]]) -> list[CompletionItem[str]]:
    try:
        client = Session(context).briefly(_COMPLETION_SECS)
        return [CompletionItem(name) for name in question(client)[:_MOST_COMPLETIONS]]
    except Exception:  # noqa: BLE001 - whatever is wrong, somebody is typing: nothing is completed
        return []


def _parsed(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE; a value is JSON when it can be, and text otherwise."""
    parsed: dict[str, Any] = {}
    for option in given:
        key, equals, value = option.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{option!r} is not KEY=VALUE")
        try:
            parsed[key] = json.loads(value)
        except ValueError:
            parsed[key] = value
    return parsed


def target(_context: click.Context, _parameter: click.Parameter, given: str) -> str:
    """Return the file to write; standard output has two names, and nothing is to be reported among the data."""
    return STANDARD if given == _STANDARD_OUTPUT else given


def _names(_context: click.Context, _parameter: click.Parameter, given: str | None) -> list[str] | None:
    return None if given is None else given.split(",")
