"""A format whose rows say which generation read them, and whose lines say which generation wrote them."""

from dataclasses import dataclass
from types import SimpleNamespace

import pyarrow as pa

from format_plugins.contract import PluginMetadata

MARK = "0000000"
NAME = "marked"
BLOCK_BYTES = 4096  # of a document: a record batch of eight rows each
LINE_BYTES = 512  # padded: a row makes 128 lines
ROWS = 8
LINES = 128
SCHEMA = pa.schema([("read_by", pa.string()), ("made_by", pa.string())])


@dataclass(frozen=True)
class Options:
    pass


class Marked:
    def __init__(self, options):
        self.mark = MARK  # as it was when the stream began

    def read_batches_from_stream(self, schema, stream):
        return pa.RecordBatchReader.from_batches(SCHEMA, self.batches(stream))

    def batches(self, stream):
        while stream.read(BLOCK_BYTES):
            yield pa.record_batch([pa.array([MARK] * ROWS), pa.array([self.mark] * ROWS)], schema=SCHEMA)

    def write_batches(self, batches):
        for batch in batches:
            for row in batch.to_pylist():
                line = f"{row['read_by']} {row['made_by']} {MARK} {self.mark}"
                yield f"{line:<{LINE_BYTES - 1}}\n".encode() * LINES


def create_plugin():
    metadata = PluginMetadata(name=NAME, version=f"1.0.{int(MARK)}", extensions=(f".{NAME}",))
    return SimpleNamespace(config_type=Options, metadata=lambda: metadata, create_format=Marked)
