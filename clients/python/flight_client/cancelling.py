"""A handle by which any thread ends a call that another thread waits for."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from flight_client.errors import Cancelled


class Cancel:
    """Give it to a call as ``cancel=``; ``cancel()``, from any thread, ends the call there with ``Cancelled``.

    A put that is cancelled is aborted on the server, a get or a conversion is stopped there. What waits for the caller's
    own source is ended when the source gives its next piece. One handle may serve many calls; it works once.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._stops: dict[int, Callable[[], object]] = {}
        self._unlink: weakref.finalize[..., Cancel] | None = None

    @property
    def cancelled(self) -> bool:
        """Whether ``cancel`` was called."""
        return self._asked.is_set()

    def cancel(self) -> None:
        """End the calls that have this handle, and those that get it later; return at once."""
        self._asked.set()
        with self._lock:
            stops = list(self._stops.values())
        for stop in stops:
            stop()

    def check(self) -> None:
        """Raise ``Cancelled`` when ``cancel`` was called."""
        if self._asked.is_set():
            raise Cancelled("the call was cancelled")

    def sleep(self, seconds: float) -> None:
        """Wait, or raise ``Cancelled`` as soon as ``cancel`` is called."""
        self._asked.wait(seconds)
        self.check()

    def add(self, stop: Callable[[], object]) -> Callable[[], None]:
        """Have ``stop`` called by ``cancel``, now if it was called already; return what takes it back."""
        key = id(stop)
        with self._lock:
            self._stops[key] = stop
        if self._asked.is_set():
            stop()
        return lambda: self._take_back(key)

    def linked(self) -> Cancel:
        """Return a handle of its own for one call, which this one ends too; ``unlink`` it when the call is over."""
        own = Cancel()
        end = weakref.WeakMethod(own.cancel)
        own._unlink = weakref.finalize(own, self.add(lambda: _call(end)))
        return own

    def unlink(self) -> None:
        """Leave the handle that this one was made by."""
        if self._unlink is not None:
            self._unlink()

    def _take_back(self, key: int) -> None:
        with self._lock:
            self._stops.pop(key, None)


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    if (alive := method()) is not None:
        alive()
