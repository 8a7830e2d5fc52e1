"""Keeping what is loaded in step with the plugin folder: a look, a plan, and carrying it out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType

import structlog

from flight_server.plugins.admission import Admission
from flight_server.plugins.changes import Change
from flight_server.plugins.deployment import Deployment
from flight_server.plugins.folder import Folder, View
from flight_server.plugins.installed import INSTALLED
from flight_server.plugins.plan import Load, plan
from flight_server.plugins.publisher import Publisher
from flight_server.plugins.restart import Restart
from flight_server.plugins.security import Refused
from flight_server.plugins.source import Source, Unreadable
from flight_server.plugins.state import Kept
from flight_server.plugins.status import Pending

BUILTIN = "builtin/"


class Follower:
    """One thread at a time changes what is loaded; anybody may read ``fault``, ``scanned_at`` and ``pending``."""

    def __init__(
        self,
        folder: Folder,
        admission: Admission,
        publisher: Publisher,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._admission = admission
        self._publisher = publisher
        self._clock = clock
        #: Why the folder cannot be used, None when it can; when it was last seen whole; files on their way in.
        self.fault: str | None = None
        self.scanned_at: float | None = None
        self.pending: Mapping[str, Pending] = MappingProxyType({})
        self._log = structlog.get_logger("flight_server.plugins")

    def begin(self, kept: Mapping[str, Kept], restart: Restart) -> None:
        """Look for the first time: of each file its present bytes serve, or the last good ones that were kept of it."""
        view = self._seen(settled=False)
        deployments = dict(self._publisher.ledger.deployments)
        for file in sorted(view.scanned.still) if view else ():
            deployments[file] = restart.deployment(self._source(view, file), kept.get(file))
        written = view.scanned.moving | view.scanned.written if view else kept.keys()
        for file in sorted(written & kept.keys()):
            why = f"{file} is still being written" if view else f"the plugin folder cannot be used: {self.fault}"
            deployments[file] = restart.without_file(file, kept[file], why=f"{why}; its last good bytes serve")
        for file in sorted(kept.keys() - deployments.keys()):
            restart.undeployed(file, kept[file])
        self._publisher.publish(deployments)

    def follow(self, *, settled: bool, again: Collection[str] = ()) -> tuple[list[Change], float | None]:
        """Look, and bring what is loaded in step; files in ``again`` are tried anew although they have not changed.

        Returns what changed, and in how many seconds to look again, None when that can wait.
        """
        view = self._seen(settled=settled)
        if view is None:
            return [], None
        tried = {file: digest for file, digest in self._publisher.ledger.tried().items() if file not in again}
        actions = plan(view.scanned, tried)
        loads = [action.file for action in actions if isinstance(action, Load)]
        # A file that is tried again is not in the plan's eyes, and may be gone by now.
        present = view.scanned.still.keys() | view.scanned.moving | view.scanned.written
        gone = [file for file in again if file not in present and file in self._publisher.ledger.tried()]
        removes = [action.file for action in actions if not isinstance(action, Load)] + gone
        if not loads and not removes:
            return [], view.due_secs
        return self.apply({file: self._source(view, file) for file in loads}, removes), view.due_secs

    def apply(self, loads: Mapping[str, Source | Unreadable], removes: Iterable[str] = ()) -> list[Change]:
        """Load these, by their keys, and let go of those; all of it becomes what serves at once."""
        deployments = dict(self._publisher.ledger.deployments)
        for key, source in loads.items():
            deployment = deployments.get(key) or _new(key, source)
            if deployment.origin == "folder":
                self.pending = MappingProxyType({**self.pending, key: Pending(source.file, "verified")})
            deployments[key] = deployment.tried_with(self._admission.admit(source, ships=deployment.origin == "builtin"))
        # After the loads: a plugin whose file was renamed is never gone between.
        for key in removes:
            del deployments[key]
        changed = self._publisher.publish(deployments)
        self.pending = MappingProxyType({key: each for key, each in self.pending.items() if key not in loads})
        return changed

    def _source(self, view: View | None, file: str) -> Source | Unreadable:
        return (view.sources.get(file) if view else None) or self._folder.read(file)

    def _seen(self, *, settled: bool) -> View | None:
        try:
            view = self._folder.look(settled=settled)
        except OSError as error:  # a folder that is not there says nothing about its plugins: they stay
            self._note_fault(error)
            return None
        self._note_fault(None)
        self.scanned_at = self._clock()
        waiting = {file: Pending(file, "discovered") for file in view.scanned.moving}
        writing = {file: Pending(file, "discovered", is_written=True) for file in view.scanned.written}
        self.pending = MappingProxyType({**waiting, **writing})
        return view

    def _note_fault(self, error: OSError | None) -> None:
        fault = None if error is None else error.strerror or type(error).__name__
        if fault is not None and fault != self.fault:
            # The sentence goes to clients too; folders of the server are for its log.
            how = {"path": error.finding.path, "repair": error.finding.repair} if isinstance(error, Refused) else {}
            self._log.error("the plugin folder cannot be used; what is loaded goes on serving", error=fault, **how)
        elif fault is None and self.fault is not None:
            self._log.info("the plugin folder can be used again")
        self.fault = fault


def _new(key: str, source: Source | Unreadable) -> Deployment:
    """Make the record of a file that was not known: its key says where it came from."""
    if key.startswith(INSTALLED):
        return Deployment(file=f"{source.path.parent.name}/{source.file}", origin="installed")
    return Deployment(file=source.file, origin="builtin" if key.startswith(BUILTIN) else "folder", followed="/" not in key)
