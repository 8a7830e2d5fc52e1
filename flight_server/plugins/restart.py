"""What serves after a restart: the file as it is now, or what was kept of it while it does not load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flight_server.plugins.admission import Outcome
from flight_server.plugins.audit import AuditLog, Transition
from flight_server.plugins.deployment import Deployment
from flight_server.plugins.failure import Failure
from flight_server.plugins.generation import Generation
from flight_server.plugins.scanner import claimed_name
from flight_server.plugins.source import Source, Unreadable
from flight_server.plugins.state import Kept


class Restart:
    """Makes the first record of each file. Kept bytes are held against the same rules as the file's own."""

    def __init__(self, admit: Callable[[Source | Unreadable], Outcome], audit: AuditLog) -> None:
        self._admit = admit
        self._audit = audit

    def deployment(self, source: Source | Unreadable, kept: Kept | None) -> Deployment:
        """Return the record of a file that is there."""
        fresh = Deployment(file=source.file, origin="folder", followed=True)
        if kept is not None and kept.held is not None and kept.tried == source.sha256:
            failure = Failure(sentence=kept.reason) if kept.reason else None
            return self._brought_back(replace(fresh, tried=kept.tried, held=kept.held, failure=failure), kept)
        record = fresh.tried_with(self._admit(source))
        if kept is None:
            return record
        if record.active is None:
            return self._brought_back(record, kept)
        earlier = (each for each in (kept.active, kept.previous) if each is not None and each.sha256 != source.sha256)
        return replace(record, previous=next(earlier, None))

    def without_file(self, file: str, kept: Kept, *, why: str) -> Deployment:
        """Return the record of a file that cannot be had now; it is tried as soon as it can."""
        fresh = Deployment(file=file, origin="folder", followed=True, failure=Failure(sentence=why), failures=1)
        return self._brought_back(fresh, kept)

    def undeployed(self, file: str, kept: Kept) -> None:
        """Take note that a file went while no server was there."""
        sha256 = kept.active.sha256 if kept.active else None
        why = "the file is gone; it went while the server was down"
        self._note(Transition(event="undeployed", plugin=claimed_name(file), file=file, sha256=sha256, reason=why))

    def _brought_back(self, record: Deployment, kept: Kept) -> Deployment:
        candidates = [each for each in (kept.active, kept.previous) if each is not None]
        for source in candidates:
            outcome = self._admit(source)
            if not isinstance(outcome.result, Generation):
                continue
            found = outcome.result
            rest = [each for each in candidates if each is not source and source is kept.active]
            self._note(
                Transition(
                    event="restored",
                    plugin=found.metadata.name,
                    file=record.file,
                    to_generation=found.number,
                    sha256=source.sha256,
                    reason=record.failure.sentence if record.failure else record.held,
                )
            )
            return replace(record, active=found, previous=rest[0] if rest else None, loads=1, load_ms=outcome.took_ms)
        # They may load at the next start, when what they need is there again.
        return replace(record, previous=candidates[0] if candidates else None)

    def _note(self, step: Transition) -> None:
        self._audit.note(step)
