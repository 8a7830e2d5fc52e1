"""What a failed command says and ends with: one line on stderr that says what to do, and a code by the kind of error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import click

REFUSED = 1
USAGE = 2
UNAVAILABLE = 3
SOME_FAILED = 4
FAULT = 5
INTERRUPTED = 130
READER_GONE = 141

#: What each exit code means, for the help and the document.
EXIT_CODES: Mapping[int, str] = MappingProxyType(
    {
        0: "done",
        REFUSED: "refused by the server, wrong data, or a file that cannot be read or written",
        USAGE: "wrong usage, or a wrong configuration file",
        UNAVAILABLE: "the server cannot be reached, is busy or stops: the same may work later",
        SOME_FAILED: "some of several failed, the others are done",
        FAULT: "the server or one of its plugins failed: its log says more under the id",
        INTERRUPTED: "interrupted (Ctrl-C); other signals end it with 128 and their number",
        READER_GONE: "the reader of standard output has gone (a broken pipe)",
    }
)

_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "unavailable": "is it running, and is --uri right?",
        "deadline_exceeded": "--timeout lets it take longer",
        "unknown_dataset": "`flight-client ls` lists what there is",
        "unknown_format": "`flight-client formats` lists what there is",
        "unknown_option": "`flight-client formats NAME` lists the options of a format",
        "unknown_version": "`flight-client versions NAME` lists what there is",
        "dataset_exists": "--mode append or replace takes one that exists",
        "unauthenticated": "give --token, or FLIGHT_TOKEN",
        "busy": "try again later",
        "shutting_down": "try again later",
    }
)


class Failure(click.ClickException):
    """A command that failed: its code, and what is known of the error.

    ``subject`` is the file or dataset that it happened to, empty when there is but one.
    """

    def __init__(self, message: str, exit_code: int, *, subject: str = "", **known: Any) -> None:  # noqa: ANN401 - JSON
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc] # click's own errors have one code a class
        self.subject = subject
        self.known = known

    def format_message(self) -> str:
        """Return the line: whom it happened to, the code, the sentence, the id, what to do."""
        code, identity, advice = (self.known.get(name) for name in ("code", "id", "advice"))
        parts = [f"{self.subject}: " if self.subject else "", f"[{code}] " if code else "", self.message]
        parts += [f" (id {identity})" if identity else "", f"; {advice}" if advice else ""]
        return "".join(parts)


def failure_of(error: BaseException, subject: str = "") -> Failure | None:
    """Return the failure that ``error`` is, or None when it is none that a user can do something about."""
    if isinstance(error, Failure):
        error.subject = error.subject or subject
        return error
    if isinstance(error, OSError):
        name = str(error.filename or "")
        reason = error.strerror or str(error)
        advice = "give the name of a file" if isinstance(error, IsADirectoryError) else ""
        return Failure(f"{name}: {reason}" if name and name != subject else reason, REFUSED, subject=subject, advice=advice)
    from flight_client.errors import FlightClientError

    if not isinstance(error, FlightClientError):
        return None
    known = {"code": error.code, "id": error.id, "detail": dict(error.detail), "advice": _advice(error)}
    return Failure(str(error), _exit_code(error), subject=subject, **known)


def show(error: click.ClickException, *, as_json: bool) -> None:
    """Print the one line on stderr."""
    message = visible(error.format_message())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        message = f"{message.rstrip('.')}; see `{error.ctx.command_path} --help`"
    if as_json:
        members: dict[str, Any] = {"exit_code": error.exit_code, "message": message}
        if isinstance(error, Failure):
            members |= {"message": error.message, "subject": error.subject, **error.known}
        click.echo(json_text({"error": {name: value for name, value in members.items() if value}}), err=True)
        return
    click.echo(f"Error: {message}", err=True)


def json_text(members: Mapping[str, Any]) -> str:
    """Return a line of JSON, which is UTF-8 also where a file's name is not."""
    text = json.dumps(members, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(members, default=str)
    return text


def together(failures: Sequence[Failure], of: int) -> int:
    """Return the code to end with when ``failures`` happened among ``of`` things."""
    codes = {failure.exit_code for failure in failures}
    if len(failures) < of:
        return SOME_FAILED if failures else 0
    return codes.pop() if len(codes) == 1 else REFUSED


def visible(text: str) -> str:
    """Return ``text`` in one line without what would steer a terminal."""
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


def _exit_code(error: Any) -> int:  # noqa: ANN401 - a FlightClientError, which must not be imported here
    if error.blame == "network" or error.code in {"busy", "shutting_down"}:
        return UNAVAILABLE
    return FAULT if error.blame in {"plugin", "server"} else REFUSED


def _advice(error: Any) -> str:  # noqa: ANN401 - as above
    option = error.detail.get("option")
    if option and str(option) not in str(error):
        return f"see --option {option}=..."
    return "" if "did you mean" in str(error) else _ADVICE.get(error.code, "")
