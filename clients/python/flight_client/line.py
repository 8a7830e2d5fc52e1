"""The line to a server: its channel, what every call carries, and how questions are asked over it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
from pyarrow import flight

from flight_client import retries
from flight_client.cancelling import Cancel
from flight_client.errors import BadRequest, DeadlineExceeded, FlightClientError, from_flight, translated
from flight_client.hands import Hands
from flight_client.retries import Retries, Tries
from flight_client.tls import Tls
from flight_client.watchdog import Watchdog

T = TypeVar("T")
#: A bearer token, or what returns the one that is good now: it is called once a call.
Token: TypeAlias = str | Callable[[], str]

#: gRPC waits up to two minutes before it looks whether a server is back; a restart takes seconds.
_RECONNECT_MS = {"grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 1000}
#: A server that says nothing at all for so long is asked for a sign of life; gRPC's servers take it ill below 300 s.
KEEPALIVE_MS = 310_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long a client waits, and who it says it is. ``None`` waits for ever."""

    token: Token | None = field(default=None, repr=False)
    tls: Tls | None = None
    timeout: float | None = 30.0
    idle_timeout: float | None = 60.0
    retries: Retries = retries.DEFAULT


class Line:
    """A channel that any number of threads use. ``heard`` says that the server has been there."""

    def __init__(self, uri: str, terms: Terms) -> None:
        if terms.tls is not None and not uri.startswith("grpc+tls://"):
            raise BadRequest(f"{uri!r} is no address for TLS: it begins with grpc+tls://")
        arguments = {} if terms.tls is None else terms.tls.arguments()
        options: list[tuple[str, Any]] = [*_RECONNECT_MS.items(), ("grpc.keepalive_time_ms", KEEPALIVE_MS)]
        try:
            self.flight = flight.FlightClient(uri, generic_options=options, **arguments)
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = from_flight(error).message if "://" in uri else f"did you mean 'grpc://{uri}'?"
            raise BadRequest(f"{uri!r} is no address of a Flight server, such as grpc://127.0.0.1:8815: {reason}") from None
        self.hands = Hands()
        self.watchdog = Watchdog(terms.idle_timeout)
        self.heard = False
        self._terms = terms
        with suppress(TypeError):  # a token that is made is looked at when it is made
            _header(terms.token)

    @property
    def idle_timeout(self) -> float | None:
        """How many seconds a stream may be silent when it is the server's turn."""
        return self._terms.idle_timeout

    def close(self) -> None:
        """Let go of the channel."""
        self.watchdog.close()
        self.hands.close()
        self.flight.close()

    def tries(self, cancel: Cancel | None = None) -> Tries:
        """Return how often a new call may be made again."""
        return Tries(self._terms.retries, cancel or Cancel())

    def options(self, timeout: float | None = None) -> flight.FlightCallOptions:
        """Return what a call carries; ``timeout`` is for all of the call."""
        token = self._terms.token
        return flight.FlightCallOptions(timeout=timeout, headers=_header(token() if callable(token) else token))

    def ask(self, question: Callable[[flight.FlightCallOptions], T], *, safe: bool = True) -> T:
        """Return the answer to a question, asked again where that is ``safe`` (see ``Retries``)."""
        tries = self.tries()
        while True:
            try:
                return self.ask_once(question)
            except FlightClientError as error:
                tries.again(error, safe=safe, heard=self.heard)

    def ask_once(self, question: Callable[[flight.FlightCallOptions], T]) -> T:
        """Return the answer to a question that is asked once."""
        options = self.options(self._terms.timeout)
        try:
            with translated():
                answer = question(options)
        except FlightClientError as error:
            self.heard = self.heard or bool(error.id)
            if isinstance(error, DeadlineExceeded) and not error.id and self._terms.timeout is not None:
                raise DeadlineExceeded(f"the server did not answer within {self._terms.timeout:g} seconds") from None
            raise
        self.heard = True
        return answer


def _header(token: Token | None) -> Any:  # noqa: ANN401 - the stubs ask for text, Flight for bytes
    if token is None:
        return None
    if callable(token):
        raise TypeError("a token that is made must be made first")
    if not token or not (token.isascii() and token.isprintable()) or " " in token:
        raise BadRequest("this is no token: a token has printable ASCII characters, one at the least, and no spaces")
    return [(b"authorization", f"Bearer {token}".encode())]
