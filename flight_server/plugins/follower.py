"""Keeping what is loaded in step with the plugin folder: a look, a plan, and carrying it out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import structlog

from flight_server.plugins.admission import Admission
from flight_server.plugins.admissions import Admissions, Ticket
from flight_server.plugins.changes import Change
from flight_server.plugins.deployment import Deployment
from flight_server.plugins.failure import Failure
from flight_server.plugins.folder import Folder, View
from flight_server.plugins.installed import INSTALLED
from flight_server.plugins.plan import Load, Remove, Scanned, plan
from flight_server.plugins.publisher import Publisher
from flight_server.plugins.restart import Restart
from flight_server.plugins.retries import Retries
from flight_server.plugins.security import Refused
from flight_server.plugins.source import Source, Unreadable
from flight_server.plugins.state import Kept
from flight_server.plugins.status import Pending

BUILTIN = "builtin/"


class Follower:
    """One thread at a time changes what is loaded; anybody may read ``fault``, ``scanned_at`` and ``pending``.

    ``repeats`` says that somebody goes on calling ``follow``, so that what could not be tried is tried again.

    Plugins that are found at rest are let in beside the looks; ``admissions.wake`` is called when there is news of one.
    """

    def __init__(
        self,
        folder: Folder,
        admission: Admission,
        publisher: Publisher,
        *,
        repeats: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._admission = admission
        self.admissions = Admissions(admission.admit)
        self._retries = Retries()
        self._looks = 0
        self._repeats = repeats
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
            deployments[file] = self._told(restart.deployment(self._source(view, file), kept.get(file)))
        written = view.scanned.moving | view.scanned.written if view else kept.keys()
        for file in sorted(written & kept.keys()):
            why = f"{file} is still being written" if view else f"the plugin folder cannot be used: {self.fault}"
            deployments[file] = restart.without_file(file, kept[file], why=f"{why}; its last good bytes serve")
        for file in sorted(kept.keys() - deployments.keys()):
            restart.undeployed(file, kept[file])
        self._publisher.publish(deployments)

    def follow(self) -> float | None:
        """Look, let in what is at rest and new, publish what has come through; return in how many seconds to look again.

        None when that can wait.
        """
        view = self._seen(settled=True)
        if view is None:
            return None
        self._looks += 1
        scanned, tickets = view.scanned, self.admissions.tickets
        self.admissions.drop([file for file, ticket in tickets.items() if _is_outdated(file, ticket, scanned)])
        ready = {file: ticket for file, ticket in tickets.items() if self._may_serve(file, ticket)}
        # To the plan, what is not ready yet is a file that moves.
        waiting = tickets.keys() - ready.keys()
        still = {file: digest for file, digest in scanned.still.items() if file not in waiting}
        loads, removes = self._planned(
            Scanned(still, scanned.moving | waiting, scanned.written),
            {file: ticket.source.sha256 for file, ticket in ready.items()},
            again=(self._due_again() - tickets.keys()) & scanned.still.keys(),
        )
        if not loads <= self._publisher.ledger.deployments.keys():
            removes = []  # what is new may be the other half of a rename
        if ready or removes:
            self._publish({file: self._let_in(file, ticket) for file, ticket in ready.items()}, removes)
        for file in sorted(loads):
            self.admissions.begin(file, self._source(view, file), self._looks)
        self.pending = MappingProxyType({**self.pending, **self._being_tried()})
        dues = (view.due_secs, self._retries.due_secs(self._clock()))
        return min((secs for secs in dues if secs is not None), default=None)

    def follow_at_once(self, *, again: Collection[str] = ()) -> list[Change]:
        """Look, and bring what is loaded in step before it returns, without waiting until files are at rest.

        Files in ``again`` are tried anew although they have not changed. Returns what changed.
        """
        view = self._seen(settled=False)
        if view is None:
            return []
        self.admissions.drop(list(self.admissions.tickets))  # they may have begun under other rules
        loads, removes = self._planned(view.scanned, {}, again=again)
        # A file that is tried again is not in the plan's eyes, and may be gone by now.
        present = view.scanned.still.keys() | view.scanned.moving | view.scanned.written
        gone = [file for file in again if file not in present and file in self._publisher.ledger.tried()]
        if not loads and not removes and not gone:
            return []
        return self.apply({file: self._source(view, file) for file in sorted(loads)}, removes + gone)

    def apply(self, loads: Mapping[str, Source | Unreadable], removes: Iterable[str] = ()) -> list[Change]:
        """Load these, by their keys, and let go of those; all of it becomes what serves at once."""
        self.admissions.drop(loads)
        records = {}
        for key, source in loads.items():
            record = self._record(key, source)
            if record.origin == "folder":
                self.pending = MappingProxyType({**self.pending, key: Pending(source.file, "verified")})
            records[key] = self._told(record.tried_with(self._admission.admit(source, ships=record.origin == "builtin")))
        return self._publish(records, removes)

    def close(self) -> None:
        """Let nothing in any more."""
        self.admissions.close()

    def _publish(self, records: Mapping[str, Deployment], removes: Iterable[str]) -> list[Change]:
        deployments = {**self._publisher.ledger.deployments, **records}
        # After the loads: a plugin whose file was renamed is never gone between.
        for key in removes:
            del deployments[key]
        changed = self._publisher.publish(deployments)
        self.pending = MappingProxyType({key: each for key, each in self.pending.items() if key not in records})
        return changed

    def _being_tried(self) -> dict[str, Pending]:
        return {file: Pending(file, "verified") for file in self.admissions.tickets}

    def _may_serve(self, file: str, ticket: Ticket) -> bool:
        """Say whether what has come through may be published, or waits for what the same look found.

        Names that move from file to file do so at once.
        """
        if ticket.outcome is None:
            return False
        result = ticket.outcome.result
        if isinstance(result, Failure) or self._publisher.ledger.is_undisputed(file, result.metadata):
            return True
        return not any(each.outcome is None and each.look <= ticket.look for each in self.admissions.tickets.values())

    def _let_in(self, file: str, ticket: Ticket) -> Deployment:
        return self._told(self._record(file, ticket.source).tried_with(self.admissions.take(file)))

    def _told(self, record: Deployment) -> Deployment:
        """Add to the sentence of a failure, where it is true, that the bytes are tried again."""
        if (failure := record.failure) is None or not (failure.again and self._repeats and record.followed):
            return record
        return replace(record, failure=replace(failure, sentence=f"{failure.sentence}; it is tried again after a while"))

    def _due_again(self) -> set[str]:
        """Return the files that could not be tried and are due again."""
        deployments = self._publisher.ledger.deployments
        records = {(key, tried): deployments[key] for key, tried in self._publisher.ledger.tried().items()}
        wanted = {
            each: (record.load_ms or 0) / 1000
            for each, record in records.items()
            if record.failure is not None and record.failure.again
        }
        return {key for key, _ in self._retries.due(wanted, self._clock())}

    def _record(self, key: str, source: Source | Unreadable) -> Deployment:
        return self._publisher.ledger.deployments.get(key) or _new(key, source)

    def _planned(self, scanned: Scanned, ready: Mapping[str, str], *, again: Collection[str]) -> tuple[set[str], list[str]]:
        """Return which files to load and which to let go of."""
        tried = {file: digest for file, digest in self._publisher.ledger.tried().items() if file not in again}
        actions = plan(scanned, {**tried, **ready})
        loads = {action.file for action in actions if isinstance(action, Load)}
        return loads, [action.file for action in actions if isinstance(action, Remove)]

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
        writing = {file: Pending(file, "discovered", open_file=name) for file, name in view.open_files.items()}
        self.pending = MappingProxyType({**waiting, **writing, **self._being_tried()})
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


def _is_outdated(file: str, ticket: Ticket, scanned: Scanned) -> bool:
    """Say whether a file that was let in is gone, or at rest with other bytes."""
    if file in scanned.still:
        return scanned.still[file] != ticket.source.sha256
    return file not in scanned.moving | scanned.written


def _new(key: str, source: Source | Unreadable) -> Deployment:
    """Make the record of a file that was not known: its key says where it came from."""
    if key.startswith(INSTALLED):
        return Deployment(file=f"{source.path.parent.name}/{source.file}", origin="installed")
    return Deployment(file=source.file, origin="builtin" if key.startswith(BUILTIN) else "folder", followed="/" not in key)
