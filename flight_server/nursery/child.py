"""One child process as the server holds it: its connection, a way to kill it, and how it ended."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from flight_server.config import PluginLimits
from flight_server.nursery.ending import Death, Ending, ending, lost
from flight_server.nursery.output import Budget, Output
from flight_server.nursery.spool import Spool

#: How long a child that is killed has to say where it is.
_LAST_WORDS_SECS = 1.0
#: How long the system may take to end a process that was killed.
_DYING_SECS = 1.0
#: How long what it has printed may take to be read.
_UNREAD_SECS = 0.02


class Child:
    """Made by ``Nursery.child``. Use it as a context manager: at its end the child is killed if it still runs.

    ``connection`` is one end of a stream socket, whose other end the task has; what runs over it is theirs to agree on.
    ``spool`` is the folder that is the child's own; it is removed when the child has ended.
    It may be used from any thread; only the nursery's own thread calls ``was_born``, ``has_ended`` and ``was_lost``.
    """

    def __init__(
        self,
        connection: socket.socket,
        limits: PluginLimits,
        outputs: tuple[int, int],
        log: Any,  # noqa: ANN401 - structlog's own type is Any
        *,
        spool: Spool | None = None,
    ) -> None:
        self.connection = connection
        self._spool = spool
        self._limits = limits
        budget = Budget()
        self._log = log
        self.outputs = tuple(
            Output(descriptor, log.bind(stream=stream), budget, stream=stream)
            for stream, descriptor in zip(("stdout", "stderr"), outputs, strict=True)
        )
        self._process = -1
        self._killed_for: str | None = None
        self._guard = threading.Lock()
        self._birth: Future[int] = Future()
        self._end: Future[Ending] = Future()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The number of its process; to be told to people only: it may be another's when the child has ended."""
        return self._birth.result(timeout=0)

    @property
    def is_born(self) -> bool:
        """Whether it has a process, or had one."""
        return self._birth.done() and self._birth.exception() is None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._end.done()

    def kill(self, why: str = "", *, with_last_words: bool = False) -> None:
        """Kill it, if it still runs; ``why`` completes "was killed: ".

        ``with_last_words`` lets it write where its Python code is to its standard error first, and waits for that,
        a second at the most.
        """
        with self._guard:
            if self._killed_for is None:
                self._killed_for = why
        if with_last_words:
            self._signal(signal.SIGABRT)
            try:
                self.wait(_LAST_WORDS_SECS)
            except TimeoutError:
                pass
            else:
                return
        self._signal(signal.SIGKILL)

    def tag(self, **fields: str) -> None:
        """Have what it prints from now on logged with these fields, and what it has printed before without them."""
        deadline = time.monotonic() + _UNREAD_SECS
        for output in self.outputs:
            while self.is_running and output.has_unread and time.monotonic() < deadline:
                time.sleep(_UNREAD_SECS / 20)
            output.log = self._log.bind(stream=output.stream, **fields)

    def wait(self, timeout: float | None = None) -> Ending:
        """Return how it ended. Raises ``TimeoutError`` when it still runs after ``timeout`` seconds."""
        return self._end.result(timeout)

    def close(self) -> None:
        """Kill it if it still runs, and close the connection."""
        self.kill()
        self.connection.close()

    def birth(self, timeout: float) -> int:
        """Wait until it runs and return its pid; raises what kept it from being born, or ``TimeoutError``."""
        return self._birth.result(timeout)

    def was_born(self, pid: int, process: int) -> None:
        """Take note that it runs as ``pid``; ``process`` is a descriptor of it, which is the child's from now on."""
        with self._guard:
            self._process = process
        if self._killed_for is not None:  # whoever ordered it could not wait for it
            self._signal(signal.SIGKILL)
        self._birth.set_result(pid)

    def has_ended(self, death: Death) -> None:
        """Take note of its end."""
        output = self._closed()
        self._end.set_result(ending(death, self._limits, killed_for=self._killed_for, output=output))

    def was_lost(self, why: str) -> None:
        """Take note that nobody will tell how it ends: it is killed, or was never born."""
        self._signal(signal.SIGKILL)
        if self._process >= 0:
            _wait_for(self._process)
        output = self._closed()
        if not self._birth.done():
            self._birth.set_exception(ChildLost(why))
        self._end.set_result(lost(why, output))

    def _closed(self) -> str:
        """Read what it printed last, and let go of all that the server holds of it but its connection."""
        for output in self.outputs:
            # As much as a pipe holds: what is written after its end comes from somebody else.
            for _ in range(16):
                if not output.pump():
                    break
            output.close()
        with self._guard:
            process, self._process = self._process, -1
            if process >= 0:
                os.close(process)
        if self._spool is not None:
            self._spool.clear()
        return self.outputs[1].tail

    def _signal(self, number: signal.Signals) -> None:
        with self._guard:
            if self._process < 0:
                return
            try:
                signal.pidfd_send_signal(self._process, number)
            except ProcessLookupError:  # it has ended, and that is on its way to us
                return


class ChildLost(Exception):
    """The child was not born: the prepared parent refused, or ended."""


def _wait_for(process: int) -> None:
    """Wait until a process that was killed has ended, given a descriptor of it."""
    end = select.poll()
    end.register(process, select.POLLIN)
    end.poll(_DYING_SECS * 1000)
