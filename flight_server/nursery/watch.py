"""One life of the prepared parent, followed from its start to its end by the thread that started it."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias

import msgspec

from flight_server.nursery.child import Child
from flight_server.nursery.ending import Death
from flight_server.nursery.environment import environment
from flight_server.nursery.guard import excess
from flight_server.nursery.messages import MESSAGE_BYTES, Born, Ended, Ready, Refused, Report
from flight_server.nursery.output import Budget, Output
from flight_server.nursery.sandbox import Protection

Children: TypeAlias = MutableMapping[int, Child]

#: How long the parent has to end when its socket is closed.
_END_SECS = 5.0
#: A child that floods its output is read at this pace, its pipe's 64 KiB at a time.
_FLOOD_PAUSE_SECS = 0.005
#: How often children are looked at: a thread more takes some 10 us, and the machine has thousands to spare.
_LOOK_SECS = 0.1


class Watch:
    """Starts a prepared parent, and tells ``children``, by the numbers of their orders, what becomes of them."""

    def __init__(self, tasks: Mapping[str, str], protection: Protection, children: Children, log: Any) -> None:  # noqa: ANN401 - structlog's own type is Any
        self._children = children
        self._log = log
        self._reports: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)
        self._selector = selectors.DefaultSelector()
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = _started(theirs, tasks, protection)
        self._looked_at = time.monotonic()
        self._own = self.process.stdout
        if self._own is not None:
            self._listen(Output(os.dup(self._own.fileno()), log, Budget(), says="the prepared parent of children printed"))

    def follow(self, ready: Callable[[], None]) -> None:
        """Return when the parent has ended; ``ready`` is called when it takes orders."""
        self._selector.register(self.control, selectors.EVENT_READ)
        while True:
            ready_now = [key.data for key, _ in self._selector.select(_LOOK_SECS if self._children else None)]
            self._look_after()
            flood = [self._pump(output) for output in ready_now if output is not None]
            # Last: a report of a child's end closes outputs, which may be among those that were ready.
            if None in ready_now and not self._take_report(ready):
                return
            if any(flood):
                time.sleep(_FLOOD_PAUSE_SECS)

    def end(self) -> None:
        """Have the parent end, from any thread: its socket is closed, and it takes its children with it."""
        with suppress(OSError):
            self.control.shutdown(socket.SHUT_RDWR)

    def close(self) -> int:
        """Wait until the parent has ended, and return its exit code; its children must have been told before."""
        self.end()
        try:
            code = self.process.wait(_END_SECS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, Output):
                while key.data.pump():
                    pass
                key.data.close()
        self._selector.close()
        self.control.close()
        if self._own is not None:
            self._own.close()
        return code

    def forget(self, child: Child) -> None:
        """Read a child's output no more."""
        for output in child.outputs:
            with suppress(KeyError):  # its end was seen already
                self._selector.unregister(output.descriptor)

    def _look_after(self) -> None:
        """Kill the children that have too much of what nothing else bounds."""
        if time.monotonic() - self._looked_at < _LOOK_SECS:
            return
        self._looked_at = time.monotonic()
        for child in list(self._children.values()):
            if child.is_born and (why := excess(child.pid)) is not None:
                child.kill(why)

    def _take_report(self, ready: Callable[[], None]) -> bool:
        try:
            message, descriptors, _, _ = socket.recv_fds(self.control, MESSAGE_BYTES, 1)
        except ConnectionResetError:
            return False
        if not message:
            return False
        report = self._reports.decode(message)
        if isinstance(report, Ready):
            ready()
            return True
        child = self._children[report.id]
        if isinstance(report, Born):
            os.set_inheritable(descriptors[0], False)
            child.was_born(report.pid, descriptors[0])
            for output in child.outputs:
                self._listen(output)
            return True
        del self._children[report.id]
        self.forget(child)
        if isinstance(report, Ended):
            child.has_ended(Death(status=report.status, peak_bytes=report.peak_bytes, cpu_secs=report.cpu_secs))
        elif isinstance(report, Refused):
            child.was_lost(report.why)
        return True

    def _listen(self, output: Output) -> None:
        self._selector.register(output.descriptor, selectors.EVENT_READ, output)

    def _pump(self, output: Output) -> bool:
        """Log what an output has; return whether it is too much."""
        if output.pump() is False:
            self._selector.unregister(output.descriptor)
        return output.is_flooding


def _started(control: socket.socket, tasks: Mapping[str, str], protection: Protection) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "flight_server.nursery.parent", str(control.fileno()), str(os.getpid())]
    command.append(msgspec.json.encode(protection).decode())
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*command, *(f"{name}={place}" for name, place in tasks.items())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[control.fileno()],
        start_new_session=True,  # Ctrl-C is for the server, which needs its children to drain
        env=environment(os.environ, sys.path),
    )
