"""The calls that are running: counted for drain and health, refused while draining, and cut when time is up."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import structlog
from pyarrow import flight

from flight_server.boundary import is_ours, to_flight
from flight_server.errors import ShuttingDown

#: The key under which a handler finds its call: ``ctx.get_middleware(KEY)``.
KEY = "call"
_REASON_CHARS = 1024

log = structlog.get_logger("flight_server")


@dataclass(eq=False)
class Call(flight.ServerMiddleware):
    """One running call; gRPC tells when it is over, whatever ended it."""

    calls: Calls
    method: str
    peer: str = ""  # the client's address, known to the handler only
    started: float = field(default_factory=time.monotonic)

    def call_completed(self, exception: object) -> None:
        """Forget the call. What a native stream fails with passes no handler: it is logged here.

        ``exception`` is None also when the client has gone.
        """
        self.calls.ended(self)
        if exception is not None and not is_ours(exception):
            log.warning("a call failed outside its handler", call=self.method, reason=str(exception)[:_REASON_CHARS])


class Calls(flight.ServerMiddlewareFactory):
    """All running calls of a server."""

    def __init__(self) -> None:
        self._running: set[Call] = set()
        self._lock = threading.Lock()
        self.draining = False

    def start_call(self, info: flight.CallInfo, headers: object) -> Call:  # noqa: ARG002 - Flight's signature
        """Take a call in, or refuse it because the server is stopping."""
        if self.draining:
            raise to_flight(ShuttingDown("the server is stopping: try again in a moment"), "start_call")
        call = Call(self, info.method.name.lower())
        with self._lock:
            self._running.add(call)
        return call

    def ended(self, call: Call) -> None:
        """Forget a call."""
        with self._lock:
            self._running.discard(call)

    @property
    def running(self) -> list[Call]:
        """The calls that run now."""
        with self._lock:
            return list(self._running)

    def cut(self) -> int:
        """Shut the sockets of all running calls; each then ends as if its client had gone. Return how many."""
        peers = {unquote(call.peer) for call in self.running}  # IPv6 comes percent-encoded
        cut = 0
        for connection in _connections():
            with connection:
                if _peer(connection) in peers:
                    connection.shutdown(socket.SHUT_RDWR)
                    cut += 1
        return cut


def _connections() -> list[socket.socket]:
    """Return a copy of each connected socket of this process: gRPC has no other way to be told to let go."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if stat.S_ISSOCK(os.fstat(int(entry.name)).st_mode):
                found.append(socket.socket(fileno=os.dup(int(entry.name))))
        except OSError:  # closed meanwhile, or a listening one
            continue
    return found


def _peer(connection: socket.socket) -> str | None:
    """Return the peer of a socket as gRPC spells it: ``ipv4:127.0.0.1:5000``."""
    try:
        address = connection.getpeername()
    except OSError:
        return None
    if connection.family == socket.AF_INET:
        return f"ipv4:{address[0]}:{address[1]}"
    if connection.family == socket.AF_INET6:
        host = str(address[0])
        mapped = host.removeprefix("::ffff:")
        return f"ipv4:{mapped}:{address[1]}" if mapped != host else f"ipv6:[{host}]:{address[1]}"
    return "unix:"
