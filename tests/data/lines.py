"""The format `lines`: a text file as a table of one column, a row a line."""

from dataclasses import dataclass
from types import SimpleNamespace

import pyarrow as pa

from format_plugins.contract import PluginMetadata


@dataclass(frozen=True)
class Lines:
    upper: bool = False  # an option, set in YAML or by a request: write capitals

    def read_batches_from_stream(self, schema, stream):
        rest = b""
        for chunk in stream:
            *lines, rest = (rest + bytes(chunk)).split(b"\n")
            yield pa.record_batch({"line": pa.array(lines, pa.string())})
        yield pa.record_batch({"line": pa.array([rest] if rest else [], pa.string())})

    def write_batches(self, batches):
        for batch in batches:
            text = "".join(f"{line or ''}\n" for line in batch["line"].to_pylist())
            yield (text.upper() if self.upper else text).encode()


def create_plugin():
    metadata = PluginMetadata(name="lines", version="1.0.0", extensions=(".lines",), media_types=("text/plain",))
    return SimpleNamespace(config_type=Lines, metadata=lambda: metadata, create_format=lambda options: options)
