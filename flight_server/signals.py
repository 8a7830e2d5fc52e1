"""Being told to stop, by SIGTERM and SIGINT, or to read the configuration again, by SIGHUP, in a way that misses none."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

_STOP = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Waits for the first signal to stop; a second one ends the process at once. For the main thread.

    SIGHUP is answered while it waits.

    A thread that waits for a lock sees a signal only if it comes while it sleeps: one that comes just before is slept
    through. So the signal itself writes a byte into a pipe, which is there whenever it is looked for.
    SIGUSR1 prints the stack of every thread to stderr: what a server that seems to hang is asked first.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._asked = False
        self._hung_up = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._on_signal) for number in _STOP}
        self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._on_hangup)
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        faulthandler.unregister(signal.SIGUSR1)
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: not set from Python
        signal.set_wakeup_fd(-1)
        os.close(self._reading)
        os.close(self._writing)

    def wait(self, on_hangup: Callable[[], None] = lambda: None) -> None:
        """Return when the first signal to stop has come; call ``on_hangup`` after each SIGHUP, or once after several."""
        while not self._asked:
            os.read(self._reading, 1)
            if self._hung_up and not self._asked:
                self._hung_up = False
                on_hangup()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._asked:
            os._exit(128 + number)
        self._asked = True

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        self._hung_up = True
