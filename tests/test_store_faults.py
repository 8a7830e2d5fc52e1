import errno
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from store_folder import files, held, numbers, opened, put
from structlog.testing import capture_logs

from flight_server.errors import Internal, ServerError, StorageFull
from flight_server.failpoints import NAMES, Failpoints
from flight_server.store.catalog import CatalogRefused
from flight_server.store.lock import StoreLocked

STORE_SOURCES = Path(__file__).resolve().parent.parent / "flight_server" / "store"
LARGE = numbers(*range(100_000))


def the_file(folder):
    (path,) = files(folder)
    return folder / "store" / path


def assert_damaged(store, dataset="d"):
    with store.snapshot(dataset) as snapshot:
        for read in (lambda: snapshot.reader().read_all(), lambda: list(snapshot.batches())):
            with pytest.raises(Internal, match=f"the stored data of '{dataset}' is damaged"):
                read()


# --- what the disk gives back is not what was written ---


@pytest.mark.parametrize("where", [0, 9, 400, 400_000, -1])
def test_a_flipped_byte_in_a_file_is_an_error_never_rows(tmp_path, where):
    with opened(tmp_path) as store:
        put(store, "d", LARGE)
    data = bytearray(the_file(tmp_path).read_bytes())
    data[where] ^= 1
    the_file(tmp_path).write_bytes(data)
    with opened(tmp_path) as store:
        put(store, "other", numbers(1))
        assert_damaged(store)
        assert held(store, "other") == [1]


@pytest.mark.parametrize("keep", [0, 1, 400_000, -8])
def test_a_file_cut_short_is_an_error_also_after_it_was_read_whole(tmp_path, keep):
    with opened(tmp_path) as store:
        put(store, "d", LARGE)
        assert len(held(store, "d")) == 100_000
        path = the_file(tmp_path)
        os.truncate(path, keep if keep >= 0 else path.stat().st_size + keep)
        assert_damaged(store)


def test_a_file_that_grew_is_an_error(tmp_path):
    with opened(tmp_path) as store:
        put(store, "d", LARGE)
    with the_file(tmp_path).open("ab") as file:
        file.write(b"\0")
    with opened(tmp_path) as store:
        assert_damaged(store)


def test_a_file_that_is_gone_is_an_error_and_is_told_at_start(tmp_path):
    with opened(tmp_path) as store:
        put(store, "d", LARGE)
    the_file(tmp_path).unlink()
    with capture_logs() as logs, opened(tmp_path) as store:
        assert_damaged(store)
        assert put(store, "d", numbers(1), mode="replace").version == 2
        assert held(store, "d") == [1]
    assert any("missing" in entry["event"] for entry in logs)


def test_a_damaged_error_names_the_dataset_and_no_path(tmp_path):
    with opened(tmp_path) as store:
        put(store, "d", LARGE)
        the_file(tmp_path).unlink()
        with pytest.raises(Internal) as caught, store.snapshot("d") as snapshot:
            snapshot.reader()
    assert caught.value.detail == {"dataset": "d"}
    assert str(tmp_path) not in str(caught.value)


def test_flipped_bytes_of_inline_segments_are_errors(tmp_path):
    with opened(tmp_path) as store:
        put(store, "d", numbers(1, 2, 3))
    with sqlite3.connect(tmp_path / "store" / "catalog.sqlite") as db:
        ((data,),) = db.execute("SELECT data FROM inline").fetchall()
        db.execute("UPDATE inline SET data = ?", (data[:300] + bytes([data[300] ^ 1]) + data[301:],))
    db.close()
    with opened(tmp_path) as store:
        assert_damaged(store)


def test_every_byte_of_a_small_dataset_may_flip_without_a_wrong_row(tmp_path):
    with opened(tmp_path, inline_limit_bytes=0) as store:
        put(store, "d", numbers(1, 2, 3))
    path = the_file(tmp_path)
    good = path.read_bytes()
    with opened(tmp_path) as store:
        for position in range(len(good)):
            path.write_bytes(good[:position] + bytes([good[position] ^ 0x40]) + good[position + 1 :])
            assert_damaged(store)
        path.write_bytes(good)
        assert held(store, "d") == [1, 2, 3]


def test_damage_does_not_stop_the_compaction_of_others(tmp_path):
    with opened(tmp_path, inline_limit_bytes=0, compact_min_segments=2) as store:
        put(store, "a", numbers(1))
        the_file(tmp_path).unlink()
        for dataset in ("a", "b", "b"):
            put(store, dataset, numbers(2))
        with capture_logs() as logs:
            assert store.compact() == 2
        assert held(store, "b") == [2, 2]
        assert logs[0]["dataset"] == "a"


# --- the disk says no ---


@pytest.mark.parametrize("where", ["store.put.staged", "store.put.written", "store.segment.fsync", "store.segment.rename"])
@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EIO"])
def test_a_put_that_the_disk_refuses_fails_alone_and_leaves_nothing(tmp_path, where, number):
    with opened(tmp_path, failpoints=f"{where}=raise:{number}@2") as store:
        put(store, "d", LARGE, put_id="first")
        with pytest.raises(Internal if number == "EIO" else StorageFull) as caught:
            put(store, "d", LARGE, put_id="second")
        assert str(tmp_path) not in str(caught.value)
        assert (store.put_status("second"), store.snapshot("d").rows) == (None, 100_000)
        assert len(files(tmp_path)) == 1
        assert put(store, "d", LARGE, put_id="second").version == 2
        assert store.snapshot("d").reader().read_all().num_rows == 200_000


@pytest.mark.parametrize("where", ["store.folder.fsync", "store.commit.begun", "store.commit.inserted", "store.commit.commit"])
def test_a_commit_that_fails_is_not_acknowledged_and_the_store_works_on(tmp_path, where):
    with opened(tmp_path, failpoints=f"{where}=raise:EIO@2") as store:
        put(store, "d", LARGE, put_id="first")
        with pytest.raises(Internal):
            put(store, "d", LARGE, put_id="second")
        assert (store.put_status("second"), store.snapshot("d").rows) == (None, 100_000)
        assert put(store, "d", LARGE, put_id="second").version == 2
    with opened(tmp_path) as store:
        assert store.snapshot("d").reader().read_all().num_rows == 200_000
        assert len(files(tmp_path)) == 2


def test_an_fsync_that_failed_fails_all_that_it_was_for_and_is_not_tried_again(tmp_path):
    code = """
import sys, threading
from store_folder import *
outcomes = []
def send(number):
    try:
        outcomes.append(put(store, f"d{number}", numbers(*range(20_000))).version)
    except Exception as error:
        outcomes.append(type(error).__name__)
with opened(Path(sys.argv[1]), failpoints="store.commit.taken=sleep:0.3@1,store.folder.fsync=raise:EIO@2") as store:
    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(sorted(map(str, outcomes)), len(store.list()), len(files(Path(sys.argv[1]))))
"""
    code = "from pathlib import Path\n" + code
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=Path(__file__).parent,
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    outcomes, datasets, left = done.stdout.rsplit(maxsplit=2)
    failed = outcomes.count("Internal")
    assert failed >= 1
    assert int(datasets) == int(left) == 6 - failed


def test_a_real_full_disk_is_storage_full_and_the_store_works_on(small_disk):
    with opened(small_disk, inline_limit_bytes=1 << 20) as store:
        put(store, "d", numbers(1))
        with pytest.raises(StorageFull):
            put(store, "d", numbers(*range(1_000_000)))
        assert files(small_disk) == []
        with pytest.raises(StorageFull):  # in the catalogue itself
            fill(store, "inline")
        kept = held(store, "inline")
        store.drop("inline")
        assert put(store, "d", numbers(2)).version == 2
        assert held(store, "d") == [1, 2]
    with opened(small_disk) as store:
        assert held(store, "d") == [1, 2]
        assert held(store, "inline", len(kept) // 50_000) == kept


def fill(store, dataset):
    for n in range(100):
        put(store, dataset, numbers(*range(n, 50_000 + n)))


@pytest.fixture
def small_disk(tmp_path):
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", tmp_path], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("mounting a small file system takes root")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


# --- the folder ---


def test_a_second_server_is_refused_with_the_folders_name(tmp_path):
    with opened(tmp_path), pytest.raises(StoreLocked, match=f"{tmp_path}/store is in use by another server"), opened(tmp_path):
        pass
    with opened(tmp_path):
        pass


def test_a_store_of_a_newer_server_is_refused(tmp_path):
    with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "store" / "catalog.sqlite") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    for _ in range(2):  # and the folder is not left locked
        with pytest.raises(CatalogRefused, match="written by a newer server"), opened(tmp_path):
            pass


def test_a_catalogue_that_is_none_is_refused(tmp_path):
    with opened(tmp_path):
        pass
    (tmp_path / "store" / "catalog.sqlite").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(CatalogRefused, match="cannot be read"), opened(tmp_path):
        pass


def test_what_a_crash_left_is_removed_at_start(tmp_path):
    with opened(tmp_path) as store:
        put(store, "d", LARGE)
    for orphan in ("staging/0123.arrows", "segments/01/0123.arrows"):
        (tmp_path / "store" / orphan).write_bytes(b"x")
    with capture_logs() as logs, opened(tmp_path) as store:
        assert len(files(tmp_path)) == 1
        assert len(held(store, "d")) == 100_000
    assert (logs[0]["staged"], logs[0]["segments"]) == (1, 1)


def test_ten_thousand_datasets_are_there_in_well_under_two_seconds(tmp_path):
    with opened(tmp_path) as store:
        put(store, "d0", numbers(1))
    with sqlite3.connect(tmp_path / "store" / "catalog.sqlite") as db:
        tables = {"dataset": "name", "schema": "message", "version": "version", "segment": "size"}
        assert set(tables) < {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        for n in range(2, 10_001):
            db.execute("INSERT INTO dataset SELECT ?, ?, version, live FROM dataset WHERE id = 1", (n, f"d{n}"))
            db.execute("INSERT INTO schema SELECT ?, ?, message FROM schema WHERE id = 1", (n, n))
            db.execute(
                "INSERT INTO version SELECT ?, version, operation, ?, rows, bytes, created, committed, put_id, superseded "
                "FROM version WHERE dataset = 1",
                (n, n),
            )
            name = f"{n % 256:02x}{n:030x}"
            db.execute(
                "INSERT INTO segment SELECT NULL, ?, added, removed, position, rows, size, digest, ? FROM segment WHERE id = 1",
                (n, name),
            )
            (tmp_path / "store" / "segments" / name[:2] / f"{name}.arrows").write_bytes(b"")
    db.close()
    started = time.monotonic()
    with opened(tmp_path) as store:
        assert held(store, "d0") == [1]
        ready = time.monotonic() - started
        assert len(store.list()) == 10_000
    assert ready < 2


# --- the failpoints themselves ---


def test_every_failpoint_is_passed_somewhere_and_every_one_passed_is_known():
    source = "".join(path.read_text() for path in STORE_SOURCES.glob("*.py"))
    assert {name for name in NAMES if f'hit("{name}")' in source} == set(NAMES)
    assert source.count('hit("') == len(NAMES)


@pytest.mark.parametrize(
    "spec",
    [
        "nowhere=kill",
        "store.put.staged",
        "store.put.staged=explode",
        "store.put.staged=raise:ENOTHING",
        "store.put.staged=kill@x",
        "store.put.staged=sleep:long",
    ],
)
def test_a_failpoint_that_cannot_be_meant_is_refused(spec):
    with pytest.raises(ValueError, match=r"FLIGHT_FAILPOINTS|could not convert"):
        Failpoints(spec)


def test_failpoints_come_from_the_environment_and_act_when_it_is_their_turn():
    points = Failpoints.from_environment({"FLIGHT_FAILPOINTS": "store.put.staged=raise:ENOSPC@2, store.put.written=raise"})
    points.hit("store.put.staged")
    with pytest.raises(OSError, match=r"failpoint store\.put\.staged") as caught:
        points.hit("store.put.staged")
    assert caught.value.errno == errno.ENOSPC
    points.hit("store.put.staged")
    with pytest.raises(Exception, match=r"store.put.written"):
        points.hit("store.put.written")


def test_an_unforeseen_fault_in_a_put_or_a_commit_is_survived(tmp_path):
    for where in ("store.put.written", "store.segment.written", "store.commit.taken", "store.commit.inserted"):
        with opened(tmp_path, failpoints=f"{where}=raise@1") as store:
            with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, it is told
                put(store, where, LARGE)
            assert isinstance(caught.value, ServerError) or where.startswith(("store.put", "store.segment"))
            assert put(store, where, LARGE).version == 1
    assert len(files(tmp_path)) == 4


def _environment():
    return {**os.environ, "PYTHONPATH": f"{STORE_SOURCES.parent.parent}"}


def test_a_batch_of_another_schema_is_the_callers_fault(tmp_path):
    with opened(tmp_path) as store, pytest.raises(ServerError, match="has not the schema that its stream announced"):
        put(store, "d", pa.record_batch({"s": ["x"]}), schema=LARGE.schema)
