"""The command `flight-client`: its commands, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click

from flight_client.commands import completion, convert, datasets, failures, get, head, put, server, standard_streams
from flight_client.commands.session import everywhere
from flight_client.commands.work import Abandoned, Terminated, heard


class _Program(click.Group):
    """Ends with a code by the kind of error, and with one line of it on stderr."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **attributes: Any) -> NoReturn:  # noqa: ANN401 - click's own
        """Run the command and end the process."""
        words = sys.argv[1:] if args is None else list(args)
        attributes["standalone_mode"] = False
        if args is None:
            standard_streams.occupy()
            os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # errors are told by us, in one line
        try:
            with heard():
                code = super().main(words, *others, **attributes)
        except click.ClickException as error:
            failures.show(error, as_json="--json" in words)
            code = error.exit_code
        except OSError as error:  # the help cannot be printed
            failures.show(failures.failure_of(error) or click.ClickException(str(error)), as_json="--json" in words)
            code = failures.REFUSED
        except SystemExit as end:  # click's own: the shell was told how to complete, or the reader of the help has gone
            code = end.code if completion.VARIABLE in os.environ else failures.READER_GONE
        except click.Abort:  # Ctrl-C, before or at a question
            code = failures.INTERRUPTED
        code = code if isinstance(code, int) else 0
        if args is None:
            _leave(code)
        sys.exit(code)  # the process is somebody else's

    def invoke(self, context: click.Context) -> None:
        """Run the command; turn what it raises into an end."""
        try:
            super().invoke(context)
        except KeyboardInterrupt as error:
            click.echo("Interrupted.", err=True)
            cause = error.__cause__ if isinstance(error, Abandoned) else error
            _leave(128 + cause.number if isinstance(cause, Terminated) else failures.INTERRUPTED)
        except BrokenPipeError:
            _leave(failures.READER_GONE)
        except Exception as error:
            failure = (
                failures.failure_of(error) if not isinstance(error, click.ClickException | click.exceptions.Exit) else None
            )
            if failure is None:
                raise
            raise failure from None


def _leave(code: int) -> NoReturn:
    """End the process now: a thread that is still in a call would abort it when Python takes itself apart.

    A server that has not heard that a call is over sees the connection break.
    """
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(code)


def _epilog() -> str:
    lines = [f"{code:>3}  {meaning}" for code, meaning in failures.EXIT_CODES.items()]
    return "\n".join(["\b", "Exit codes:", *lines])


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    params=everywhere(),
    epilog=_epilog(),
)
@click.version_option(package_name="distributed-transformer")
def main() -> None:
    """Put, get and convert data on an Arrow Flight data server.

    The options may stand behind the name of a command too. ~/.config/flight-client/config.toml, or the file that
    FLIGHT_CLIENT_CONFIG names, has what would be typed each time: a table [default], or of any name for --profile,
    with uri, token and timeout.
    """


for command in (
    put.put,
    get.get,
    convert.convert,
    head.head,
    datasets.ls,
    datasets.info,
    datasets.versions,
    datasets.drop,
    server.formats,
    server.plugins,
    server.reload,
    server.rollback,
    server.health,
    completion.completion,
):
    main.add_command(command)
