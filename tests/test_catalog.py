import sqlite3
import threading

import pytest
from store_folder import held, numbers, opened, put

from flight_server.errors import StorageFull
from flight_server.store.compaction import runs
from flight_server.store.leases import Leases
from flight_server.store.segments import Segment


def segments_of(*sizes):
    return [Segment(number, 1, size, b"", None) for number, size in enumerate(sizes)]


def merged(*sizes, below_bytes=100, min_segments=3):
    return [[segment.size for segment in run] for run in runs(segments_of(*sizes), below_bytes, min_segments)]


def test_the_catalogue_is_durable_before_an_answer(tmp_path):
    with opened(tmp_path) as store, store._catalog.reading() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_the_catalogue_says_which_version_of_itself_it_is(tmp_path):
    with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "store" / "catalog.sqlite") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()


def test_a_full_catalogue_is_storage_full_and_fails_only_what_did_not_fit(tmp_path):
    with opened(tmp_path, inline_limit_bytes=1 << 20, failpoints="store.commit.taken=sleep:0.02") as store:
        put(store, "d", numbers(1))
        pages = store._committer._db.execute("PRAGMA page_count").fetchone()[0]
        store._committer._db.execute(f"PRAGMA max_page_count = {pages + 40}")
        outcomes = []

        def send(number):
            try:
                outcomes.append(put(store, f"d{number}", numbers(*range(60_000 if number == 3 else 10))).rows)
            except StorageFull as error:
                outcomes.append(error.code)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, outcomes)) == ["10"] * 7 + ["storage_full"]
        store._committer._db.execute(f"PRAGMA max_page_count = {pages + 1000}")
        put(store, "d", numbers(*range(2, 60_000)))
        assert held(store, "d") == list(range(1, 60_000))


def test_schemas_of_expired_versions_are_deleted_with_them(tmp_path):
    with opened(tmp_path, retain_secs=0.0) as store:
        for n in range(5):
            put(store, "d", numbers(n).rename_columns([f"c{n}"]), mode="replace")
        store.sweep()
        with store._catalog.reading() as db:
            assert db.execute("SELECT count(*) FROM schema").fetchone() == (1,)
            assert db.execute("SELECT count(*) FROM version").fetchone() == (1,)
        assert store.snapshot("d").schema.names == ["c4"]


def test_a_lookup_that_is_under_way_is_waited_for_before_segments_are_called_free():
    leases = Leases()
    begun, go_on, answered = threading.Event(), threading.Event(), threading.Event()
    answers = []

    def look_up():
        with leases.opening() as lease:
            begun.set()
            go_on.wait(10)
            lease.segments = frozenset([7])

    def ask():
        answers.append(leases.held())
        answered.set()

    threads = [threading.Thread(target=look_up), threading.Thread(target=ask)]
    threads[0].start()
    begun.wait(10)
    threads[1].start()
    assert not answered.wait(0.05)
    go_on.set()
    for thread in threads:
        thread.join()
    assert answers == [{7}]


def test_a_lookup_that_failed_holds_nothing():
    leases = Leases()
    with pytest.raises(KeyError), leases.opening():
        raise KeyError
    assert leases.held() == frozenset()
    assert len(leases) == 0


def test_small_neighbours_are_merged_and_large_segments_are_left_alone():
    assert merged(1, 1, 1, 200, 2, 2, 2) == [[1, 1, 1], [2, 2, 2]]
    assert merged(1, 1, 200, 1, 1) == []


def test_a_run_ends_when_it_has_grown_large():
    assert merged(50, 50, 50, 50, 50, 50, 50) == [[50, 50, 50], [50, 50, 50]]


def test_a_large_result_of_an_earlier_merge_is_not_written_again_for_a_few_small_ones():
    assert merged(90, 1, 1) == []
    assert merged(90, 1, 1, 1) == [[1, 1, 1]]
    assert merged(40, 20, 10, 5, 2) == []
