"""The commands `flight-server plugin ...`: their options, and how each ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from string import Template
from typing import Any, TypeVar

import click

from flight_server.authoring import scaffold

_PATH = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
_LEAST_MEASUREMENTS = 5

F = TypeVar("F", bound=Callable[..., Any])


def _configured(argument: str) -> Callable[[F], F]:
    """Add the options that say which configuration is meant; the file's path comes as ``argument``."""
    laid = click.option(
        "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Lay one setting over the file's."
    )
    path = click.option("--config", argument, type=_FILE, help="The YAML file of a server; its defaults if left out.")
    return lambda command: path(laid(command))


@click.group()
def plugin() -> None:
    """Write a plugin, try it, and see what a server makes of it."""


@plugin.command()
@click.argument("name")
@click.option("--dir", "folder", type=_PATH, default=".", help="Where to make the folder of the plugin; here if left out.")
@click.option(
    "--lang", "language", type=click.Choice(list(scaffold.LANGUAGES)), default="python", help="What the plugin is written in."
)
def new(name: str, folder: Path, language: str) -> None:
    """Write a plugin that works, with its test, into a new folder NAME.

    In C and Rust it is one that reads and writes NumPy's files, or logfmt, under the name that you give it.
    """
    from flight_server.authoring import naming
    from flight_server.authoring.quiet import loaded
    from flight_server.config import PluginsConfig

    with loaded(PluginsConfig(enable_plugins=False), lambda _sentence: None) as manager:
        served = manager.registry.snapshot
        files = {name: generation.source.file for name, generation in served.formats.items()}
    try:
        naming.check_name(name, files, served.extensions)
        written = scaffold.write(name, folder, language)
    except naming.NameRefused as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}" if error.strerror else str(error)) from None
    for path in written:
        click.echo(path)
    following = Template(scaffold.LANGUAGES[language].following).substitute(home=folder / name)
    click.echo(f"Next: {following}")


@plugin.command()
@click.argument("path", type=_PATH)
@click.option("--only", multiple=True, metavar="CHECK", help="Run only this check; may be given several times.")
@_configured("config")
@_AS_JSON
def check(path: Path, only: tuple[str, ...], config: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Hold the plugin at PATH against every rule of the contract, and say how to repair what it breaks.

    PATH is a module, a package folder, or a folder of those. What the plugin cannot carry, and what it is to be tried with,
    is declared in the test that lies beside it (test_NAME.py, there or in tests/). Ends with 1 when a rule is broken.
    """
    from flight_server.authoring import checking

    _plugins(config, overrides)
    try:
        plugins = checking.plugins_at(path)
        wanted = checking.Wanted(only=checking.named(only), config=config, overrides=overrides)
    except checking.NothingToCheck as error:
        raise click.ClickException(str(error)) from None
    if not checking.run(plugins, wanted, as_json=as_json):
        click.get_current_context().exit(1)


@plugin.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.option("--sample", type=_FILE, help="A document to decode after each load, of which the first rows are shown.")
@_configured("path")
def dev(folder: Path, sample: Path | None, path: Path | None, overrides: tuple[str, ...]) -> None:
    """Watch the plugins in DIR as a server does, and show what becomes of each change at once; Ctrl-C ends it."""
    from flight_server.authoring.developing import develop

    if (folder / "__init__.py").is_file():
        raise click.ClickException(f"{folder} is a plugin itself: name the folder that holds it")
    try:
        develop(replace(_plugins(path, overrides), plugin_dir=str(folder)), sample)
    except KeyboardInterrupt:
        click.echo()


@plugin.command("list")
@_configured("path")
@click.option("--uri", metavar="URI", help="Ask the server that runs there instead; FLIGHT_TOKEN shows who you are.")
@_AS_JSON
def list_(path: Path | None, overrides: tuple[str, ...], uri: str | None, as_json: bool) -> None:
    """List the plugins that a server with this configuration would serve, and those that it would not, and why.

    No server is needed: they are loaded here by a server's own code, tried in a child process first.
    """
    from flight_client.commands import printing
    from flight_client.errors import FlightClientError
    from flight_server.authoring import listing

    if uri is not None and (path is not None or overrides):
        raise click.UsageError("--uri asks a server, which has a configuration of its own: leave out --config and --set")
    try:
        rows = listing.as_configured(_plugins(path, overrides), _remark) if uri is None else _asked(uri)
    except FlightClientError as error:
        raise click.ClickException(str(error)) from None
    printing.table(rows, listing.COLUMNS, as_json=as_json)


@plugin.command()
@click.argument("name", metavar="FILE")
@_configured("path")
@_AS_JSON
def why(name: str, path: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Say which content encoding and which plugin the name FILE selects, and why; ends with 1 when it is none.

    FILE need not be there: only its name counts.
    """
    from flight_server.authoring.quiet import loaded
    from flight_server.authoring.selecting import explained

    with loaded(_plugins(path, overrides), _remark) as manager:
        found = explained(name, manager.ledger)
    if as_json:
        click.echo(json.dumps(asdict(found), ensure_ascii=False))
    else:
        for step in found.steps:
            click.echo(step)
    if found.format is None:
        click.get_current_context().exit(1)


@plugin.command()
@click.argument("path", type=_PATH)
@click.option("--sample", type=_FILE, required=True, help="A document of the format; large ones say more.")
@click.option(
    "--times",
    type=click.IntRange(_LEAST_MEASUREMENTS),
    default=_LEAST_MEASUREMENTS,
    help="How many measurements to make; 5 if left out.",
)
@_AS_JSON
def bench(path: Path, sample: Path, times: int, as_json: bool) -> None:
    """Measure how fast the plugin at PATH decodes and encodes, how soon the first rows are there, and what memory it takes."""
    from flight_server.authoring import benching, checking

    try:
        found = checking.plugins_at(path)
    except checking.NothingToCheck as error:
        raise click.ClickException(str(error)) from None
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise click.ClickException(f"{path} holds several plugins ({names}): name one of them")
    try:
        figures = benching.measured(found[0], sample, times)
    except benching.NotMeasured as error:
        if error.detail:
            click.echo(error.detail, err=True)
        raise click.ClickException(str(error)) from None
    benching.show(figures, as_json=as_json)


def _remark(sentence: str) -> None:
    click.echo(f"Note: {sentence}", err=True)


def _asked(uri: str) -> list[dict[str, Any]]:
    from flight_server.authoring import listing

    return listing.as_served(uri, os.environ.get("FLIGHT_TOKEN"))


def _plugins(path: Path | None, overrides: tuple[str, ...]) -> Any:  # noqa: ANN401 - a PluginsConfig, imported late
    from flight_server.configfile import ConfigError, load

    try:
        return load(path, overrides).plugins
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
