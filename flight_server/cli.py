"""The command `flight-server`: serve, and look at the configuration."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from flight_server import __version__
from flight_server.authoring.commands import plugin
from flight_server.config import Config

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flight-server")
def main() -> None:
    """Run an Arrow Flight data server whose formats are plugins."""


@main.command()
@click.option("--config", "path", type=_FILE, help="A YAML file; configs/default.yaml has every key.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Lay one setting over the file's.")
def serve(path: Path | None, overrides: tuple[str, ...]) -> None:
    """Serve until SIGTERM or SIGINT.

    When ready it prints one line of JSON on stdout: {"event": "ready", "location": ..., "pid": ...}. Logs go to stderr.
    """
    from flight_server import app, logs
    from flight_server.configfile import ConfigError, load
    from flight_server.store.catalog import CatalogRefused
    from flight_server.store.lock import StoreLocked

    config = _load(path, overrides)
    logs.configure(config.log)
    try:
        app.run(config, lambda: load(path, overrides))
    except (ConfigError, CatalogRefused, StoreLocked) as error:
        raise click.ClickException(str(error)) from None


@main.command()
def demo() -> None:
    """Show what the server does, with a server and data of its own; leaves nothing behind.

    It puts, lists, gets and converts real data, drops a plugin into the running server, and checks every result.
    """
    from flight_server.demo import demo as demonstration
    from flight_server.demo.server import DemoFailed

    try:
        demonstration.run()
    except DemoFailed as error:
        raise click.ClickException(str(error)) from None


main.add_command(plugin)


@main.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@click.argument("path", type=_FILE, metavar="FILE")
def check(path: Path) -> None:
    """Say whether FILE is a configuration that the server would take."""
    _load(path, ())
    click.echo(f"{path}: good")


@config.command()
@click.option("--config", "path", type=_FILE, help="A YAML file to show with its defaults filled in.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Lay one setting over the file's.")
def show(path: Path | None, overrides: tuple[str, ...]) -> None:
    """Print the whole configuration as YAML, defaults included."""
    import yaml

    click.echo(yaml.safe_dump(dataclasses.asdict(_load(path, overrides)), sort_keys=False, allow_unicode=True), nl=False)


@config.command()
def defaults() -> None:
    """Print every setting with its default and its comment, as configs/default.yaml has it."""
    from flight_server import settings_page

    click.echo(settings_page.default_yaml(), nl=False)


@config.command()
def table() -> None:
    """Print every setting as the table of configs/README.md."""
    from flight_server import settings_page

    click.echo(settings_page.table(), nl=False)


def _load(path: Path | None, overrides: tuple[str, ...]) -> Config:
    from flight_server.configfile import ConfigError, load

    try:
        return load(path, overrides)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
