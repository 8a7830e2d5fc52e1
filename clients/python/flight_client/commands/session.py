"""What every command shares: the options that may stand before or behind its name, and the connection that they tell."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flight_client.commands import profiles
from flight_client.commands.work import Interrupt, run_one

if TYPE_CHECKING:
    from flight_client.cancelling import Cancel
    from flight_client.client import Client

T = TypeVar("T")

_META = "flight_client."
#: How long a server may be silent while data moves: it may have much to do before it answers.
_IDLE_SECS = 60.0


class Session:
    """One run of the command."""

    def __init__(self, context: click.Context | None = None) -> None:
        self._context = context or click.get_current_context()
        self._given = {name.removeprefix(_META): value for name, value in self._context.meta.items() if name.startswith(_META)}
        self.json: bool = self._given.get("json", False)
        self.quiet: bool = self._given.get("quiet", False)

    @cached_property
    def client(self) -> Client:
        """The connection, made when it is first used."""
        return self.connect(profiles.settings(self._given, os.environ))

    @cached_property
    def impatient(self) -> Client:
        """A connection on which rows may be no later than the answer to a question."""
        settings = profiles.settings(self._given, os.environ)
        return self.connect(settings, idle_timeout=settings.timeout)

    def connect(self, settings: profiles.Settings, *, idle_timeout: float = 0) -> Client:
        """Return a client of ``settings``, closed when the command ends.

        ``idle_timeout`` is how long streams may be silent: as long as an answer may take, and a minute at the least, if
        left out.
        """
        from flight_client.client import connect
        from flight_client.errors import BadRequest
        from flight_client.tls import Tls

        tls = None
        if settings.uri.startswith("grpc+tls://"):
            tls = Tls(root_certificates=settings.ca, certificate=settings.certificate, key=settings.key)
        try:
            client = connect(
                settings.uri,
                timeout=settings.timeout,
                idle_timeout=idle_timeout or max(settings.timeout, _IDLE_SECS),
                token=settings.token,
                tls=tls,
            )
        except BadRequest as error:
            raise click.UsageError(str(error)) from None
        self._context.call_on_close(client.close)
        return client

    def briefly(self, seconds: float) -> Client:
        """Return a client that waits for no answer longer than ``seconds``."""
        return self.connect(replace(profiles.settings(self._given, os.environ), timeout=seconds))

    def ask(self, question: Callable[[Client], T], client: Client | None = None) -> T:
        """Return the server's answer to a question; Ctrl-C does not wait for it."""
        client = client or self.client
        return run_one(lambda _: question(client), grace_secs=0)

    def transfer(self, work: Callable[[Interrupt], T]) -> T:
        """Return the result of moving data; Ctrl-C lets it end in order."""
        return run_one(work)


@contextmanager
def cancelling(interrupt: Interrupt) -> Iterator[Cancel]:
    """Return the handle by which ``interrupt`` ends the calls of the block."""
    from flight_client.cancelling import Cancel

    cancel = Cancel()
    with interrupt.calls(cancel.cancel):
        yield cancel


pass_session = click.make_pass_decorator(Session, ensure=True)


class _Everywhere(click.Option):
    """An option that is known before and behind the name of a command; behind wins."""

    def __init__(self, *names: str, **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(list(names), expose_value=False, callback=_keep, **attributes)


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value:
        context.meta[f"{_META}{parameter.name}"] = value


def everywhere() -> list[click.Parameter]:
    """Return the options that every command has."""
    return [
        _Everywhere("--uri", metavar="URI", help=f"The server; FLIGHT_URI, or {profiles.DEFAULT_URI}, if left out."),
        _Everywhere(
            "--token",
            metavar="TOKEN",
            help="The token that shows who you are. Better set FLIGHT_TOKEN, which lists of processes do not show.",
        ),
        _Everywhere(
            "--profile", metavar="NAME", help="A profile of the configuration file; FLIGHT_PROFILE, or default, if left out."
        ),
        _Everywhere(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help=f"How long to wait for an answer; {profiles.DEFAULT_TIMEOUT_SECS:g} if left out. "
            f"While data moves, the server may be silent for as long, and for {_IDLE_SECS:g} at the least.",
        ),
        _Everywhere("--json", is_flag=True, help="Print JSON, one object a line; errors too, on stderr."),
        _Everywhere("--quiet", "-q", is_flag=True, help="Print neither progress nor what was done, only errors."),
    ]


class Command(click.Command):
    """A command that has the options of every command, listed apart."""

    def __init__(self, *args: Any, **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **attributes)
        self.params += everywhere()

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then those of every command."""
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for parameter in self.get_params(context):
            line = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
            if line is not None:
                (shared if isinstance(parameter, _Everywhere) or parameter.name == "help" else own).append(line)
        if own:
            with formatter.section("Options"):
                formatter.write_dl(own)
        with formatter.section("Options of every command"):
            formatter.write_dl(shared)
