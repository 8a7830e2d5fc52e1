"""What is written goes to the disk while there is more to come; durable it is by the fsync, as ever."""

import os

import pyarrow as pa
import pytest
from store_folder import files, held, numbers, opened, put

from flight_server.store import writeback

BATCH = pa.record_batch({"n": pa.array(range(1 << 18))})  # 2 MiB


@pytest.fixture
def begun(monkeypatch):
    """The stretches of files that were begun to be written, as (descriptor, start, size)."""
    told = []
    monkeypatch.setattr(writeback, "begin", lambda *stretch: told.append(stretch))
    return told


def test_a_large_put_is_on_its_way_before_its_end_without_a_gap(tmp_path, begun):
    with opened(tmp_path) as store, store.stage("d", BATCH.schema, mode="append", put_id=None) as staged:
        for _ in range(12):
            staged.write(BATCH)
        (file,) = files(tmp_path)
        assert (tmp_path / "store" / file).stat().st_size - sum(size for _, _, size in begun) < 2 * writeback.STRIDE_BYTES
    ends = [start + size for _, start, size in begun]
    assert len(begun) >= 4
    assert [start for _, start, _ in begun] == [0, *ends[:-1]]
    assert {size // writeback.STRIDE_BYTES for _, _, size in begun} == {1}


def test_a_small_put_is_not_cut_into_writes(tmp_path, begun):
    with opened(tmp_path) as store:
        put(store, "d", BATCH.slice(0, 100_000))
    assert begun == []


@pytest.mark.skipif(writeback._sync_file_range is None, reason="this system cannot be told to begin")
def test_the_kernel_takes_the_word_for_it(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.write(b"x" * 100)
        file.flush()
        assert writeback._sync_file_range(file.fileno(), 0, 100, writeback._SYNC_FILE_RANGE_WRITE) == 0
    reads, writes = os.pipe()
    writeback.begin(writes, 0, 100)  # a pipe has no disk: that is for the fsync to say
    os.close(reads)
    os.close(writes)


def test_where_there_is_no_such_call_a_put_is_as_durable(tmp_path, monkeypatch):
    monkeypatch.setattr(writeback, "_sync_file_range", None)
    rows = numbers(*range(1_000_000))
    with opened(tmp_path) as store:
        put(store, "d", rows)
    with opened(tmp_path) as store:
        assert held(store, "d") == list(range(1_000_000))
