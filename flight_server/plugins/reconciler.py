"""The thread that keeps what is loaded in step with the plugin folder: on every hint, and now and then without one."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

# Events come in bursts, and a look at the folder answers all of a burst.
BURST_SECS = 0.02


class Reconciler:
    """Calls ``look`` again and again; it returns in how many seconds it wants to look again, or None if it need not."""

    def __init__(self, look: Callable[[], float | None], *, rescan_secs: float) -> None:
        self._look = look
        self._rescan_secs = rescan_secs
        self._hint = threading.Event()
        self._stopping = threading.Event()
        self._reviving = threading.Lock()
        self._thread = self._made()

    def start(self) -> None:
        """Look at once, and from then on."""
        self._thread.start()

    def hint(self) -> None:
        """Say that something may have changed; returns at once, from any thread."""
        self._hint.set()
        self.revive()

    def revive(self) -> None:
        """Start the thread anew if it has ended without being told to; returns at once, from any thread."""
        if self._thread.is_alive() or self._thread.ident is None or self._stopping.is_set():
            return
        with self._reviving:
            if not self._thread.is_alive() and not self._stopping.is_set():
                structlog.get_logger("flight_server.plugins").error(
                    "the thread that follows the plugin folder ended; a new one follows"
                )
                self._thread = self._made()
                self._thread.start()

    def stop(self) -> None:
        """Look no more; a look that is under way is waited for."""
        with self._reviving:
            self._stopping.set()
        self._hint.set()
        self._thread.join()

    def _made(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="plugin-reconciler", daemon=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            due = self._supervised()
            wait = self._rescan_secs if due is None else min(due, self._rescan_secs)
            if self._hint.wait(wait):
                self._stopping.wait(BURST_SECS)
                self._hint.clear()

    def _supervised(self) -> float | None:
        """Look once. Whatever goes wrong in a look is logged: a thread that died would be a folder that nobody follows."""
        try:
            return self._look()
        except BaseException:  # noqa: BLE001 - logged, with its traceback; SystemExit may be meant for a plugin's thread
            structlog.get_logger("flight_server.plugins").exception("a look at the plugin folder failed; the next one follows")
            return None
