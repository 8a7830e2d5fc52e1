"""One child process as a crew holds it: its ring, its link, and how it came to its end."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from flight_server.nursery.child import Child
from flight_server.nursery.ending import Ending
from flight_server.runtime.frames import Frame, Loaded, Setup
from flight_server.runtime.link import Link, LinkClosed, LinkError
from flight_server.runtime.ring import Ring

#: How long a child that has closed its connection has to end.
_END_SECS = 1.0
#: How long it may take to take in the bytes of its plugin.
_SETUP_SECS = 10.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
#: Who has nothing to do may use so much processor time for it, and more only if it is less than this part of the time.
_RESTLESS_SECS = 2.0
_RESTLESS_PART = 0.2


class Member:
    """One stream at a time uses it."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.link = Link(child.connection)
        self.streams = 0
        self.idle_since = self._begun = time.monotonic()
        self.is_resting = False
        self._is_loaded = False
        self._first: Frame | None = None
        #: When it had nothing more to do, and the processor time that it had used by then; None while that is not known.
        self._idle: tuple[float, float] | None = None
        self._memory_bytes = 0
        self.ring, self._descriptor = Ring.make()

    def set_up(self, setup: Setup) -> None:
        """Send what it has to load; it loads while somebody waits in ``load``, or nobody does."""
        descriptor, self._descriptor = self._descriptor, -1
        try:
            socket.send_fds(self.child.connection, [b"\0"], [descriptor])
            self.link.send_all(setup, _SETUP_SECS)
        except (OSError, LinkClosed):  # it has ended; who waits for it finds out
            return
        finally:
            os.close(descriptor)

    def load(self, secs: float) -> Loaded:
        """Wait until it has loaded its plugin. Raises ``TimeoutError``, ``LinkClosed`` and ``LinkError``."""
        if self._is_loaded:
            return Loaded()
        # From its birth on: one that was forked ahead has had time.
        deadline = self._begun + secs
        frame, self._first = self._first, None
        while frame is None:
            if time.monotonic() >= deadline:
                raise TimeoutError
            frame = self.link.receive(deadline - time.monotonic())
        if not isinstance(frame, Loaded):
            raise LinkError("another word than the first")
        self._is_loaded = frame.failure is None
        self._memory_bytes = self._used()[0]
        return frame

    @property
    def is_well(self) -> bool:
        """Whether it runs and says nothing unasked."""
        if not self.child.is_running:
            return False
        try:
            if self._first is None:
                self._first = self.link.receive(0)
        except (LinkClosed, LinkError):
            return False
        return self._first is None or not self._is_loaded

    def is_late(self, secs: float) -> bool:
        """Say whether it should have loaded its plugin by now, and has not said so."""
        return not self._is_loaded and time.monotonic() - self._begun > secs and self.is_well and self._first is None

    def is_restless(self) -> bool:
        """Say whether it goes on using the processor though it has loaded its plugin and nobody wants anything of it."""
        if not self._is_loaded and self._first is None:
            return False
        now, cpu = time.monotonic(), self._used()[1]
        since, before = self._idle = self._idle or (now, cpu)
        return cpu - before > max(_RESTLESS_SECS, (now - since) * _RESTLESS_PART)

    def begin_idling(self) -> None:
        """Take note that it has nothing to do from now on."""
        self.idle_since = time.monotonic()
        self._idle = None

    def is_worn(self, *, streams: int, grown_bytes: int, cpu_secs: float) -> bool:
        """Say whether it has served, grown or worked more than this."""
        memory_bytes, cpu = self._used()
        return self.streams >= streams or memory_bytes - self._memory_bytes > grown_bytes or cpu > cpu_secs

    def rest(self) -> None:
        """Give back the memory of the ring; the child gives back its own."""
        if not self.is_resting:
            self.is_resting = True
            self.ring.rest()

    def ending(self) -> Ending:
        """Return how it ended, once its connection is closed."""
        try:
            return self.child.wait(_END_SECS)
        except TimeoutError:
            self.child.kill("it closed its connection to the server")
            return self.child.wait()

    def close(self) -> None:
        """Kill it, and let go of all that the server holds of it."""
        self.child.close()
        self.ring.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _used(self) -> tuple[int, float]:
        """Return the bytes of its memory that are not of files, and the seconds of processor time that it used."""
        try:
            place = Path(f"/proc/{self.child.pid}")
            _, resident, shared, *_ = map(int, (place / "statm").read_text("ascii").split())
            times = (place / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except (OSError, ValueError):  # it has ended
            return 0, 0.0
        cpu = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
        return (resident - shared) * _PAGE_BYTES, cpu
