"""Documents go into record batches and come out again, byte for byte."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_server import payload
from flight_server.errors import BadPayload

SCHEMA = payload.schema("csv", "text/csv", "gzip")


def document(batches):
    return b"".join(bytes(payload.chunk_of(batch)) for batch in batches)


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_a_document_of_small_chunks_survives(chunks):
    assert document(payload.batches(chunks, SCHEMA)) == b"".join(chunks)


@pytest.mark.parametrize(
    "size", [0, 1, payload.MIN_CHUNK_BYTES, payload.MAX_CHUNK_BYTES, payload.MAX_CHUNK_BYTES + 1, 7_000_001]
)
def test_chunks_are_cut_to_between_one_and_two_mebibytes(size):
    data = bytes(range(256)) * (size // 256 + 1)
    batches = list(payload.batches([data[:size]], SCHEMA))
    sizes = [payload.chunk_of(batch).size for batch in batches]
    assert document(batches) == data[:size]
    assert all(payload.MIN_CHUNK_BYTES <= chunk <= payload.MAX_CHUNK_BYTES for chunk in sizes[:-1])


def test_a_large_chunk_is_not_copied():
    data = pa.py_buffer(bytes(payload.MAX_CHUNK_BYTES))
    (batch,) = payload.batches([data], SCHEMA)
    assert payload.chunk_of(batch).address == data.address


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_rows_of_a_batch_are_concatenated(kind):
    rows = pa.array([b"skipped", b"ab", b"", b"cd"], kind)
    batch = pa.record_batch([rows], names=["payload"]).slice(1)
    batch.validate(full=True)
    assert bytes(payload.chunk_of(batch)) == b"abcd"


@pytest.mark.parametrize("rows", [0, 3])
def test_empty_rows_are_no_bytes(rows):
    batch = pa.record_batch([pa.array([b""] * rows, pa.binary())], names=["payload"])
    assert bytes(payload.chunk_of(batch)) == b""


def test_a_null_row_is_refused():
    batch = pa.record_batch([pa.array([b"a", None], pa.binary())], names=["payload"])
    with pytest.raises(BadPayload, match="null"):
        payload.chunk_of(batch)


def test_the_schema_says_what_the_document_is():
    assert SCHEMA.metadata == {b"format": b"csv", b"media_type": b"text/csv", b"content_encoding": b"gzip"}
    assert payload.schema("lines", None, None).metadata == {b"format": b"lines"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (pa.schema([("payload", pa.binary())]), True),
        (pa.schema([("payload", pa.large_binary())]), True),
        (pa.schema([("payload", pa.string())]), False),
        (pa.schema([("data", pa.binary())]), False),
        (pa.schema([("payload", pa.binary()), ("x", pa.int8())]), False),
        (pa.schema([]), False),
    ],
)
def test_which_schemas_carry_a_document(schema, expected):
    assert payload.is_payload(schema) is expected
