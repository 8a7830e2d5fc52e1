"""Snapshots: one version of a dataset, held while it is read."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

import pyarrow as pa

from flight_server.errors import UnknownDataset, UnknownVersion
from flight_server.store.catalog import Catalog, Version
from flight_server.store.faults import damaged
from flight_server.store.leases import Lease, Leases
from flight_server.store.reading import SegmentReaders
from flight_server.store.segments import Segment
from format_plugins.slicing import TARGET_BYTES
from format_plugins.spelling import did_you_mean, nearest

#: Several segments that are so small together are read whole, and Arrow then sends all of them without Python.
_WHOLE_BYTES = 4 * TARGET_BYTES


class Snapshots:
    """Opens snapshots."""

    def __init__(
        self, catalog: Catalog, readers: SegmentReaders, leases: Leases, *, clock: Callable[[], float], retain_secs: float
    ) -> None:
        self._catalog = catalog
        self._readers = readers
        self._leases = leases
        self._clock = clock
        self._retain_secs = retain_secs

    def open(self, dataset: str, version: int | None) -> Snapshot:
        """Return a snapshot of a version, the newest for None. Raises ``UnknownDataset`` and ``UnknownVersion``."""
        with self._leases.opening() as lease:
            found, segments, last = self._look_up(dataset, version)
            if found is None:
                raise self._unknown(dataset, version, last)
            lease.segments = frozenset(segment.id for segment in segments)
        return Snapshot(found, segments, self._readers, self._leases, lease)

    def _look_up(self, dataset: str, version: int | None) -> tuple[Version | None, Sequence[Segment], int]:
        """Return a readable version and its segments at one moment, and the last number that the name had."""
        with self._catalog.reading() as db:
            db.execute("BEGIN")
            last = self._catalog.last_number(dataset, db)
            found = self._catalog.current(dataset, db) if version is None else self._catalog.version(dataset, version, db)
            if found is None or self._is_expired(found):
                return None, (), last
            return found, self._catalog.segments(found, db), last

    def _is_expired(self, version: Version) -> bool:
        return version.superseded is not None and version.superseded + self._retain_secs < self._clock()

    def _unknown(self, dataset: str, version: int | None, last: int) -> UnknownDataset | UnknownVersion:
        if version is None or last == 0:
            return self.unknown_dataset(dataset)
        if 0 < version <= last:
            return UnknownVersion(
                f"version {version} of {dataset!r} is not kept any more: superseded and dropped versions stay readable "
                f"for {self._retain_secs:g} seconds",
                newest=last,
            )
        return UnknownVersion(f"{dataset!r} has no version {version}: the newest is {last}", newest=last)

    def unknown_dataset(self, dataset: str) -> UnknownDataset:
        """Return the error of a name that is no dataset's, with the nearest that is one."""
        similar = self._catalog.similar(dataset)
        return UnknownDataset(
            f"there is no dataset {dataset!r}{did_you_mean(dataset, similar)}", nearest=nearest(dataset, similar)
        )


class Snapshot:
    """One version of a dataset: its segments stay until it is closed. ``bytes`` are Arrow bytes; times are Unix seconds.

    A ``native`` reader holds all that it reads once it is made: the snapshot may be closed then. Other iterators end with
    the snapshot.
    """

    def __init__(
        self, version: Version, segments: Sequence[Segment], readers: SegmentReaders, leases: Leases, lease: Lease
    ) -> None:
        self.dataset = version.dataset
        self.version = version.version
        self.schema: pa.Schema = version.schema
        self.rows = version.rows
        self.bytes = version.bytes
        self.created = version.created
        self.updated = version.committed
        self.segments = segments
        self._readers = readers
        self._release = weakref.finalize(self, leases.release, lease)  # also for one that nobody closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the segments."""
        self._release()

    def native(self) -> bool:
        """Whether ``reader`` is Arrow's own all the way: no Python, and no interpreter lock, per batch."""
        return len(self.segments) <= 1 or sum(segment.size for segment in self.segments) <= _WHOLE_BYTES

    def reader(self) -> pa.RecordBatchReader:
        """Return all rows as one stream. Raises ``Internal`` when stored bytes are damaged."""
        if len(self.segments) == 1:
            only = self._readers.open(self.segments[0], self.dataset)
            if only.schema.equals(self.schema, check_metadata=True):
                return only
        batches = self.batches()
        if self.native():
            return pa.Table.from_batches(list(batches), self.schema).to_reader()
        return pa.RecordBatchReader.from_batches(self.schema, batches)

    def batches(self, *, offset: int = 0, limit: int | None = None) -> Iterator[pa.RecordBatch]:
        """Yield ``limit`` rows (all for None) after the first ``offset``; what is skipped is not read."""
        left = self.rows if limit is None else limit
        for segment in self.segments:
            if left <= 0:
                return
            if offset >= segment.rows:
                offset -= segment.rows
                continue
            for batch in self.of(segment):
                piece = batch.slice(offset, min(left, batch.num_rows))
                offset = max(offset - batch.num_rows, 0)
                left -= piece.num_rows
                if piece.num_rows:
                    yield piece
                if left <= 0:
                    return

    def of(self, segment: Segment) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one of the segments."""
        if not self._release.alive:
            raise ValueError("the snapshot is closed")
        reader = self._readers.open(segment, self.dataset)
        same = reader.schema.equals(self.schema, check_metadata=True)
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (pa.ArrowInvalid, OSError) as error:
                raise damaged(self.dataset, error) from error
            yield batch if same else _with_schema(batch, self.schema)


def _with_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch under the dataset's schema: two puts that made the dataset at once may differ in metadata."""
    if not schema.names:
        return batch.replace_schema_metadata(schema.metadata)
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
