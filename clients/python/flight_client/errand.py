"""A call that cannot be interrupted, made by another thread, so that whoever waits for it can stop waiting."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from flight_client.cancelling import Cancel
from flight_client.errors import DeadlineExceeded
from flight_client.hands import Hands

T = TypeVar("T")


class Errand(Generic[T]):
    """``work``, whose result is given to ``unwanted`` when nobody waits for it any more.

    The thread of an errand that was given up is back when the call ends: the connection's keepalive ends it at the latest.
    """

    def __init__(self, work: Callable[[], T], unwanted: Callable[[T], None]) -> None:
        self._work = work
        self._unwanted = unwanted
        self._lock = threading.Lock()
        self._news: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._outcome: list[T | BaseException] = []
        self._given_up = False

    def result(self, hands: Hands, seconds: float | None, cancel: Cancel) -> T:
        """Return what ``work`` returns, or raise what it raises, ``DeadlineExceeded`` or ``Cancelled``."""
        take_back = cancel.add(lambda: self._news.put(False))
        hands.do(self._run)
        try:
            if not self._news.get(timeout=seconds):
                cancel.check()
        except queue.Empty:
            self._give_up()
            raise DeadlineExceeded(f"the server sent nothing for {seconds:g} seconds") from None
        except BaseException:
            self._give_up()
            raise
        finally:
            take_back()
        outcome = self._outcome.pop()
        if isinstance(outcome, BaseException):
            try:
                raise outcome
            finally:
                del outcome  # or it would hold, by its frames, what holds it
        return outcome

    def _run(self) -> None:
        outcome: T | BaseException
        try:
            outcome = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again where the result is waited for
            outcome = error.with_traceback(None)
        with self._lock:
            self._outcome.append(outcome)
            given_up = self._given_up
        self._news.put(True)
        if given_up:
            self._dispose()

    def _give_up(self) -> None:
        with self._lock:
            self._given_up = True
            over = bool(self._outcome)
        if over:
            self._dispose()

    def _dispose(self) -> None:
        outcome = self._outcome.pop()
        if not isinstance(outcome, BaseException):
            self._unwanted(outcome)
