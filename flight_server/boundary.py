"""The one place where errors become Flight errors: short, typed, with an id, and never a traceback or a path."""

from __future__ import annotations

import errno
import functools
import json
import re
import secrets
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

import structlog
from pyarrow import flight

from flight_server.errors import (
    Busy,
    ClientError,
    Forbidden,
    Internal,
    PluginTimeout,
    ServerError,
    ShuttingDown,
    StorageFull,
    Unauthenticated,
)

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger("flight_server")

#: What leaves is kept below gRPC's limit on headers (8 KiB for both, percent- and base64-encoded, sent twice).
_MAX_BYTES = 1024
_KINDS: dict[type[ServerError], type[flight.FlightError]] = {
    Unauthenticated: flight.FlightUnauthenticatedError,
    Forbidden: flight.FlightUnauthorizedError,
    Busy: flight.FlightUnavailableError,
    ShuttingDown: flight.FlightUnavailableError,
    PluginTimeout: flight.FlightTimedOutError,
    Internal: flight.FlightInternalError,
}


def guarded(call: Callable[P, R]) -> Callable[P, R]:
    """Wrap a handler: only Flight errors leave it."""

    @functools.wraps(call)
    def guard(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - native libraries' panics are no Exceptions
            raise to_flight(error, call.__name__) from None

    return guard


def guarded_stream(items: Iterator[R], call: str) -> Iterator[R]:
    """Wrap what a handler returns for iteration: only Flight errors leave it."""
    try:
        yield from items
    except GeneratorExit:  # the client has gone; ``items`` was closed before
        raise
    except BaseException as error:  # noqa: BLE001 - native libraries' panics are no Exceptions
        raise to_flight(error, call) from None


def to_flight(error: BaseException, call: str) -> flight.FlightError:
    """Make the Flight error of ``error``, and log it under the id that the client is given."""
    if isinstance(error, flight.FlightError) and error.extra_info:
        return error  # made here before: an action calls what is guarded itself
    known = error if isinstance(error, ServerError) else _unexpected(error)
    identity = secrets.token_hex(4)
    _log(known, error, call, identity)
    message = _clean(f"[{known.code}] {known}", f" (id {identity})")
    extra = _extra(known, identity)
    kind = next((made for kind, made in _KINDS.items() if isinstance(known, kind)), flight.FlightServerError)
    return kind(message, extra_info=extra)  # type: ignore[call-arg] # the stubs miss it


def is_ours(error: object) -> bool:
    """Tell whether an error was made, and logged, by ``to_flight``; Flight itself may have changed its kind."""
    return _MADE.search(str(error)) is not None


_MADE = re.compile(r"\[[a-z_]+\] .*\(id [0-9a-f]{8}\)")


def keep_tracebacks_in() -> None:
    """Stop pyarrow from sending tracebacks to clients.

    Arrow's C++ formats the traceback of each Python exception that crosses it and appends it to the message, also of
    Flight errors where it does not expect them (get_schema). It calls ``traceback.format_exception`` with no Python
    frame below; that is how its calls are told from everybody else's, which go on as before.
    """
    if getattr(traceback.format_exception, "keeps_in", False):
        return
    original = traceback.format_exception

    @functools.wraps(original)
    def format_exception(*args: Any, **kwargs: Any) -> list[str]:  # noqa: ANN401 - the standard library's own
        try:
            sys._getframe(1)  # noqa: SLF001 - the documented way to ask who calls
        except ValueError:
            return ["see the server's log"]
        return original(*args, **kwargs)

    format_exception.keeps_in = True  # type: ignore[attr-defined] # a mark of our own
    traceback.format_exception = format_exception


def _unexpected(error: BaseException) -> ServerError:
    if isinstance(error, OSError) and error.errno in _FULL:
        return StorageFull("the server has no room left for this")
    return Internal("the server failed; its log says more under this id")


_FULL = (errno.ENOSPC, errno.EDQUOT)


def _log(known: ServerError, error: BaseException, call: str, identity: str) -> None:
    fields = {"call": call, "id": identity, "code": known.code, "reason": str(known)[:_MAX_BYTES]}
    if isinstance(known, ClientError):
        log.info("refused a client's call", **fields)
    else:
        log.error("a call failed", exc_info=error, **fields)


def _clean(text: str, ending: str) -> str:
    """Cut and escape a message so that it survives gRPC's headers: one line, and short even when percent-encoded."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: _MAX_BYTES + 1])
    room = _MAX_BYTES - len(ending)
    while len(quote(line, safe=_PLAIN)) > room:
        line = line[: max(len(line) * 7 // 8, 1) - 1] + "…"
    return line + ending


_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def _extra(known: ServerError, identity: str) -> bytes:
    detail = dict(known.detail)
    while True:
        members = {"code": known.code, "blame": known.blame, "id": identity, "detail": detail}
        body = json.dumps(members, separators=(",", ":"), default=str).encode()
        if len(body) <= _MAX_BYTES or not detail:
            return body
        detail.pop(max(detail, key=lambda name: len(str(detail[name]))))
