"""Threads for calls that cannot be interrupted; kept for a moment, for the next call comes soon."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeAlias

Job: TypeAlias = Callable[[], None]

#: How long a thread waits for another job before it ends.
_LINGER_SECS = 2.0


class Hands:
    """As many threads as there are jobs at once; none of them keeps the process from ending."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Job | None]] = []
        self._closed = False

    def do(self, job: Job) -> None:
        """Have ``job``, which raises nothing, done by a thread, from now on."""
        with self._lock:
            waiting = self._idle.pop() if self._idle else None
        if waiting is None:
            waiting = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(waiting,), name="flight call", daemon=True).start()
        waiting.put(job)

    def close(self) -> None:
        """Let the threads end, each with its job."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for waiting in idle:
            waiting.put(None)

    def _work(self, jobs: queue.SimpleQueue[Job | None]) -> None:
        while (job := self._next(jobs)) is not None:
            job()
            del job  # and what it holds
            with self._lock:
                if self._closed:
                    return
                self._idle.append(jobs)

    def _next(self, jobs: queue.SimpleQueue[Job | None]) -> Job | None:
        try:
            return jobs.get(timeout=_LINGER_SECS)
        except queue.Empty:
            with self._lock:
                if jobs in self._idle:
                    self._idle.remove(jobs)
                    return None
            return jobs.get()  # somebody has just chosen this thread
