"""Work in threads of its own, so that Ctrl-C is heard at once whatever a call is waiting for."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: How long work that was interrupted may take to tell the server so and to clean up.
GRACE_SECS = 5.0


class Terminated(KeyboardInterrupt):
    """A signal other than Ctrl-C's that asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Abandoned(KeyboardInterrupt):
    """Interrupted work does not end: the process must, and the connection with it."""


class Interrupt:
    """Ctrl-C, as those who do the work learn of it."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._stops: list[Callable[[], None]] = []

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` when the work is to end."""
        if self._asked.is_set():
            raise KeyboardInterrupt

    @contextmanager
    def calls(self, stop: Callable[[], None]) -> Iterator[None]:
        """Have ``stop`` called, in another thread, when the work is to end within the block."""
        self._stops.append(stop)
        try:
            self.check()
            yield
        finally:
            self._stops.remove(stop)

    def ask(self) -> None:
        """Ask the work to end."""
        self._asked.set()
        for stop in list(self._stops):
            threading.Thread(target=stop, name="stop", daemon=True).start()


def run(
    works: Sequence[Callable[[Interrupt], T]],
    finished: Callable[[int, T | BaseException], None],
    *,
    jobs: int = 1,
    grace_secs: float = GRACE_SECS,
) -> None:
    """Do ``works``, ``jobs`` at a time; call ``finished`` in this thread with the number and outcome of each that ended.

    When this thread is interrupted, what runs is asked to end, what has not begun is left, and the interruption is
    raised again: as ``Abandoned`` when something has not ended in ``grace_secs``, or at a second interruption.
    """
    crew = _Crew(works, jobs)
    try:
        while crew.left:
            finished(*crew.next(None))
    except BaseException as error:
        crew.interrupt.ask()
        deadline = time.monotonic() + grace_secs
        try:
            while crew.left:
                number, outcome = crew.next(max(deadline - time.monotonic(), 0))
                if not isinstance(outcome, BaseException):  # it was too far to be stopped: it is done
                    finished(number, outcome)
        except (queue.Empty, KeyboardInterrupt):
            raise Abandoned from error
        raise


def run_one(work: Callable[[Interrupt], T], *, grace_secs: float = GRACE_SECS) -> T:
    """Do one work and return its result."""
    outcomes: list[T | BaseException] = []
    run([work], lambda _, outcome: outcomes.append(outcome), grace_secs=grace_secs)
    if isinstance(outcomes[0], BaseException):
        raise outcomes[0]
    return outcomes[0]


@contextmanager
def heard() -> Iterator[None]:
    """Let the signals that would end the process at once interrupt it as Ctrl-C does, so that it cleans up."""

    def raise_terminated(number: int, _frame: FrameType | None) -> None:
        raise Terminated(number)

    before: dict[int, Any] = {}
    with suppress(ValueError):  # not the main thread: who runs it there sees to signals
        for ends in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(ends) is signal.SIG_DFL:
                before[ends] = signal.signal(ends, raise_terminated)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Crew(Generic[T]):
    """The threads, and what they have not finished yet. They do not keep the process from ending."""

    def __init__(self, works: Sequence[Callable[[Interrupt], T]], jobs: int) -> None:
        self.interrupt = Interrupt()
        self.left = len(works)
        self._outcomes: queue.SimpleQueue[tuple[int, T | BaseException]] = queue.SimpleQueue()
        self._waiting: queue.SimpleQueue[tuple[int, Callable[[Interrupt], T]]] = queue.SimpleQueue()
        for work in enumerate(works):
            self._waiting.put(work)
        for _ in range(min(jobs, len(works))):
            threading.Thread(target=self._work, name="command", daemon=True).start()

    def next(self, timeout: float | None) -> tuple[int, T | BaseException]:
        """Return the next outcome; raise ``queue.Empty`` when there is none in time."""
        outcome = self._outcomes.get(timeout=timeout)
        self.left -= 1
        return outcome

    def _work(self) -> None:
        with suppress(queue.Empty):
            while True:
                number, work = self._waiting.get_nowait()
                self._outcomes.put((number, self._outcome(work)))

    def _outcome(self, work: Callable[[Interrupt], T]) -> T | BaseException:
        try:
            self.interrupt.check()
            return work(self.interrupt)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            return error
