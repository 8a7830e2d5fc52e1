"""What the client sends: any source, in messages of the right size, with figures that are right."""

import io
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_client.sources import MIN_CHUNK_BYTES, TARGET_BYTES, cut, gathered, opened

MIB = 1 << 20


def sent(source):
    """The document and the figures that a source becomes."""
    with opened(source) as what:
        data = b"".join(batch["payload"][0].as_py() for batch in what.batches())
        return data, what.figures()


@given(st.lists(st.binary(max_size=64) | st.builds(lambda n: b"x" * n, st.integers(0, 5 * MIB)), max_size=8))
def test_chunks_hold_one_to_two_mebibytes_and_join_to_the_document(pieces):
    chunks = [chunk.to_pybytes() for chunk in gathered(pieces)]
    assert b"".join(chunks) == b"".join(pieces)
    assert all(len(chunk) <= TARGET_BYTES for chunk in chunks)
    full = [chunk for chunk in chunks if len(chunk) >= MIN_CHUNK_BYTES]
    # The tail of a large piece may be shorter, and goes into the next chunk or is the last.
    assert chunks[:-1] == full[: len(chunks) - 1]


def test_large_bytes_are_not_copied():
    data = bytes(5 * MIB)
    addresses = [chunk.address for chunk in gathered([data])]
    start = pa.py_buffer(data).address
    assert addresses[:2] == [start, start + TARGET_BYTES]


def test_a_buffer_that_its_owner_fills_again_is_copied():
    buffer = bytearray(2 * MIB)

    def refilled():
        for number in range(3):
            buffer[:] = bytes([number]) * len(buffer)
            yield memoryview(buffer)

    assert [set(chunk.to_pybytes()) for chunk in list(gathered(refilled()))] == [{0}, {1}, {2}]


@pytest.mark.parametrize("length", [0, 1, 3 * MIB + 7])
def test_every_kind_of_document_is_the_same_document(length):
    data = bytes(range(256)) * (length // 256) + bytes(length % 256)
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        kinds = [data, bytearray(data), memoryview(data), pa.py_buffer(data), io.BytesIO(data), iter([data]), file.name]
        kinds += [Path(file.name), (data[start : start + 1000] for start in range(0, length, 1000))]
        for kind in kinds:
            document, figures = sent(kind)
            assert document == data
            assert figures["bytes"] == length
            assert -(-length // (2 * MIB)) <= figures["chunks"] <= -(-length // MIB)


def test_rows_are_cut_to_about_two_mebibytes():
    batch = pa.record_batch({"x": pa.array(range(2_000_000))})
    pieces = list(cut(batch))
    assert pa.Table.from_batches(pieces).equals(pa.Table.from_batches([batch]))
    assert max(piece.nbytes for piece in pieces) <= TARGET_BYTES


def test_rows_of_very_different_sizes_are_cut_to_fit():
    batch = pa.record_batch({"x": ["y" * (6 * MIB), *["z"] * 10_000, "y" * (6 * MIB)]})
    pieces = list(cut(batch))
    assert pa.Table.from_batches(pieces).equals(pa.Table.from_batches([batch]))
    assert max(piece.nbytes for piece in pieces) < 7 * MIB


def test_large_rows_among_many_small_ones_are_cut_apart():
    batch = pa.record_batch({"x": ["y" * MIB] * 20 + ["z"] * 100_000})
    pieces = list(cut(batch))
    assert pa.Table.from_batches(pieces).equals(pa.Table.from_batches([batch]))
    assert max(map(pa.ipc.get_record_batch_size, pieces)) <= TARGET_BYTES


def test_a_large_dictionary_is_no_reason_to_cut():
    values = pa.array(["v" * 100 + str(number) for number in range(100_000)])
    batch = pa.record_batch({"x": pa.DictionaryArray.from_arrays(pa.array(range(100_000), pa.int32()), values)})
    assert [piece.num_rows for piece in cut(batch)] == [100_000]


def test_data_that_rows_share_is_not_sent_more_than_once():
    batch = pa.record_batch({"x": pa.array(["v" * 1000] * 10_000, pa.string_view())})
    assert [piece.num_rows for piece in cut(batch)] == [10_000]


class Foreign:
    """A table of another library."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


TABLE = pa.table({"x": [1, 2, 3], "y": ["a", None, "c"]})


@pytest.mark.parametrize(
    "source",
    [TABLE, TABLE.to_reader(), TABLE.to_batches()[0], Foreign(TABLE), TABLE.to_struct_array().combine_chunks()],
    ids=["table", "reader", "batch", "foreign", "structs"],
)
def test_every_kind_of_rows_is_the_same_rows(source):
    with opened(source) as what:
        assert pa.Table.from_batches(what.batches(), schema=what.schema).equals(TABLE)
        assert what.figures() == {"rows": 3}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (42, "cannot be sent"),
        (None, "cannot be sent"),
        (["text"], "yielded a str"),
        ([TABLE], "RecordBatchReader.from_batches"),
        (io.StringIO("text"), "binary mode"),
        (pa.chunked_array([[1]]), "no table"),
        (pa.array([1]), "no table"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_cannot_be_sent_is_said_so(source, says):
    with pytest.raises(TypeError, match=says), opened(source) as what:
        list(what.batches())


def test_a_file_that_cannot_tell_its_end_is_no_short_document():
    class NotBlocking(io.RawIOBase):
        def read(self, _size=-1):
            return None

    with pytest.raises(BlockingIOError), opened(NotBlocking()) as what:
        list(what.batches())


def test_only_what_is_opened_here_is_closed_here(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"data")
    with path.open("rb") as file:
        assert sent(file)[0] == b"data"
        assert not file.closed
