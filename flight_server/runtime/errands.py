"""A thread that does what others have no time for, in order; asking it never waits, not even in a garbage collection."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

import structlog

Errand: TypeAlias = Callable[[], object]


class Errands:
    """Runs what it is given, and ``tick`` about every ``tick_secs``."""

    def __init__(self, name: str, *, tick: Errand | None = None, tick_secs: float | None = None) -> None:
        # The only queue that may be put into while the same thread is putting: finalizers run anywhere.
        self._queue: queue.SimpleQueue[Errand | None] = queue.SimpleQueue()
        self._is_stopped = False
        self._tick = tick
        self._tick_secs = tick_secs
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Do what has been asked for before, and end."""
        self._is_stopped = True
        if self._thread.ident is not None:
            self._queue.put(None)
            self._thread.join()

    def ask(self, errand: Errand) -> None:
        """Have something done soon; returns at once. After the end it is done now, by whoever asks."""
        if self._is_stopped:
            self._carry_out(errand)
        else:
            self._queue.put(errand)

    def _run(self) -> None:
        ticked_at = time.monotonic()
        while (errand := self._next()) is not None:
            self._carry_out(errand)
            if self._tick is not None and time.monotonic() - ticked_at >= (self._tick_secs or 0):
                self._carry_out(self._tick)
                ticked_at = time.monotonic()

    def _next(self) -> Errand | None:
        try:
            return self._queue.get(timeout=self._tick_secs)
        except queue.Empty:
            return _nothing

    def _carry_out(self, errand: Errand) -> None:
        try:
            errand()
        except Exception:  # noqa: BLE001 - logged; the next one is somebody else's
            structlog.get_logger("flight_server.runtime").exception("something about child processes failed")


def _nothing() -> None:
    """Do nothing."""
