"""A call that cannot be interrupted, made in a thread of its own, so that whoever waits for it can stop waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from flight_client.cancelling import Cancel
from flight_client.errors import DeadlineExceeded

T = TypeVar("T")


class Errand(Generic[T]):
    """``work`` in a thread. When its result is not waited for any more, it is given to ``unwanted``.

    The thread of an errand that was given up ends with the call, which the connection's keepalive ends at the latest.
    """

    def __init__(self, work: Callable[[], T], unwanted: Callable[[T], None]) -> None:
        self._work = work
        self._unwanted = unwanted
        self._changed = threading.Condition()
        self._outcome: T | BaseException | None = None
        self._over = False
        self._given_up = False

    def result(self, seconds: float | None, cancel: Cancel) -> T:
        """Return what ``work`` returns, or raise what it raises, ``DeadlineExceeded`` or ``Cancelled``."""
        take_back = cancel.add(self._wake)
        threading.Thread(target=self._run, name="flight call", daemon=True).start()
        try:
            self._wait(seconds, cancel)
        except BaseException:
            self._give_up()
            raise
        finally:
            take_back()
        outcome, self._outcome = self._outcome, None  # or an exception would hold, by its frames, what holds it
        if isinstance(outcome, BaseException):
            try:
                raise outcome
            finally:
                del outcome
        return outcome  # type: ignore[return-value]  # None when that is what the work returns

    def _wait(self, seconds: float | None, cancel: Cancel) -> None:
        end = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while not self._over:
                cancel.check()
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise DeadlineExceeded(f"the server sent nothing for {seconds:g} seconds")
                self._changed.wait(left)

    def _run(self) -> None:
        outcome: T | BaseException
        try:
            outcome = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again where the result is waited for
            outcome = error.with_traceback(None)
        with self._changed:
            self._outcome, self._over = outcome, True
            unwanted = self._given_up
            self._changed.notify_all()
        if unwanted:
            self._dispose(outcome)

    def _give_up(self) -> None:
        with self._changed:
            self._given_up = True
            over, outcome = self._over, self._outcome
        if over:
            self._dispose(outcome)

    def _dispose(self, outcome: T | BaseException | None) -> None:
        self._outcome = None
        if outcome is not None and not isinstance(outcome, BaseException):
            self._unwanted(outcome)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
