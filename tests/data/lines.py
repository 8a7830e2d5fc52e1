"""The format `lines`: a text file as a table of one column, a row a line."""

from dataclasses import dataclass
from types import SimpleNamespace

import pyarrow as pa

from format_plugins.contract import PluginMetadata, UnsupportedError
from format_plugins.faults import wrong_data


@dataclass(frozen=True)
class Lines:
    upper: bool = False  # an option, set in YAML or by a request: write capitals

    def read_batches_from_stream(self, schema, stream):
        rest = b""
        for chunk in stream:
            *lines, rest = (rest + bytes(chunk)).split(b"\n")
            yield self.batch(lines)
        yield self.batch([rest] if rest else [])

    def batch(self, lines):
        with wrong_data("the text"):  # bytes that are no UTF-8 are the client's mistake
            return pa.record_batch({"line": pa.array(lines, pa.string())})

    def write_batches(self, batches):
        if (batches.schema.names, batches.schema.types) != (["line"], [pa.string()]):
            raise UnsupportedError("what is written as lines is one column of text, `line`")
        for batch in batches:
            text = "".join(f"{line or ''}\n" for line in batch["line"].to_pylist())
            yield (text.upper() if self.upper else text).encode()


def create_plugin():
    metadata = PluginMetadata(name="lines", version="1.0.0", extensions=(".lines",), media_types=("text/plain",))
    return SimpleNamespace(config_type=Lines, metadata=lambda: metadata, create_format=lambda options: options)
