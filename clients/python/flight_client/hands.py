"""Threads for calls that cannot be interrupted; kept for a moment, for the next call comes soon."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import TypeAlias

Job: TypeAlias = Callable[[], None]

#: How long a thread waits for another job before it ends.
_LINGER_SECS = 2.0
#: How long the end of the process waits for threads that are in a call.
_EXIT_SECS = 5.0


class Hands:
    """As many threads as there are jobs at once; none that hangs keeps the process from ending for long.

    A thread that comes back from Arrow's code while the interpreter is being taken down ends the process with an abort.
    So the end of the process lets those that are about to be done be done, before that.
    """

    def __init__(self) -> None:
        self._crew = _Crew()
        self._end = weakref.finalize(self, self._crew.end, _EXIT_SECS)  # runs at exit too

    def do(self, job: Job) -> None:
        """Have ``job``, which raises nothing, done by a thread, from now on."""
        self._crew.do(job)

    def close(self) -> None:
        """Let the threads end, each with its job."""
        self._crew.end(0)


class _Crew:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Job | None]] = []
        self._threads: set[threading.Thread] = set()
        self._closed = False

    def do(self, job: Job) -> None:
        with self._lock:
            waiting = self._idle.pop() if self._idle else None
            if waiting is None:
                waiting = queue.SimpleQueue()
                thread = threading.Thread(target=self._work, args=(waiting,), name="flight call", daemon=True)
                self._threads.add(thread)
                thread.start()
        waiting.put(job)

    def end(self, wait_secs: float) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            threads = list(self._threads)
        for waiting in idle:
            waiting.put(None)
        deadline = time.monotonic() + wait_secs
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0))

    def _work(self, jobs: queue.SimpleQueue[Job | None]) -> None:
        while (job := self._next(jobs)) is not None:
            job()
            del job  # and what it holds
            with self._lock:
                if self._closed:
                    break
                self._idle.append(jobs)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _next(self, jobs: queue.SimpleQueue[Job | None]) -> Job | None:
        try:
            return jobs.get(timeout=_LINGER_SECS)
        except queue.Empty:
            with self._lock:
                if jobs in self._idle:
                    self._idle.remove(jobs)
                    return None
            return jobs.get()  # somebody has just chosen this thread
