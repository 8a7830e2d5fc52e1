import re
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
import xxhash
from procfs import in_use
from store_folder import Clock, files, held, numbers, opened, put
from structlog.testing import capture_logs

from flight_server.errors import (
    BadRequest,
    DatasetExists,
    IncompletePut,
    SchemaMismatch,
    ShuttingDown,
    UnknownDataset,
    UnknownVersion,
)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=[0, 1 << 20], ids=["files", "inline"])
def store(tmp_path, clock, request):
    with opened(tmp_path, clock=clock, inline_limit_bytes=request.param, compact_min_segments=2) as store:
        yield store


def in_threads(count, task):
    threads = [threading.Thread(target=task, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_puts_make_versions_and_every_version_keeps_its_rows(store):
    put(store, "d", numbers(1, 2))
    put(store, "d", numbers(3))
    put(store, "d", numbers(4), mode="replace")
    put(store, "d", numbers(5))
    assert [held(store, "d", version) for version in (1, 2, 3, 4)] == [[1, 2], [1, 2, 3], [4], [4, 5]]
    assert held(store, "d") == [4, 5]


def test_a_store_opened_again_has_what_was_put(tmp_path):
    with opened(tmp_path) as store:
        put(store, "a", numbers(1), put_id="p", details={"format": "csv"})
        put(store, "b", numbers(*range(100_000)))
    with opened(tmp_path) as store:
        assert held(store, "a") == [1]
        assert held(store, "b") == list(range(100_000))
        assert store.put_status("p").details == {"format": "csv"}
        assert put(store, "a", numbers(2)).version == 2


def test_a_receipt_says_what_the_put_added(store, clock):
    put(store, "d", numbers(1))
    receipt = put(store, "d", numbers(2, 3), put_id="p", details={"format": "arrow"})
    assert (receipt.dataset, receipt.version, receipt.rows, receipt.put_id) == ("d", 2, 2, "p")
    assert (receipt.details, receipt.replayed, receipt.committed) == ({"format": "arrow"}, False, clock.now)
    assert 0 < receipt.bytes < 1000


def test_create_refuses_a_dataset_that_exists_at_each_step(store):
    staged = store.stage("d", numbers().schema, mode="create", put_id=None)
    staged.write(numbers(1))
    put(store, "d", numbers(2), mode="create")
    with pytest.raises(DatasetExists):
        store.check_put("d", "create", None)
    with pytest.raises(DatasetExists):
        store.stage("d", numbers().schema, mode="create", put_id=None)
    with pytest.raises(DatasetExists):
        staged.commit({})
    assert held(store, "d") == [2]


def test_replace_may_change_the_schema_and_older_versions_keep_theirs(store):
    put(store, "d", numbers(1))
    put(store, "d", pa.record_batch({"s": ["x"]}), mode="replace")
    assert store.snapshot("d", 1).schema == numbers().schema
    assert store.snapshot("d").schema == pa.schema([("s", pa.string())])


def test_an_append_staged_before_a_replace_with_another_schema_is_refused(store):
    put(store, "d", numbers(1))
    with store.stage("d", numbers().schema, mode="append", put_id=None) as staged:
        staged.write(numbers(2))
        put(store, "d", pa.record_batch({"s": ["x"]}), mode="replace")
        with pytest.raises(SchemaMismatch):
            staged.commit({})
    assert store.snapshot("d").rows == 1


def test_a_put_that_is_left_without_commit_leaves_nothing(store, tmp_path):
    with store.stage("d", numbers().schema, mode="append", put_id="p") as staged:
        staged.write(numbers(*range(500_000)))
        assert staged.rows == 500_000
        assert staged.bytes > 4_000_000
    assert store.list() == []
    assert store.put_status("p") is None
    assert files(tmp_path) == []


def test_a_put_may_be_discarded_from_another_thread_and_then_takes_no_more(store, tmp_path):
    staged = store.stage("d", numbers().schema, mode="append", put_id=None)
    staged.write(numbers(*range(500_000)))
    in_threads(3, lambda _: staged.discard())
    with pytest.raises(IncompletePut):
        staged.write(numbers(1))
    with pytest.raises(IncompletePut):
        staged.commit({})
    assert files(tmp_path) == []


def test_a_dataset_has_its_totals_and_times(store, clock):
    put(store, "d", numbers(1))
    created, clock.now = clock.now, clock.now + 5
    put(store, "d", numbers(2, 3))
    (info,) = store.list()
    assert (info.dataset, info.version, info.rows, info.schema) == ("d", 2, 3, numbers().schema)
    assert (info.created, info.updated) == (created, created + 5)
    assert (
        info.bytes
        == store.snapshot("d").bytes
        == sum(pa.ipc.get_record_batch_size(each) for each in (numbers(1), numbers(2, 3)))
    )


def test_datasets_are_listed_by_prefix_in_name_order(store):
    for name in ("b", "a/2", "a/10", "a_", "A"):
        put(store, name, numbers(1))
    assert [info.dataset for info in store.list()] == ["A", "a/10", "a/2", "a_", "b"]
    assert [info.dataset for info in store.list("a/")] == ["a/10", "a/2"]
    assert store.list("%") == store.list("\udc80") == []


def test_versions_say_what_made_them(store):
    put(store, "d", numbers(1), mode="replace")
    put(store, "d", numbers(2), put_id="p")
    put(store, "d", numbers(3), mode="replace")
    found = [(each.version, each.rows, each.operation, each.put_id, each.current) for each in store.versions("d")]
    assert found == [(1, 1, "create", None, False), (2, 2, "append", "p", False), (3, 1, "replace", None, True)]


def test_unknown_names_suggest_the_nearest(store):
    put(store, "sales/2026", numbers(1))
    for ask in (store.snapshot, store.versions, store.drop):
        with pytest.raises(UnknownDataset, match=r"did you mean 'sales/2026'\?"):
            ask("sales/2025")


@pytest.mark.parametrize("version", [0, -1, 2, 1 << 70])
def test_a_version_that_never_was_is_refused(store, version):
    put(store, "d", numbers(1))
    with pytest.raises(UnknownVersion, match="the newest is 1"):
        store.snapshot("d", version)


def test_a_dropped_dataset_is_gone_but_its_versions_stay_readable_for_a_while(store, clock):
    put(store, "d", numbers(1))
    put(store, "d", numbers(2))
    assert (store.drop("d").dataset, store.versions("d")[-1].version) == ("d", 2)
    assert store.list() == []
    with pytest.raises(UnknownDataset):
        store.snapshot("d")
    with pytest.raises(UnknownDataset):
        store.drop("d")
    clock.now += 3599
    store.sweep()
    assert held(store, "d", 2) == [1, 2]
    clock.now += 2
    with pytest.raises(UnknownVersion, match="is not kept any more"):
        store.snapshot("d", 2)
    with pytest.raises(UnknownDataset):
        store.versions("d")


def test_no_version_number_is_used_twice(store, clock):
    put(store, "d", numbers(1))
    store.drop("d")
    assert put(store, "d", numbers(2), mode="create").version == 2
    assert store.list()[0].created == clock.now
    assert (held(store, "d", 1), held(store, "d")) == ([1], [2])
    store.drop("d")
    clock.now += 4000
    store.sweep()
    assert put(store, "d", numbers(3)).version == 3
    assert held(store, "d") == [3]


def test_what_expired_is_deleted_and_what_is_read_is_not(store, clock, tmp_path):
    put(store, "d", numbers(1))
    put(store, "d", numbers(2), mode="replace")
    snapshot = store.snapshot("d", 1)
    clock.now += 3601
    store.sweep()
    assert [each.version for each in store.versions("d")] == [2]
    assert snapshot.reader().read_all()["n"].to_pylist() == [1]
    assert store.stats()["segments"] == 2
    snapshot.close()
    assert store.sweep() == 1
    assert held(store, "d") == [2]
    assert len(files(tmp_path)) in (0, 1)
    assert store.stats()["segments"] == 1


def test_a_snapshot_that_nobody_closed_holds_nothing_for_ever(store, clock):
    put(store, "d", numbers(1))
    store.snapshot("d")
    store.drop("d")
    clock.now += 3601
    assert store.sweep() == 1


def test_batches_of_a_native_reader_outlive_snapshot_sweep_and_store(tmp_path, clock):
    with opened(tmp_path, clock=clock, inline_limit_bytes=0) as store:
        put(store, "d", numbers(*range(1_000_000)))
        with store.snapshot("d") as snapshot:
            assert snapshot.native()
            reader = snapshot.reader()
        store.drop("d")
        clock.now += 3601
        assert store.sweep() == 1
        assert files(tmp_path) == []
    assert reader.read_all()["n"].to_pylist() == list(range(1_000_000))


def test_rows_are_skipped_and_limited_across_segments(store):
    for start in range(0, 100, 10):
        put(store, "d", numbers(*range(start, start + 10)))
    for offset, limit in [(0, None), (0, 0), (5, 10), (10, 10), (99, 5), (100, 1), (1000, None), (37, 1), (0, 1000)]:
        with store.snapshot("d") as snapshot:
            found = [n for batch in snapshot.batches(offset=offset, limit=limit) for n in batch["n"].to_pylist()]
        assert found == list(range(100))[offset:][:limit]


def test_large_segments_are_read_in_order_with_python_and_small_ones_without(store):
    size = 150_000
    for start in range(0, 8 * size, size):
        put(store, "large", numbers(*range(start, start + size)))
    for n in range(40):
        put(store, "small", numbers(n))
    assert (store.snapshot("large").native(), store.snapshot("small").native()) == (False, True)
    assert (held(store, "large"), held(store, "small")) == (list(range(8 * size)), list(range(40)))


def test_a_closed_snapshot_gives_no_more_rows(store):
    put(store, "d", numbers(1))
    snapshot = store.snapshot("d")
    batches = snapshot.batches()
    snapshot.close()
    with pytest.raises(ValueError, match="closed"):
        next(batches)


def test_the_same_put_id_is_stored_once_and_answered_alike(store):
    first = put(store, "d", numbers(1), put_id="p", details={"format": "csv", "plugin": {"generation": 3}})
    again = put(store, "d", numbers(1), put_id="p", details={"format": "other"})
    early = store.check_put("d", "create", "p").replay
    assert (first.replayed, again.replayed) == (False, True)
    assert again == early == store.put_status("p")
    assert (again.version, again.rows, again.bytes, again.details) == (1, 1, first.bytes, first.details)
    assert held(store, "d") == [1]


def test_a_put_id_of_another_dataset_is_refused(store):
    put(store, "d", numbers(1), put_id="p")
    with pytest.raises(BadRequest, match="was used for the dataset 'd'"):
        store.check_put("e", "append", "p")
    with pytest.raises(BadRequest, match="every put takes a new one"):
        put(store, "e", numbers(1), put_id="p")
    assert [info.dataset for info in store.list()] == ["d"]


def test_a_put_id_is_answered_after_a_drop_and_forgotten_in_the_end(store, clock):
    put(store, "d", numbers(1), put_id="p")
    store.drop("d")
    clock.now += 29 * 86400
    store.sweep()
    assert put(store, "d", numbers(1), put_id="p").replayed
    assert store.list() == []
    clock.now += 2 * 86400
    store.sweep()
    assert store.put_status("p") is None
    assert put(store, "d", numbers(1), put_id="p").version == 2


@pytest.mark.parametrize("mode", ["append", "create", "replace"])
def test_the_same_put_id_from_many_threads_at_once_is_stored_once(store, tmp_path, mode):
    receipts = []
    gate = threading.Barrier(8)

    def send(number):
        gate.wait()
        with store.stage("d", numbers().schema, mode=mode, put_id="p") as staged:
            staged.write(numbers(number))
            receipts.append(staged.commit({"from": number}))

    in_threads(8, send)
    assert [receipt.replayed for receipt in receipts].count(False) == 1
    assert {receipt.version for receipt in receipts} == {1}
    assert {receipt.details["from"] for receipt in receipts} == set(held(store, "d"))
    assert len(files(tmp_path)) <= 1


def test_appends_from_many_threads_are_all_there_in_the_order_of_their_versions(store):
    versions = {}

    def send(number):
        for step in range(25):
            versions[put(store, "d", numbers(number * 100 + step)).version] = number * 100 + step

    in_threads(8, send)
    assert sorted(versions) == list(range(1, 201))
    assert held(store, "d") == [versions[version] for version in sorted(versions)]
    for version in (1, 77, 200):
        assert held(store, "d", version) == [versions[each] for each in range(1, version + 1)]


def test_a_refusal_in_a_group_does_not_touch_the_others(tmp_path):
    with opened(tmp_path, failpoints="store.commit.taken=sleep:0.05") as store:
        outcomes = {}

        def send(number):
            try:
                outcomes[number] = put(store, "only" if number % 2 else f"own/{number}", numbers(number), mode="create").version
            except DatasetExists:
                outcomes[number] = "exists"

        in_threads(8, send)
    assert sorted(map(str, outcomes.values())) == ["1"] * 5 + ["exists"] * 3


def test_compaction_merges_neighbours_and_no_reader_notices(store, clock, tmp_path):
    for n in range(20):
        put(store, "d", numbers(n))
    put(store, "d", numbers(*range(20, 30)), mode="replace")
    for n in range(30, 50):
        put(store, "d", numbers(n))
    before = [held(store, "d", version) for version in range(1, 42)]
    open_one, listed, versions = store.snapshot("d"), store.list(), store.versions("d")
    assert store.compact() == 21
    assert (store.list(), store.versions("d")) == (listed, versions)
    assert [held(store, "d", version) for version in range(1, 42)] == before
    assert len(store.snapshot("d").segments) == 1
    store.sweep()
    assert open_one.reader().read_all()["n"].to_pylist() == before[-1]
    assert [batch.num_rows for batch in open_one.batches()] == [10] + [1] * 20
    open_one.close()
    clock.now += 3601
    store.sweep()
    assert held(store, "d") == before[-1]
    assert store.stats()["segments"] == 1
    assert len(files(tmp_path)) <= 1


def test_puts_and_replaces_go_on_beside_compaction_and_sweep(store, clock):
    stop = threading.Event()
    expected = [None]

    def upkeep(_):
        while not stop.is_set():
            clock.now += 1
            store.compact()
            store.sweep()

    def write(_):
        rows = []
        for n in range(150):
            mode = "replace" if n % 40 == 39 else "append"
            rows = [n] if mode == "replace" else [*rows, n]
            put(store, "d", numbers(n), mode=mode)
            assert held(store, "d") == rows
        expected[0] = rows
        stop.set()

    threads = [threading.Thread(target=task, args=(0,)) for task in (upkeep, write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held(store, "d") == expected[0]


def test_the_background_compacts_and_sweeps_by_itself(tmp_path):
    with opened(tmp_path, background=True, sweep_interval_secs=0.02, retain_secs=0.0, compact_min_segments=4) as store:
        for n in range(32):
            put(store, "d", numbers(n))
        deadline = time.monotonic() + 20
        while store.stats()["segments"] > 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert store.stats()["segments"] <= 3
        assert held(store, "d") == list(range(32))
        assert time.time() - store.stats()["upkeep_heartbeat"] < 20


def test_an_error_in_the_background_is_logged_and_the_next_run_succeeds(tmp_path):
    with (
        capture_logs() as logs,
        opened(
            tmp_path,
            background=True,
            sweep_interval_secs=0.02,
            compact_min_segments=4,
            failpoints="store.compact.started=raise@1",
        ) as store,
    ):
        for n in range(8):
            put(store, "d", numbers(n))
        deadline = time.monotonic() + 20
        while len(store.snapshot("d").segments) > 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert held(store, "d") == list(range(8))
        assert len(store.snapshot("d").segments) <= 4
    assert [entry["task"] for entry in logs if entry["log_level"] == "error"] == ["compaction"]


def resident_now():
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) << 10


@pytest.mark.parametrize("puts", [1, 40], ids=["natively", "with Python"])
def test_reading_takes_memory_for_a_few_batches_whatever_the_size(tmp_path, puts):
    batch = numbers(*range(1 << 17))
    with opened(tmp_path) as store:
        for _ in range(puts):
            put(store, "d", *[batch] * (320 // puts))
        with store.snapshot("d") as snapshot:
            before = peak = resident_now()
            for batch in snapshot.reader():
                batch.validate(full=True)
                xxhash.xxh3_64_digest(batch.column(0).buffers()[1])  # every page
                peak = max(peak, resident_now())
    assert snapshot.rows * 8 >= 320 << 20
    assert peak - before < 32 << 20


def test_a_closed_store_takes_and_gives_nothing_more(tmp_path):
    with opened(tmp_path, inline_limit_bytes=0) as store:
        put(store, "d", numbers(1))
        staged = store.stage("d", numbers().schema, mode="append", put_id=None)
        staged.write(numbers(2))
    with pytest.raises(IncompletePut):
        staged.commit({})
    for ask in (store.list, lambda: store.snapshot("d"), lambda: store.drop("d")):
        with pytest.raises(ShuttingDown):
            ask()
    assert len(files(tmp_path)) == 1


def test_threads_and_descriptors_are_let_go_of(tmp_path):
    before = in_use()
    with opened(tmp_path, background=True, inline_limit_bytes=0) as store:
        put(store, "d", numbers(*range(1_000_000)))
        assert held(store, "d")[-1] == 999_999
        in_threads(16, lambda _: held(store, "d"))
    assert in_use() <= before
