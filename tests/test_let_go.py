"""A stream's memory is let go of when the stream ends, however it ends, and not when the garbage collector comes by."""

import gc
import time
import weakref
from contextlib import closing, suppress

import pyarrow as pa
import pytest
from store_folder import numbers, opened

from flight_server.config import LimitsConfig
from flight_server.errors import DatasetExists, IncompletePut, ServerError
from flight_server.transcode import Decoded, encoded
from format_plugins.builtin import arrow_file, arrow_stream, comma_separated, json_array, json_lines, parquet
from format_plugins.content_encodings import decode_chunks, encode_chunks

PLUGINS = (arrow_file, arrow_stream, comma_separated, json_array, json_lines, parquet)
TABLE = pa.table({"n": range(200_000), "t": [f"text {i}" for i in range(200_000)]})

every_plugin = pytest.mark.parametrize("module", PLUGINS, ids=lambda module: module.__name__.rpartition(".")[2])


class Chunks:
    """A document in chunks, whose end is that of the stream that reads it."""

    def __init__(self, document, failure=None):
        self.document, self.failure = document, failure

    def __iter__(self):
        for start in range(0, len(self.document), 100_000):
            if self.failure is not None and start > len(self.document) // 2:
                raise self.failure("gone")
            yield self.document[start : start + 100_000]


@pytest.fixture(autouse=True)
def _no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def codec(module):
    plugin = module.create_plugin()
    return plugin.create_format(plugin.config_type())


def document(module):
    return b"".join(bytes(memoryview(piece)) for piece in codec(module).write_batches(TABLE.to_reader()))


def decode(module, chunks, batches):
    with closing(Decoded(codec(module), chunks, plugin="it", schema=None, limits=LimitsConfig())) as decoded:
        for _ in range(batches):
            next(decoded, None)


def kept_of(module, document, failure=None, *, batches=1000, through=iter):
    """Whether anything still holds the chunks of the document once they were decoded."""
    chunks = Chunks(document, failure)
    seen = weakref.ref(chunks)
    with suppress(ServerError):
        decode(module, through(chunks), batches)
    del chunks
    return seen() is not None


@every_plugin
def test_a_document_that_was_read_is_let_go_of(module):
    assert not kept_of(module, document(module))


@every_plugin
def test_a_document_that_was_read_in_part_is_let_go_of(module):
    assert not kept_of(module, document(module), batches=1)


@every_plugin
def test_a_document_that_is_cut_short_is_let_go_of(module):
    whole = document(module)
    assert not kept_of(module, whole[: len(whole) * 2 // 3])


@every_plugin
@pytest.mark.parametrize("failure", [IncompletePut, ValueError, OSError])
def test_a_document_whose_client_gave_up_is_let_go_of(module, failure):
    assert not kept_of(module, document(module), failure)


@every_plugin
def test_a_packed_document_whose_client_gave_up_is_let_go_of(module):
    packed = b"".join(encode_chunks("gzip", [document(module)]))
    assert not kept_of(module, packed, IncompletePut, through=lambda chunks: decode_chunks("gzip", chunks, max_ratio=1000))


@every_plugin
def test_rows_that_were_written_in_part_are_let_go_of(module):
    def batches():
        yield from TABLE.to_batches(max_chunksize=1000)

    rows = batches()
    seen = weakref.ref(rows)
    pieces = encoded(codec(module), rows, TABLE.schema, plugin="it")
    next(pieces)
    pieces.close()
    del pieces, rows
    assert seen() is None


def test_a_put_that_was_refused_is_let_go_of(tmp_path):
    batch = numbers(*range(1000))
    with opened(tmp_path) as store:
        with store.stage("d", batch.schema, mode="create", put_id=None) as first:
            staged = store.stage("d", batch.schema, mode="create", put_id=None)
            first.commit({})
        staged.write(batch)
        seen = weakref.ref(staged)
        with suppress(DatasetExists):
            staged.commit({})
        del staged, first
        deadline = time.monotonic() + 5
        while seen() is not None and time.monotonic() < deadline:
            time.sleep(0.001)  # the committer answers before it has forgotten
        assert seen() is None
