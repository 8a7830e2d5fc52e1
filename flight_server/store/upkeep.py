"""The store's background thread: compaction and sweep, now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import structlog


class Upkeep:
    """Runs tasks one after the other every ``interval_secs``, and sooner when woken. An error ends one run, not the thread."""

    def __init__(self, tasks: Mapping[str, Callable[[Callable[[], bool]], int]], interval_secs: float) -> None:
        """Start the thread. A task takes a function that says whether to stop, and returns how much it did."""
        self.heartbeat = time.time()
        self._tasks = tasks
        self._interval_secs = interval_secs
        self._log = structlog.get_logger("flight_server.store")
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-upkeep", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Do not wait for the interval to end."""
        self._wake.set()

    def close(self) -> None:
        """Stop, in the middle of a task if need be."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._interval_secs)
            self._wake.clear()
            for name, task in self._tasks.items():
                self._once(name, task)
            self.heartbeat = time.time()

    def _once(self, name: str, task: Callable[[Callable[[], bool]], int]) -> None:
        if self._stop.is_set():
            return
        try:
            done = task(self._beat)
        except Exception as error:  # noqa: BLE001 - the next run may succeed
            self._log.error("The store's upkeep failed; it goes on.", task=name, error=repr(error), cause=repr(error.__cause__))
        else:
            if done:
                self._log.debug("The store was tidied.", task=name, segments=done)

    def _beat(self) -> bool:
        self.heartbeat = time.time()
        return self._stop.is_set()
