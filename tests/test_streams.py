"""A document as it arrives can be iterated, read, looked into and spooled, in bounded memory."""

import gc

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from procfs import in_use
from trips import Memory, Watched, cut

from format_plugins.streams import MIN_CHUNK_BYTES, SPOOL_MEMORY_BYTES, ByteStream, SpoolLimitError

SMALL = bytes(range(256)) * 5
CHUNKS = st.lists(st.binary(max_size=40), max_size=20)


def large(size, piece=1 << 20):
    return (bytes(piece) for _ in range(size // piece))


@given(CHUNKS, st.lists(st.tuples(st.sampled_from(["read", "peek"]), st.integers(0, 50)), max_size=20))
def test_reads_and_peeks_of_any_size_see_the_bytes_in_order(chunks, calls):
    document, stream, position = b"".join(chunks), ByteStream(chunks), 0
    for name, n in calls:
        assert getattr(stream, name)(n) == document[position : position + n]
        position = min(position + n, len(document)) if name == "read" else position
    assert stream.read() == document[position:]


@given(CHUNKS, st.integers(0, 30))
def test_iteration_goes_on_where_reading_stopped(chunks, n):
    stream = ByteStream(chunks)
    head = stream.read(n)
    assert head + b"".join(memoryview(chunk) for chunk in stream) == b"".join(chunks)


@given(CHUNKS, st.integers(0, 30))
def test_a_spool_begins_where_reading_stopped(chunks, n):
    stream = ByteStream(chunks)
    stream.read(n)
    assert stream.as_file().read() == b"".join(chunks)[n:]


def test_single_bytes_are_handed_on_in_large_chunks():
    chunks = list(ByteStream(cut(bytes(MIN_CHUNK_BYTES * 2 + 5), 1)))
    assert [chunk.size for chunk in chunks] == [MIN_CHUNK_BYTES, MIN_CHUNK_BYTES, 5]


def test_a_large_chunk_is_handed_on_without_a_copy():
    chunk = pa.py_buffer(bytes(MIN_CHUNK_BYTES))
    assert next(iter(ByteStream([chunk]))).address == chunk.address


def test_empty_chunks_are_passed_over():
    assert ByteStream([b"", b"a", b"", b"b"]).read() == b"ab"


@pytest.mark.parametrize("chunks", [[], [b""]])
def test_a_document_of_no_bytes_is_at_its_end(chunks):
    stream = ByteStream(chunks)
    assert (list(stream), stream.read(5), stream.read(), stream.as_file().read()) == ([], b"", b"", b"")


def test_a_read_pulls_no_chunk_that_it_does_not_need():
    source = Watched([b"abcd", b"efgh"])
    assert ByteStream(source).read(4) == b"abcd"
    assert source.taken == 4


def test_any_kind_of_buffer_may_come():
    chunks = [b"a", bytearray(b"b"), memoryview(b"c"), pa.py_buffer(b"d")]
    assert ByteStream(chunks).read() == b"abcd"


def test_closing_closes_the_source():
    source = Watched([b"ab"])
    stream = ByteStream(source)
    stream.read(1)
    stream.close()
    assert source.closed


def test_nothing_is_left_after_closing():
    stream = ByteStream(iter([b"ab"]))
    stream.read(1)
    stream.close()
    assert stream.read() == b""


def test_a_failure_of_the_source_passes_through_a_spool():
    def failing():
        yield b"abc"
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        ByteStream(failing()).as_file()


@pytest.mark.parametrize("size", [1000, SPOOL_MEMORY_BYTES + 1000])
def test_a_document_larger_than_the_limit_is_not_spooled(size):
    with pytest.raises(SpoolLimitError, match=f"{size - 1:,} bytes"):
        ByteStream(cut(bytes(size), 1 << 20), spool_limit_bytes=size - 1).as_file()


def test_a_document_as_large_as_the_limit_is_spooled():
    assert ByteStream([SMALL], spool_limit_bytes=len(SMALL)).as_file().size() == len(SMALL)


def test_a_limit_stops_the_source_early():
    source = Watched(large(1 << 30))
    with pytest.raises(SpoolLimitError):
        ByteStream(source, spool_limit_bytes=3 << 20).as_file()
    assert source.taken <= 4 << 20


def test_a_spooled_file_seeks(tmp_path):
    document = b"head" + bytes(SPOOL_MEMORY_BYTES) + b"tail"
    file = ByteStream(cut(document, 1 << 20), spool_dir=tmp_path).as_file()
    file.seek(len(document) - 4)
    assert file.read() == b"tail"


def test_a_spooled_file_has_no_name(tmp_path):
    file = ByteStream(large(SPOOL_MEMORY_BYTES * 2), spool_dir=tmp_path).as_file()
    assert file.size() == SPOOL_MEMORY_BYTES * 2
    assert list(tmp_path.iterdir()) == []


def test_a_spooled_file_vanishes_with_its_object(tmp_path):
    before = in_use()
    file = ByteStream(large(SPOOL_MEMORY_BYTES * 2), spool_dir=tmp_path).as_file()
    assert in_use() - before
    del file
    gc.collect()
    assert in_use() <= before


@pytest.mark.parametrize("failure", [ConnectionResetError("gone"), SpoolLimitError(1)])
def test_a_spool_that_fails_leaves_no_descriptor(tmp_path, failure):
    def failing():
        yield from large(SPOOL_MEMORY_BYTES * 2)
        raise failure

    before = in_use()
    with pytest.raises(type(failure)):
        ByteStream(failing(), spool_dir=tmp_path).as_file()
    assert in_use() <= before


def test_a_spool_folder_that_is_not_there_is_said_as_such():
    with pytest.raises(OSError, match="No such file or directory"):
        ByteStream(large(SPOOL_MEMORY_BYTES * 2), spool_dir="/nowhere").as_file()


def test_spooling_needs_memory_for_its_bound_only(tmp_path):
    with Memory() as memory:
        file = ByteStream(large(SPOOL_MEMORY_BYTES * 10), spool_dir=tmp_path).as_file()
    assert file.size() == SPOOL_MEMORY_BYTES * 10
    assert memory.grown < SPOOL_MEMORY_BYTES * 2


def test_many_tiny_chunks_need_memory_for_their_bytes_only():
    with Memory() as memory:
        file = ByteStream(b"x" for _ in range(1 << 20)).as_file()
    assert file.size() == 1 << 20
    assert memory.grown < 16 << 20
