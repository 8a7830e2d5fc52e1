"""JSON text as a stream: the same whatever the chunks, in bounded memory, and only as far as it is read."""

import gc
import json
import threading
import tracemalloc

import pyarrow as pa
import pytest
from json_documents import LAYOUTS, batches, document, table, written

from format_plugins.contract import FormatError
from format_plugins.json_text.format import JsonFormat
from format_plugins.json_text.options import JsonOptions
from format_plugins.streams import ByteStream

RECORDS = [
    json.dumps(
        {
            "id": number,
            "text": 'é"},{\n😀' * (number % 5),
            "at": f"2024-01-01T00:00:{number % 60:02}Z",
            "l": [{}] * (number % 3),
        }
    )
    for number in range(500)
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wrong", [None, 400])
def test_the_chunks_of_a_document_make_no_difference(layout, wrong):
    records = list(RECORDS)
    if wrong is not None:
        records[wrong] = '{"id": "x"}'
    data = document(*records, layout=layout)
    outcomes = []
    for chunk in (1, 1_009, 1 << 20):
        try:
            outcomes.append(table(data, layout, chunk=chunk, block_bytes=4_096, sample_bytes=4_096))
        except FormatError as error:
            outcomes.append((str(error), error.row, error.offset))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert wrong is None or outcomes[0][1] == wrong + 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_size_of_the_blocks_makes_no_difference(layout):
    data = document(*RECORDS, layout=layout)
    assert all(table(data, layout, block_bytes=size) == table(data, layout) for size in (16, 17, 300, 5_000))


def endless(layout):
    record = json.dumps({"id": 1, "text": "x" * 100})
    yield b"[" if layout == "array" else b""
    piece = (document(*[record] * 5_000, layout=layout).strip("[]") + (",\n" if layout == "array" else "\n")).encode()
    while True:
        yield piece


@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_does_not_follow_the_size_of_the_document(layout):
    reader = JsonFormat(layout, JsonOptions()).read_batches_from_stream(None, ByteStream(endless(layout)))
    rows = 0
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        while rows < 300_000:  # 36 MB
            rows += next(reader).num_rows
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert pa.total_allocated_bytes() - before < 16 << 20


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_first_batch_needs_only_the_beginning(layout):
    pulled = []

    def chunks():
        for chunk in endless(layout):
            pulled.append(len(chunk))
            yield chunk

    reader = JsonFormat(layout, JsonOptions()).read_batches_from_stream(None, ByteStream(chunks()))
    assert next(reader).num_rows > 0
    assert sum(pulled) < 4 << 20


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_reader_that_is_dropped_leaves_no_thread(layout):
    before = threading.active_count()
    reader = JsonFormat(layout, JsonOptions()).read_batches_from_stream(None, ByteStream(endless(layout)))
    for _ in range(5):
        next(reader)
    reader.close()
    del reader
    gc.collect()
    assert threading.active_count() == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_the_source_raises_comes_through(layout):
    def chunks():
        yield document(*RECORDS, layout=layout)[:-2].encode()
        raise ConnectionResetError("the peer is gone")

    with pytest.raises(ConnectionResetError, match="the peer is gone"):
        JsonFormat(layout, JsonOptions()).read_batches_from_stream(None, ByteStream(chunks())).read_all()


def test_batches_are_as_small_as_they_should_be():
    data = document(*['{"text": "' + "x" * 3_000 + '"}'] * 4_000)
    sizes = [batch.nbytes for batch in batches(data, block_bytes=8 << 20)]
    assert max(sizes) <= 2 << 20
    counts = [batch.num_rows for batch in batches(document(*['{"a": 1}'] * 10), batch_rows=4)]
    assert (max(counts) <= 4, sum(counts)) == (True, 10)


def test_streams_of_several_threads_do_not_disturb_each_other():
    schema = table(RECORDS[1]).schema
    codec = JsonFormat("lines", JsonOptions(block_bytes=1_000))
    data = document(*RECORDS).encode()
    wanted = table(data, schema=schema)
    found = []

    def read():
        found.append(codec.read_batches_from_stream(schema, ByteStream([data])).read_all())

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 8


@pytest.mark.parametrize("layout", LAYOUTS)
def test_writing_is_lazy_and_in_pieces(layout):
    batch = pa.record_batch({"a": list(range(20_000)), "b": ["x" * 50] * 20_000})
    pulled = []

    def source():
        for number in range(50):
            pulled.append(number)
            yield batch

    pieces = JsonFormat(layout, JsonOptions()).write_batches(pa.RecordBatchReader.from_batches(batch.schema, source()))
    assert not pulled
    assert len(next(pieces)) < 2 << 20
    assert len(pulled) == 1
    pieces.close()


def test_wide_rows_are_written_in_pieces_of_bounded_size():
    rows = pa.table({"a": ["x" * 100_000] * 200})
    pieces = list(JsonFormat("lines", JsonOptions()).write_batches(rows.to_reader()))
    assert max(map(len, pieces)) < 2 << 20
    assert b"".join(pieces) == written(rows)
