"""The Arrow IPC stream: record batches as Arrow lays them out, one after the other, with the schema first.

Every Arrow type passes as it is, extension types with their names. A stream without its end-of-stream marker is
refused as cut short, since a cut at the border of two messages looks no different; ``require_end: false`` takes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import pyarrow as pa
from msgspec import Meta

from format_plugins.contract import PluginCapabilities, PluginMetadata
from format_plugins.faults import wrong_data
from format_plugins.fitting import fit
from format_plugins.ipc_messages import MessageSource, read_options
from format_plugins.ipc_writing import ipc_pieces, write_options
from format_plugins.options import option
from format_plugins.selection import selected
from format_plugins.streams import ByteStream


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowStreamOptions:
    """The options of ``arrow_stream``."""

    columns: tuple[str, ...] | None = option(None, "the columns to read, in this order; null: all")
    batch_rows: Annotated[int, Meta(ge=1)] = option(65_536, "the most rows of a record batch that is read", unit="rows")
    max_message_bytes: Annotated[int, Meta(ge=1024)] = option(
        256 << 20, "the most that one message may hold, decompressed, and all dictionaries together", unit="bytes"
    )
    require_end: bool = option(True, "refuse a stream without its end-of-stream marker: it may have been cut short")
    compression: Literal["none", "lz4", "zstd"] = option("none", "how the buffers are compressed when it is written")


class ArrowStreamPlugin:
    """Reads and writes Arrow IPC streams."""

    config_type = ArrowStreamOptions

    def metadata(self) -> PluginMetadata:
        """Return who the plugin is."""
        return PluginMetadata(
            name="arrow_stream",
            version="1.0.0",
            description="Arrow IPC stream: every Arrow type, exactly",
            extensions=(".arrows",),
            media_types=("application/vnd.apache.arrow.stream",),
            capabilities=PluginCapabilities(),
        )

    def create_format(self, config: ArrowStreamOptions) -> ArrowStream:
        """Make the codec of one stream."""
        return ArrowStream(config)


class ArrowStream:
    """One Arrow IPC stream."""

    def __init__(self, config: ArrowStreamOptions) -> None:
        self._config = config

    def read_batches_from_stream(self, schema: pa.Schema | None, stream: ByteStream) -> pa.RecordBatchReader:
        """Decode ``stream``, a message at a time. Raises ``FormatError``; the source's own errors pass through."""
        config = self._config
        source = MessageSource(stream, max_message_bytes=config.max_message_bytes, require_end=config.require_end)
        with wrong_data("the Arrow stream", source):
            reader = pa.ipc.open_stream(pa.PythonFile(cast("Any", source), mode="r"), options=read_options())
        batches = selected(reader.schema, _messages(reader, source), columns=config.columns, max_rows=config.batch_rows)
        return batches if schema is None else fit(batches, schema)

    def write_batches(self, batches: pa.RecordBatchReader) -> Iterator[pa.Buffer]:
        """Encode ``batches``; a dictionary that changes is sent again."""
        return ipc_pieces(batches, pa.ipc.new_stream, write_options(self._config.compression))


def _messages(reader: pa.RecordBatchReader, source: MessageSource) -> Iterator[pa.RecordBatch]:
    while True:
        with wrong_data("the Arrow stream", source):
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                break
        yield batch
    source.check_end()


def create_plugin() -> ArrowStreamPlugin:
    """Make the plugin."""
    return ArrowStreamPlugin()
