"""Write the tables of the pages about commands from the commands themselves. A test fails when they are behind."""

from collections.abc import Iterable
from pathlib import Path

import click

from flight_client.cli import main
from flight_client.commands.failures import EXIT_CODES
from flight_client.commands.session import everywhere
from flight_server.authoring.commands import plugin

PAGE = Path(__file__).resolve().parent / "command-line.md"
AUTHORS_PAGE = PAGE.with_name("plugin-commands.md")


def generated() -> str:
    """Return the page with its tables as they should be."""
    text = _filled(
        PAGE.read_text(), "exit codes", [("code", "meaning"), *((str(code), said) for code, said in EXIT_CODES.items())]
    )
    every = click.Command("every", params=everywhere())
    text = _filled(text, "every command", _rows(every, flags(every)))
    for name, command in main.commands.items():
        text = _filled(text, name, _rows(command, flags(command)))
    return text


def generated_for_authors() -> str:
    """Return the page of `flight-server plugin` with its tables as they should be."""
    text = AUTHORS_PAGE.read_text()
    for name, command in plugin.commands.items():
        text = _filled(text, name, _rows(command, options(command)))
    return text


def options(command: click.Command) -> list[click.Option]:
    """Return the options of a command."""
    return [option for option in command.params if isinstance(option, click.Option)]


def flags(command: click.Command) -> list[click.Option]:
    """Return the options of a command that other commands have not, too."""
    shared = {option.name for option in everywhere()}
    return [option for option in options(command) if option.name not in shared - _own(command)]


def _own(command: click.Command) -> set[str | None]:
    return {option.name for option in everywhere()} if command.name == "every" else set()


def _rows(command: click.Command, shown: Iterable[click.Option]) -> list[tuple[str, ...]]:
    context = click.Context(command)
    rows = []
    for option in shown:
        told = option.get_help_record(context)
        if told is not None:
            rows.append((f"`{told[0]}`".replace("|", "\\|"), told[1].replace("|", "\\|")))
    return [("option", "meaning"), *rows] if rows else []


def _filled(text: str, name: str, rows: list[tuple[str, ...]]) -> str:
    """Put a table between the marks of the part ``name``."""
    head, begin, rest = text.partition(f"<!-- generated: {name} -->\n")
    _, end, tail = rest.partition("<!-- end -->")
    if not begin or not end:
        raise ValueError(f"the marks of {name!r} are missing")
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines[1:1] = ["|---|---|"] if rows else []
    return head + begin + "".join(f"{line}\n" for line in lines or ["It has only the options of every command."]) + end + tail


if __name__ == "__main__":
    PAGE.write_text(generated())
    AUTHORS_PAGE.write_text(generated_for_authors())
