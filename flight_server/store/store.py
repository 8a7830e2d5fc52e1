"""The store: what the server asks of it, and how its parts are put together."""

from __future__ import annotations

import builtins
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pyarrow as pa

from flight_server.config import StoreConfig
from flight_server.errors import DatasetExists, SchemaMismatch, UnknownDataset
from flight_server.failpoints import Failpoints
from flight_server.store.catalog import Catalog
from flight_server.store.commits import Committer
from flight_server.store.compaction import Compactor
from flight_server.store.fitting import Fit
from flight_server.store.leases import Leases
from flight_server.store.ledger import check_mode, of_dataset
from flight_server.store.lock import StoreLock
from flight_server.store.reading import SegmentReaders
from flight_server.store.records import DatasetInfo, DropReceipt, Mode, PutTarget, Receipt, VersionInfo
from flight_server.store.segments import SegmentFolder, sync_folder
from flight_server.store.snapshots import Snapshot, Snapshots
from flight_server.store.staging import StagedPut
from flight_server.store.sweeping import Sweeper, sweep_at_start
from flight_server.store.upkeep import Upkeep
from flight_server.store.writing import SegmentWriter

__all__ = ["DatasetInfo", "DropReceipt", "PutTarget", "Receipt", "Snapshot", "StagedPut", "Store", "VersionInfo"]

#: So many puts wake the upkeep before its time: a dataset of many small segments is slow to open.
_PUTS_TO_WAKE = 512


class Store:
    """Datasets in one folder, of one server. Every method may be called from any thread."""

    def __init__(
        self, config: StoreConfig, *, clock: Callable[[], float], start_background: bool, failpoints: Failpoints
    ) -> None:
        """Take the folder, and clear away what a crash left; called by ``open``."""
        root = Path(config.path)
        self._config = config
        self._clock = clock
        self._failpoints = failpoints
        self._puts = 0
        self._staged_lock = threading.Lock()
        self._staged: weakref.WeakSet[StagedPut] = weakref.WeakSet()
        root.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo:  # what was opened when the rest cannot be
            self._lock = StoreLock(root)
            undo.callback(self._lock.close)
            failpoints.hit("store.open.locked")
            self._folder = SegmentFolder(root, failpoints)
            self._folder.make()
            self._catalog = Catalog(root / "catalog.sqlite")
            undo.callback(self._catalog.close)
            sync_folder(root)
            sweep_at_start(self._catalog, self._folder)
            failpoints.hit("store.open.swept")
            self._compose(start_background=start_background)
            undo.pop_all()

    def _compose(self, *, start_background: bool) -> None:
        config = self._config
        self._leases = Leases()
        self._readers = SegmentReaders(self._catalog, self._folder)
        self._snapshots = Snapshots(
            self._catalog, self._readers, self._leases, clock=self._clock, retain_secs=config.retain_secs
        )
        self._committer = Committer(self._catalog, self._folder, self._failpoints)
        self._compactor = Compactor(
            config, self._catalog, self._snapshots, self._committer, writer=self._writer, failpoints=self._failpoints
        )
        self._sweeper = Sweeper(
            config,
            self._catalog,
            self._folder,
            self._committer,
            leases=self._leases,
            readers=self._readers,
            clock=self._clock,
            failpoints=self._failpoints,
        )
        self._upkeep: Upkeep | None = None
        if start_background:
            tasks = {"compaction": self._compactor.run, "sweep": self._sweeper.run}
            self._upkeep = Upkeep(tasks, config.sweep_interval_secs)

    @classmethod
    def open(
        cls,
        config: StoreConfig,
        *,
        clock: Callable[[], float] = time.time,
        start_background: bool = True,
        failpoints: Failpoints | None = None,
    ) -> Self:
        """Open the store in ``config.path``, making it if missing, and clear away what a crash left.

        ``clock`` gives Unix seconds. Failpoints come from the environment by default. Raises ``StoreLocked`` when another
        server has it open, ``CatalogRefused`` when a newer one wrote it or it is damaged.
        """
        return cls(
            config, clock=clock, start_background=start_background, failpoints=failpoints or Failpoints.from_environment()
        )

    def close(self) -> None:
        """Finish the commits that were asked for, discard puts under way, and let go of the folder.

        Snapshots that are open can be read on as far as their segments are open.
        """
        for staged in self._under_way():
            staged.discard()
        if self._upkeep is not None:
            self._upkeep.close()
        self._committer.close()
        self._catalog.close()
        self._lock.close()

    def check_put(self, dataset: str, mode: Mode, put_id: str | None) -> PutTarget:
        """Refuse a put before any of its data, or find the receipt of the same put.

        Raises ``DatasetExists``, and ``BadRequest`` for a put_id that another dataset has used.
        """
        replay = self.put_status(put_id) if put_id is not None else None
        if replay is not None:
            return PutTarget(replay=of_dataset(replay, dataset), schema=None)
        current = self._catalog.current(dataset)
        check_mode(mode, current, dataset)
        return PutTarget(replay=None, schema=current.schema if current is not None and mode == "append" else None)

    def stage(
        self, dataset: str, schema: pa.Schema, *, mode: Mode, put_id: str | None, target: PutTarget | None = None
    ) -> StagedPut:
        """Begin a put of batches of ``schema``. Raises ``SchemaMismatch`` and ``DatasetExists``; ``commit`` checks again.

        ``target`` is what ``check_put`` said of it a moment ago, and spares another look.
        """
        try:
            target = target or self.check_put(dataset, mode, None)
            fit = None if target.schema is None else Fit(dataset, target.schema, schema)
        except (DatasetExists, SchemaMismatch):
            if put_id is None or self.put_status(put_id) is None:
                raise
            fit = None  # the same put was committed a moment ago: this one's commit will be answered with its receipt
        kept = schema if fit is None else fit.wanted
        staged = StagedPut(
            dataset=dataset,
            mode=mode,
            put_id=put_id,
            schema=kept,
            fit=fit,
            writer=self._writer(kept),
            committer=self._committer,
            clock=self._clock,
        )
        with self._staged_lock:
            self._staged.add(staged)
            self._puts += 1
        if self._upkeep is not None and self._puts % _PUTS_TO_WAKE == 0:
            self._upkeep.wake()
        return staged

    def snapshot(self, dataset: str, version: int | None = None) -> Snapshot:
        """Open a version, the newest by default. Raises ``UnknownDataset`` and ``UnknownVersion``."""
        return self._snapshots.open(dataset, version)

    def list(self, prefix: str = "") -> builtins.list[DatasetInfo]:
        """Return the datasets whose names begin with ``prefix``, in name order."""
        return self._catalog.datasets(prefix)

    def versions(self, dataset: str) -> builtins.list[VersionInfo]:
        """Return the versions that can be read, oldest first, also those of a dropped dataset. Raises ``UnknownDataset``."""
        found = self._catalog.versions(dataset, self._clock() - self._config.retain_secs)
        if not found:
            raise self._snapshots.unknown_dataset(dataset)
        return found

    def drop(self, dataset: str) -> DropReceipt:
        """End a dataset, durably; its versions stay readable for ``retain_secs``. Raises ``UnknownDataset``."""
        self._failpoints.hit("store.drop.started")
        try:
            return self._committer.commit(lambda ledger: ledger.drop(dataset, self._clock()))
        except UnknownDataset:
            raise self._snapshots.unknown_dataset(dataset) from None

    def put_status(self, put_id: str) -> Receipt | None:
        """Return the receipt of a put that was committed, None for one that was not, or is forgotten."""
        return self._catalog.receipt(put_id)

    def compact(self) -> int:
        """Merge small segments now; return how many were merged away. The background does it by itself."""
        return self._compactor.run()

    def sweep(self) -> int:
        """Expire and delete now; return how many segments went. The background does it by itself."""
        return self._sweeper.run()

    def stats(self) -> dict[str, object]:
        """Return figures for people: counts, bytes, and the Unix time when the upkeep last showed that it lives."""
        return {
            **self._catalog.totals(),
            "staged_puts": len(self._under_way()),
            "open_snapshots": len(self._leases),
            "upkeep_heartbeat": None if self._upkeep is None else self._upkeep.heartbeat,
        }

    def _writer(self, schema: pa.Schema) -> SegmentWriter:
        return SegmentWriter(schema, self._folder, self._config.inline_limit_bytes, self._failpoints)

    def _under_way(self) -> builtins.list[StagedPut]:
        with self._staged_lock:
            return [staged for staged in self._staged if not staged.ended]
