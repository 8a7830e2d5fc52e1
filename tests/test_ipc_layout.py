"""The sizes of Arrow IPC messages are read from hostile bytes without harm."""

import contextlib

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from format_plugins.contract import FormatError
from format_plugins.ipc_layout import footer_blocks, message

BATCH = pa.record_batch({"n": [1, 2, 3], "d": pa.array(["a", "b", None]).dictionary_encode()})


def messages(compression=None):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, BATCH.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_batch(BATCH)
    return list(pa.ipc.MessageReader.open_stream(sink.getvalue()))


METADATA = [found.metadata.to_pybytes() for found in messages("zstd")]


def test_the_sizes_are_those_that_arrow_wrote():
    schema, dictionary, batch = (message(found.metadata.to_pybytes()) for found in messages())
    assert (schema.rows, schema.body_bytes, schema.dictionary) == (0, 0, None)
    assert (dictionary.rows, dictionary.dictionary, dictionary.is_delta) == (2, 0, False)
    assert (batch.rows, batch.dictionary, batch.compressed) == (3, None, False)
    assert batch.body_bytes == messages()[2].body.size


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_decompressed_sizes_are_read_from_the_body(compression):
    found = messages(compression)[2]
    assert message(found.metadata.to_pybytes()).decoded_bytes(memoryview(found.body)) >= 24 + 12


@given(st.binary(max_size=200))
@example(b"\x04\0\0\0" + b"\xff" * 60)
@example(b"\0" * 64)
def test_any_bytes_give_a_message_or_a_format_error(data):
    for read in (message, footer_blocks):
        with contextlib.suppress(FormatError):
            read(data)


@given(st.sampled_from(METADATA), st.data())
def test_damaged_metadata_gives_a_message_or_a_format_error(metadata, data):
    damaged = bytearray(metadata)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FormatError):
        message(bytes(damaged)).decoded_bytes(memoryview(b"\xff" * 40))


@pytest.mark.parametrize("metadata", METADATA)
def test_metadata_cut_short_gives_a_message_or_a_format_error(metadata):
    for end in range(len(metadata)):
        with contextlib.suppress(FormatError):
            message(metadata[:end])
