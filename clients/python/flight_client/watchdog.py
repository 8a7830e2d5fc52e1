"""Waits that are given up when nothing comes for too long: Flight itself has deadlines for whole calls only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: How long the thread stays when there is nothing to watch: the next read of a stream comes soon.
_LINGER_SECS = 2.0


class Wait:
    """One read that may take too long. ``turn`` says since when it is the server's turn, if that may be later."""

    __slots__ = ("cancel", "expired", "since", "turn")

    def __init__(self, cancel: Callable[[], None], turn: Callable[[], float] | None) -> None:
        self.since = time.monotonic()
        self.turn = turn
        self.cancel = cancel
        self.expired = False


class Watchdog:
    """One thread that looks at all the waits of a client; it runs while there are any, and a moment longer."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._waits: set[Wait] = set()
        self._lock = threading.Lock()
        self._running = False
        self._closed = threading.Event()

    def close(self) -> None:
        """End the thread, unless somebody still waits."""
        self._closed.set()

    @contextmanager
    def waiting(self, cancel: Callable[[], None], turn: Callable[[], float] | None = None) -> Iterator[Wait]:
        """Call ``cancel`` when the block takes longer than ``seconds``, and mark the wait as ``expired``."""
        wait = Wait(cancel, turn)
        if self.seconds is None:
            yield wait
            return
        with self._lock:
            self._waits.add(wait)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, args=(self.seconds,), name="idle streams", daemon=True).start()
        try:
            yield wait
        finally:
            with self._lock:
                self._waits.discard(wait)

    def _run(self, seconds: float) -> None:
        tick = min(max(seconds / 20, 0.01), 1.0)
        busy = time.monotonic()
        while True:
            if self._closed.wait(tick):
                time.sleep(tick)  # closed: the wait above does not wait any more
            now = time.monotonic()
            with self._lock:
                waits = list(self._waits)
                if waits:
                    busy = now
                elif self._closed.is_set() or now - busy > _LINGER_SECS:
                    self._running = False
                    return
            for wait in waits:
                since = wait.since if wait.turn is None else max(wait.since, wait.turn())
                if not wait.expired and now - since > seconds:
                    wait.expired = True
                    wait.cancel()
