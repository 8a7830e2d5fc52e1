"""Sweeping: what was kept long enough is forgotten, and segments that nobody can need any more are deleted."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from flight_server.config import StoreConfig
from flight_server.failpoints import Failpoints
from flight_server.store.catalog import Catalog
from flight_server.store.commits import Committer
from flight_server.store.leases import Leases
from flight_server.store.ledger import BATCH_ROWS
from flight_server.store.reading import SegmentReaders
from flight_server.store.segments import SegmentFolder


class Sweeper:
    """Expires versions and put_ids, and deletes segments."""

    def __init__(  # noqa: PLR0913 - made in one place
        self,
        config: StoreConfig,
        catalog: Catalog,
        folder: SegmentFolder,
        committer: Committer,
        *,
        leases: Leases,
        readers: SegmentReaders,
        clock: Callable[[], float],
        failpoints: Failpoints,
    ) -> None:
        self._config = config
        self._catalog = catalog
        self._folder = folder
        self._committer = committer
        self._leases = leases
        self._readers = readers
        self._clock = clock
        self._failpoints = failpoints

    def run(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """Expire and delete until nothing is left to do, or ``stopped`` says so; return how many segments went."""
        while self._expire() and not stopped():
            pass
        self._failpoints.hit("store.sweep.expired")
        # What is unneeded now stays so. A snapshot that may still have found it is in the leases, or gets there before
        # they answer; one that is opened later finds it no more. The order of these two lines is what makes that true.
        unneeded = self._catalog.unneeded()
        held = self._leases.held()
        free = [(segment_id, file) for segment_id, file in unneeded if segment_id not in held]
        for start in range(0, len(free), BATCH_ROWS):
            if stopped():
                return start
            self._delete(free[start : start + BATCH_ROWS])
        return len(free)

    def _expire(self) -> int:
        now = self._clock()
        return self._committer.commit(
            lambda ledger: ledger.expire(now - self._config.retain_secs, now - self._config.put_id_retain_secs)
        )

    def _delete(self, free: list[tuple[int, str | None]]) -> None:
        ids = [segment_id for segment_id, _ in free]
        self._committer.commit(lambda ledger: ledger.forget(ids))
        self._failpoints.hit("store.sweep.forgotten")
        for _, file in free:
            if file is not None:
                self._folder.remove(file)
                self._failpoints.hit("store.sweep.unlinked")
        self._readers.forget(ids)


def sweep_at_start(catalog: Catalog, folder: SegmentFolder) -> None:
    """Remove what a crash left: staged files, and segments' files that the catalogue does not know."""
    log = structlog.get_logger("flight_server.store")
    staged = folder.clear_staging()
    known = catalog.files()
    there = set(folder.names())
    for name in there - known:
        folder.remove(name)
    if staged or there - known:
        log.info("Files that a crash left were removed.", staged=staged, segments=len(there - known))
    if known - there:
        log.error("Files of segments are missing: their datasets cannot be read.", segments=len(known - there))
