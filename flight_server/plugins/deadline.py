"""Running work that may hang: in a thread of its own, which is given up when its time is over."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def within(secs: float, work: Callable[[], T], *, discard: Callable[[T], None]) -> T:
    """Return what ``work()`` returns, or raise ``TimeoutError`` after ``secs`` seconds.

    A thread cannot be killed. One that runs Python code is sent ``SystemExit``; one that sleeps in C goes on, and when
    it ends after all its result is given to ``discard``.
    """
    outcome: Future[T] = Future()

    def body() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            _settle(outcome.set_exception, error)
        else:
            if not _settle(outcome.set_result, result):
                discard(result)

    thread = threading.Thread(target=body, name="plugin-load", daemon=True)
    thread.start()
    try:
        result = outcome.result(timeout=secs)
    except TimeoutError:
        if not outcome.cancel():
            return outcome.result()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        raise
    thread.join()
    return result


def _settle(settle: Callable[[R], None], result: R) -> bool:
    try:
        settle(result)
    except InvalidStateError:  # the caller has gone
        return False
    return True
