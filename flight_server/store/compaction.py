"""Compaction: small segments that lie side by side become one, and no reader notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import structlog

from flight_server.config import StoreConfig
from flight_server.errors import ServerError, UnknownDataset
from flight_server.failpoints import Failpoints
from flight_server.store.catalog import Catalog
from flight_server.store.commits import Committer
from flight_server.store.faults import damaged
from flight_server.store.segments import Segment
from flight_server.store.snapshots import Snapshot, Snapshots
from flight_server.store.writing import SegmentWriter


class Compactor:
    """Merges segments; the versions and their rows stay as they are."""

    def __init__(
        self,
        config: StoreConfig,
        catalog: Catalog,
        snapshots: Snapshots,
        committer: Committer,
        *,
        writer: Callable[[pa.Schema], SegmentWriter],
        failpoints: Failpoints,
    ) -> None:
        self._config = config
        self._catalog = catalog
        self._snapshots = snapshots
        self._committer = committer
        self._writer = writer
        self._failpoints = failpoints
        self._log = structlog.get_logger("flight_server.store")

    def run(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """Merge all that is worth it, until ``stopped`` says so; return how many segments were merged away."""
        merged = 0
        for dataset in self._catalog.fragmented(self._config.compact_below_bytes, self._config.compact_min_segments):
            if stopped():
                break
            try:
                merged += self._compact(dataset, stopped)
            except UnknownDataset:  # dropped meanwhile
                continue
            except ServerError as error:
                self._log.error(
                    "A dataset could not be compacted.", dataset=dataset, error=repr(error), cause=repr(error.__cause__)
                )
        return merged

    def _compact(self, dataset: str, stopped: Callable[[], bool]) -> int:
        merged = 0
        with self._snapshots.open(dataset, None) as snapshot:
            for run in runs(snapshot.segments, self._config.compact_below_bytes, self._config.compact_min_segments):
                if self._merge(snapshot, run, stopped):
                    merged += len(run)
        return merged

    def _merge(self, snapshot: Snapshot, run: Sequence[Segment], stopped: Callable[[], bool]) -> bool:
        self._failpoints.hit("store.compact.started")
        writer = self._writer(snapshot.schema)
        try:
            for segment in run:
                for batch in snapshot.of(segment):
                    if stopped():
                        return False
                    writer.write(batch)
            sealed = writer.seal()
            if sealed is None or sealed.rows != sum(segment.rows for segment in run):
                raise damaged(snapshot.dataset, "the segments have not the rows that the catalogue says")
            self._failpoints.hit("store.compact.written")
            done = self._committer.commit(
                lambda ledger: ledger.merge(snapshot.dataset, run, sealed), file=sealed.file, unwanted=lambda done: not done
            )
            self._failpoints.hit("store.compact.committed")
            return done
        finally:
            writer.discard()


def runs(segments: Sequence[Segment], below_bytes: int, min_segments: int) -> Iterator[Sequence[Segment]]:
    """Yield what is to be merged: neighbours that are each smaller than ``below_bytes``, ``min_segments`` or more.

    A run ends when it has grown to ``below_bytes``: what comes of it is not small any more.
    """
    run: list[Segment] = []
    for segment in segments:
        if segment.size >= below_bytes:
            yield from _worthwhile(run, min_segments)
            run = []
            continue
        run.append(segment)
        if len(run) >= min_segments and sum(each.size for each in run) >= below_bytes:
            yield from _worthwhile(run, min_segments)
            run = []
    yield from _worthwhile(run, min_segments)


def _worthwhile(run: list[Segment], min_segments: int) -> Iterator[Sequence[Segment]]:
    """Leave out the first ones while they are larger than all that follow: a byte is written again a few times only."""
    rest = sum(segment.size for segment in run)
    start = 0
    while len(run) - start >= min_segments:
        rest -= run[start].size
        if run[start].size <= rest:
            yield run[start:]
            return
        start += 1
