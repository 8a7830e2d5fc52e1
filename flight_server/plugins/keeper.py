"""Keeping the state folder in step with what serves, beside the reloads and not in their way."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import structlog

from flight_server.plugins.deployment import Deployment
from flight_server.plugins.security import Refused
from flight_server.plugins.state import Kept, StateFolder

# To make bytes durable takes several round trips to the disk, and of many quick reloads only the last must be.
PAUSE_SECS = 0.25


class Keeper:
    """Writes the newest of what it is offered; keeps nothing when ``folder`` is None or cannot be used.

    A failure is logged once, and stops nothing: the next offer is a new try. ``offer`` and ``flush`` are for one
    thread at a time.
    """

    def __init__(self, folder: StateFolder | None) -> None:
        self._folder = folder
        self._is_open = False
        self._is_keeping = False
        self._lock = threading.Lock()
        self._offered: Mapping[str, Kept] | None = None
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._fault: str | None = None
        self._log = structlog.get_logger("flight_server.plugins")

    def open(self, plugin_dir: Path) -> dict[str, Kept]:
        """Make the folder ready, and return what was kept of the plugins of ``plugin_dir``; keep nothing before ``begin``."""
        if self._folder is None:
            return {}
        try:
            self._folder.open()
        except OSError as error:
            self._note_fault(error)
            return {}
        self._is_open = True
        return self._folder.read(plugin_dir)

    def begin(self) -> None:
        """From now on, what is offered is all that there is to keep."""
        self._is_keeping = True

    def offer(self, deployments: Mapping[str, Deployment]) -> None:
        """Have this kept soon; returns at once."""
        if not (self._is_open and self._is_keeping):
            return
        with self._lock:
            self._offered = {key: _kept(each) for key, each in deployments.items() if _is_kept(each)}
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="plugin-state", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Return when what was offered is kept, or could not be."""
        thread = self._thread
        if thread is not None:
            self._hurry.set()
            thread.join()
            self._hurry.clear()

    def close(self) -> None:
        """Keep what was offered, and let go of the folder."""
        self.flush()
        self._is_keeping = False
        if self._folder is not None and self._is_open:
            self._is_open = False
            self._folder.close()

    def _run(self) -> None:
        while True:
            with self._lock:
                offered, self._offered = self._offered, None
                if offered is None:
                    self._thread = None
                    return
            self._write(offered)
            self._hurry.wait(PAUSE_SECS)

    def _write(self, kept: Mapping[str, Kept]) -> None:
        if self._folder is None:
            return
        try:
            self._folder.write(kept)
        except OSError as error:
            self._note_fault(error)
        else:
            self._note_fault(None)

    def _note_fault(self, error: OSError | None) -> None:
        fault = None if error is None else error.strerror or str(error)
        if error is not None and fault != self._fault and self._folder is not None:
            how = {"repair": error.finding.repair} if isinstance(error, Refused) else {}
            told = "plugins are served, but their last good bytes are not kept for a restart: the state folder cannot be used"
            self._log.error(told, path=str(self._folder.path), error=fault, **how)
        elif fault is None and self._fault is not None:
            self._log.info("the last good bytes of plugins are kept again")
        self._fault = fault


def _is_kept(deployment: Deployment) -> bool:
    return deployment.followed and bool(deployment.active or deployment.previous or deployment.held)


def _kept(deployment: Deployment) -> Kept:
    return Kept(
        active=deployment.active.source if deployment.active else None,
        previous=deployment.previous,
        tried=deployment.tried,
        held=deployment.held,
        reason=deployment.failure.sentence if deployment.held and deployment.failure else "",
    )
