"""Logging: a sentence and fields, on stderr; readable on a terminal, one JSON object a line otherwise."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

from flight_server.config import LogConfig

#: A text in a line is at most this long: clients and plugins have a say in some, and an exception repeats them.
_MAX_CHARS = 16 << 10


def configure(config: LogConfig, stream: TextIO | None = None) -> None:
    """Set up logging for this process, as ``config`` says."""
    target = sys.stderr if stream is None else stream
    readable = config.format == "console" or (config.format == "auto" and target.isatty())
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if readable:
        processors.append(
            structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback)
        )
    else:
        processors += [structlog.processors.format_exc_info, _cut, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, config.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy(target))),
        cache_logger_on_first_use=False,
    )


class _Lossy:
    """What lines are written to: one that cannot be, on a disk that is full or into a pipe that nobody reads, is lost.

    Raised, it would fail the call, or the thread, that had something to tell.
    """

    def __init__(self, target: TextIO) -> None:
        self._target = target

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a ValueError: it was closed
            self._target.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._target.flush()


def log_strays() -> None:
    """Log what Python would print to stderr by itself: errors in destructors and threads, and warnings."""
    log = structlog.get_logger("flight_server")

    def unraisable(stray: sys.UnraisableHookArgs) -> None:
        log.error("an error could not be raised", where=repr(stray.object), exc_info=stray.exc_value)

    def thread_ended(stray: threading.ExceptHookArgs) -> None:
        log.error("a thread ended with an error", thread=stray.thread and stray.thread.name, exc_info=stray.exc_value)

    def warned(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,  # noqa: ARG001 - what warnings.showwarning takes
        line: str | None = None,  # noqa: ARG001 - the same
    ) -> None:
        log.warning("a warning", reason=str(message), kind=category.__name__, where=f"{filename}:{lineno}")

    sys.unraisablehook = unraisable
    threading.excepthook = thread_ended
    warnings.showwarning = warned


def _cut(_logger: object, _name: str, members: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Shorten texts that are too long; a traceback says most at its ends."""
    for name, value in members.items():
        if isinstance(value, str) and len(value) > _MAX_CHARS:
            half = _MAX_CHARS // 2
            members[name] = f"{value[:half]} ... {value[-half:]}"
    return members
