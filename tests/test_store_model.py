"""The store against a model of it that is a dictionary: any order of any of its operations."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from store_folder import Clock, files, held, numbers, opened, put

from flight_server.errors import DatasetExists, UnknownDataset, UnknownVersion

RETAIN_SECS = 100
NAMES = st.sampled_from(["a", "a/b", "c"])
VALUES = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5)
PUT_IDS = st.none() | st.integers(0, 10)


class Versions(RuleBasedStateMachine):
    """``live`` is the newest version of each dataset, ``past`` when the others ceased to be it."""

    @initialize(inline=st.booleans())
    def open(self, inline):
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.inline_limit_bytes = 1 << 20 if inline else 0
        self.rows, self.live, self.past, self.last, self.receipts = {}, {}, {}, {}, {}
        self.snapshots = []
        self._open()

    def _open(self):
        self.closing = contextlib.ExitStack()
        self.store = self.closing.enter_context(
            opened(
                self.folder,
                clock=self.clock,
                retain_secs=float(RETAIN_SECS),
                inline_limit_bytes=self.inline_limit_bytes,
                compact_min_segments=2,
            )
        )

    def teardown(self):
        if hasattr(self, "closing"):
            self.closing.close()
            shutil.rmtree(self.folder)

    @rule(name=NAMES, values=VALUES, mode=st.sampled_from(["append", "append", "create", "replace"]), put_id=PUT_IDS)
    def put(self, name, values, mode, put_id):
        key = None if put_id is None else f"{name}-{put_id}"
        if key in self.receipts:
            again = put(self.store, name, numbers(*values), mode=mode, put_id=key)
            assert (again.replayed, again.version, again.rows) == (True, *self.receipts[key])
            return
        if mode == "create" and name in self.live:
            with pytest.raises(DatasetExists):
                put(self.store, name, numbers(*values), mode=mode, put_id=key)
            return
        receipt = put(self.store, name, numbers(*values), mode=mode, put_id=key)
        kept = self.rows[name, self.live[name]] if mode == "append" and name in self.live else []
        self._supersede(name)
        self.last[name] = self.live[name] = self.last.get(name, 0) + 1
        self.rows[name, self.live[name]] = [*kept, *values]
        assert (receipt.version, receipt.rows, receipt.replayed) == (self.live[name], len(values), False)
        if key is not None:
            self.receipts[key] = (receipt.version, receipt.rows)

    @rule(name=NAMES)
    def drop(self, name):
        if name not in self.live:
            with pytest.raises(UnknownDataset):
                self.store.drop(name)
            return
        assert self.store.drop(name).version == self.live[name]
        self._supersede(name)

    @rule(name=NAMES, version=st.integers(1, 12))
    def read(self, name, version):
        superseded = self.past.get((name, version))
        readable = self.live.get(name) == version or (superseded is not None and self.clock.now <= superseded + RETAIN_SECS)
        if readable:
            assert held(self.store, name, version) == self.rows[name, version]
        else:
            with pytest.raises(UnknownVersion if name in self.last else UnknownDataset):
                self.store.snapshot(name, version)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def begin_to_read(self, data):
        name = data.draw(st.sampled_from(sorted(self.live)))
        self.snapshots.append((self.store.snapshot(name), self.rows[name, self.live[name]]))

    @precondition(lambda self: self.snapshots)
    @rule()
    def end_to_read(self):
        snapshot, rows = self.snapshots.pop(0)
        with snapshot:
            assert [n for batch in snapshot.batches() for n in batch["n"].to_pylist()] == rows

    @rule(seconds=st.sampled_from([1, RETAIN_SECS // 2, RETAIN_SECS + 1]))
    def wait(self, seconds):
        self.clock.now += seconds

    @rule()
    def compact(self):
        self.store.compact()

    @rule()
    def sweep(self):
        self.store.sweep()

    @rule()
    def restart(self):
        for snapshot, _ in self.snapshots:
            snapshot.close()
        self.snapshots.clear()
        self.closing.close()
        self._open()

    @invariant()
    def the_list_is_right(self):
        if hasattr(self, "store"):
            found = {info.dataset: (info.version, info.rows) for info in self.store.list()}
            assert found == {name: (version, len(self.rows[name, version])) for name, version in self.live.items()}
            assert {f"{path.stem}" for path in files(self.folder)} == self.store._catalog.files()

    def _supersede(self, name):
        if name in self.live:
            self.past[name, self.live.pop(name)] = self.clock.now


TestVersions = Versions.TestCase
TestVersions.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
