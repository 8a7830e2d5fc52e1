"""The command `flight-client`: put, get and convert data, and look at what a server has."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any

import click

from flight_client import Client, connect, printing
from flight_client.documents import Document
from flight_client.errors import BadRequest, FlightClientError, NoAnswer
from flight_client.files import split

_STANDARD = "-"


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


def _names(_context: click.Context, _parameter: click.Parameter, given: str | None) -> list[str] | None:
    return None if given is None else given.split(",")


def _format_option(flag: str, name: str, whose: str) -> Callable[[Any], Any]:
    return click.option(
        flag, name, multiple=True, metavar="KEY=VALUE", callback=_parsed, help=f"An option of {whose} format; JSON or text."
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--uri", envvar="FLIGHT_URI", default="grpc://127.0.0.1:8815", show_default=True, help="The server.")
@click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait for the answer to a question.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def main(context: click.Context, *, uri: str, timeout: float, as_json: bool) -> None:
    """Put, get and convert data on an Arrow Flight data server.

    Exit codes: 0 done, 1 refused by the server or failed, 2 wrong usage, 3 the server cannot be reached.
    """
    try:
        context.obj = context.with_resource(connect(uri, timeout=timeout))
    except BadRequest as error:
        raise click.UsageError(str(error)) from None
    context.meta["as_json"] = as_json


@main.command()
@click.argument("file")
@click.option("--as", "dataset", help="The dataset's name; the file's name up to its first dot if left out.")
@click.option("--mode", type=click.Choice(["append", "create", "replace"]), default="append", show_default=True)
@click.option("--format", help="The file's format; told by its name if left out.")
@_format_option("--option", "options", "the file's")
@click.pass_obj
def put(client: Client, /, file: str, dataset: str | None, **request: Any) -> None:  # noqa: ANN401 - what Client.put takes
    """Store FILE (- is standard input) in a dataset."""
    if file == _STANDARD and (dataset is None or request["format"] is None):
        raise click.UsageError("standard input has no name: give --as and --format")
    with _failing():
        result = client.put(dataset or split(file)[0].partition(".")[0], _input(file), **request)
    printing.record(result)


@main.command()
@click.argument("dataset")
@click.option("-o", "--output", default=_STANDARD, help="The file to write; - is standard output, the default.")
@click.option("--format", help="The format; told by the file's name if left out, csv on standard output.")
@click.option("--columns", callback=_names, help="The columns wanted, with commas between.")
@click.option("--limit", type=click.IntRange(min=0), help="The most rows wanted.")
@click.option("--version", type=click.IntRange(min=1), help="A version; the newest if left out.")
@_format_option("--option", "options", "the file's")
@click.pass_obj
def get(client: Client, /, dataset: str, output: str, **request: Any) -> None:  # noqa: ANN401 - what Client.get_file takes
    """Write a dataset to a file, or to standard output."""
    with _failing():
        if output == _STANDARD:
            _pour(client.get_bytes(dataset, **{**request, "format": request["format"] or "csv"}))
            return
        size = client.get_file(dataset, output, **request)
    printing.record({"file": output, "bytes": size})


@main.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--from", "from_format", help="The format of IN; told by its name if left out.")
@click.option("--to", "to_format", help="The format of OUT; told by its name if left out.")
@_format_option("--from-option", "from_options", "IN's")
@_format_option("--to-option", "to_options", "OUT's")
@click.pass_obj
def convert(client: Client, /, source: str, target: str, **request: Any) -> None:  # noqa: ANN401 - what Client.convert takes
    """Convert the file IN to the file OUT (- is standard input and output); the server stores nothing."""
    for path, flag, said in ((source, "--from", request["from_format"]), (target, "--to", request["to_format"])):
        if path == _STANDARD and said is None:
            raise click.UsageError(f"standard input and output have no name: give {flag}")
    with _failing():
        if target == _STANDARD:
            _pour(client.convert(_input(source), **request))
            return
        size = client.convert_file(_input(source), target, **request)
    printing.record({"file": target, "bytes": size})


@main.command()
@click.argument("prefix", default="")
@click.pass_obj
def ls(client: Client, *, prefix: str) -> None:
    """List the datasets, or those whose names begin with PREFIX."""
    with _failing():
        datasets = client.list(prefix)
    printing.table(datasets, ("dataset", "version", "rows", "bytes", "updated"))


@main.command()
@click.argument("dataset")
@click.pass_obj
def info(client: Client, *, dataset: str) -> None:
    """Show a dataset: its size, its schema."""
    with _failing():
        printing.record(client.info(dataset))


@main.command()
@click.argument("dataset")
@click.pass_obj
def drop(client: Client, *, dataset: str) -> None:
    """Drop a dataset."""
    with _failing():
        printing.record(client.drop(dataset))


@main.command()
@click.pass_obj
def formats(client: Client) -> None:
    """List the formats that the server has."""
    with _failing():
        printing.table(client.formats(), ("name", "version", "extensions", "description"))


@main.command()
@click.pass_obj
def plugins(client: Client) -> None:
    """List the plugins, served or not."""
    with _failing():
        printing.table(client.plugins(), ("name", "version", "generation", "state", "origin", "last_error"))


@main.command()
@click.pass_obj
def health(client: Client) -> None:
    """Show how the server is."""
    with _failing():
        printing.record(client.health())


class _Unreachable(click.ClickException):
    exit_code = 3


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    """Turn errors into one line on stderr and an exit code."""
    try:
        yield
    except FlightClientError as error:
        kind = _Unreachable if isinstance(error, NoAnswer) else click.ClickException
        where = f" (id {error.id})" if error.id else ""
        raise kind(" ".join(f"[{error.code}] {error}{where}".split())) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{name}{error.strerror or error}") from None


def _input(path: str) -> str | IO[bytes]:
    return sys.stdin.buffer if path == _STANDARD else path


def _pour(document: Document) -> None:
    out = sys.stdout.buffer
    with document:
        out.writelines(document)
    out.flush()
