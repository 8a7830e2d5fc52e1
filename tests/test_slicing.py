"""Large record batches are cut to messages, and no further than that helps."""

import struct

import pyarrow as pa
import pytest

from format_plugins.slicing import TARGET_BYTES, data_bytes, sliced


def joined(batches):
    return pa.Table.from_batches(batches)


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_a_small_batch_stays_whole(rows):
    batch = pa.record_batch({"n": pa.array(range(rows), pa.int64())})
    assert list(sliced(batch)) == [batch]


def test_a_large_batch_is_cut_to_its_target():
    batch = pa.record_batch({"t": pa.array([f"{i:050}" for i in range(200_000)])})
    pieces = list(sliced(batch))
    assert max(map(data_bytes, pieces)) <= TARGET_BYTES
    assert joined(pieces) == joined([batch])


def test_rows_of_different_sizes_are_cut_where_they_are_large():
    batch = pa.record_batch({"t": pa.array(["x" * 100_000] * 100 + ["y"] * 10_000)})
    pieces = list(sliced(batch))
    assert max(map(data_bytes, pieces)) <= TARGET_BYTES
    assert joined(pieces) == joined([batch])


def test_rows_are_bounded():
    batch = pa.record_batch({"n": pa.array(range(1000))})
    assert [piece.num_rows for piece in sliced(batch, max_rows=300)] == [250, 250, 250, 250]


def test_a_large_dictionary_does_not_cut_a_batch_to_single_rows():
    words = pa.array([f"{i:0100}" for i in range(100_000)])
    batch = pa.record_batch({"d": pa.DictionaryArray.from_arrays(pa.array([i % 100_000 for i in range(300_000)]), words)})
    assert len(list(sliced(batch))) <= 10


def test_views_do_not_cut_a_batch_to_single_rows():
    batch = pa.record_batch({"v": pa.array([f"{i:050}" for i in range(100_000)], pa.string_view())})
    assert len(list(sliced(batch))) <= 10


def test_an_empty_union_does_not_end_the_process():
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]).slice(0, 0)
    batch = pa.record_batch({"u": pa.ListArray.from_arrays(pa.array([0, 0], pa.int32()), union)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    (read,) = pa.ipc.open_stream(sink.getvalue())
    assert [piece.num_rows for piece in sliced(read)] == [1]


def test_a_few_large_rows_before_many_small_ones_are_cut_apart():
    batch = pa.record_batch({"x": ["y" * (1 << 20)] * 20 + ["z"] * 100_000})
    pieces = list(sliced(batch))
    assert max(map(data_bytes, pieces)) <= TARGET_BYTES
    assert len(pieces) < 40
    assert joined(pieces) == joined([batch])


def test_slices_of_even_rows_fill_most_of_a_message():
    batch = pa.record_batch({"n": pa.array(range(2_000_000))})
    sizes = [data_bytes(piece) for piece in sliced(batch)]
    assert min(sizes) > TARGET_BYTES * 0.6
    assert max(sizes) <= TARGET_BYTES


def test_slices_of_views_hold_their_own_text_only():
    batch = pa.record_batch({"v": pa.array([f"{i:050}" for i in range(200_000)], pa.string_view())})
    pieces = list(sliced(batch))
    assert max(map(data_bytes, pieces)) <= TARGET_BYTES
    assert joined(pieces) == joined([batch])


@pytest.mark.parametrize("nested", [False, True], ids=["views", "a struct of views"])
def test_views_that_repeat_a_long_text_are_not_written_out(nested):
    text = pa.py_buffer(b"x" * (3 << 20))
    views = pa.py_buffer(struct.pack("<i4sii", 3 << 20, b"xxxx", 0, 0) * 100_000)
    column = pa.Array.from_buffers(pa.string_view(), 100_000, [None, views, text])
    batch = pa.record_batch({"v": pa.StructArray.from_arrays([column], ["t"]) if nested else column})
    assert list(sliced(batch)) == [batch]  # written out, they are 300 GB
