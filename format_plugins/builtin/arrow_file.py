"""The Arrow IPC file, which is also Feather version 2: the messages of a stream, and a footer that says where they lie.

A file has one dictionary a column, which may grow. Dictionaries that change between the batches written are made into
one; where that cannot be (an ordered dictionary, one that holds a null, one nested in another type, more values
than its indices count), writing is an ``UnsupportedError``, and ``arrow_stream`` is the format to choose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import pyarrow as pa
from msgspec import Meta

from format_plugins.contract import FormatError, PluginCapabilities, PluginMetadata, UnsupportedError
from format_plugins.faults import wrong_data
from format_plugins.fitting import fit
from format_plugins.ipc_dictionaries import GrowingDictionaries
from format_plugins.ipc_file import MAGIC, FileLayout
from format_plugins.ipc_messages import read_options
from format_plugins.ipc_writing import ipc_pieces, write_options
from format_plugins.options import option
from format_plugins.selection import selected
from format_plugins.streams import ByteStream


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowFileOptions:
    """The options of ``arrow_file``."""

    columns: tuple[str, ...] | None = option(None, "the columns to read, in this order; null: all")
    batch_rows: Annotated[int, Meta(ge=1)] = option(65_536, "the most rows of a record batch that is read", unit="rows")
    max_message_bytes: Annotated[int, Meta(ge=1024)] = option(
        256 << 20, "the most that one message may hold, decompressed, and all dictionaries together", unit="bytes"
    )
    compression: Literal["none", "lz4", "zstd"] = option("none", "how the buffers are compressed when it is written")


class ArrowFilePlugin:
    """Reads and writes Arrow IPC files."""

    config_type = ArrowFileOptions

    def metadata(self) -> PluginMetadata:
        """Return who the plugin is."""
        return PluginMetadata(
            name="arrow_file",
            version="1.0.0",
            description="Arrow IPC file (Feather version 2): every Arrow type, exactly",
            extensions=(".arrow", ".feather"),
            media_types=("application/vnd.apache.arrow.file",),
            capabilities=PluginCapabilities(needs_seek=True),
        )

    def create_format(self, config: ArrowFileOptions) -> ArrowFile:
        """Make the codec of one stream."""
        return ArrowFile(config)


class ArrowFile:
    """One Arrow IPC file."""

    def __init__(self, config: ArrowFileOptions) -> None:
        self._config = config

    def read_batches_from_stream(self, schema: pa.Schema | None, stream: ByteStream) -> pa.RecordBatchReader:
        """Decode ``stream`` a record batch at a time, once all of it is there. Raises ``FormatError``."""
        config = self._config
        _check_magic(stream.peek(len(MAGIC)))
        file = stream.as_file()
        with wrong_data("the Arrow file"):
            layout = FileLayout(file, max_message_bytes=config.max_message_bytes)
            reader = pa.ipc.open_file(file, options=read_options())
        batches = selected(reader.schema, _messages(reader, layout), columns=config.columns, max_rows=config.batch_rows)
        return batches if schema is None else fit(batches, schema)

    def write_batches(self, batches: pa.RecordBatchReader) -> Iterator[pa.Buffer]:
        """Encode ``batches``; the footer comes last. Raises ``UnsupportedError`` for dictionaries that cannot grow."""
        options = write_options(self._config.compression, deltas=True)
        return ipc_pieces(batches, pa.ipc.new_file, options, GrowingDictionaries(batches.schema).grown)


def _check_magic(head: bytes) -> None:
    if head == MAGIC:
        return
    if head[:4] == b"FEA1":
        raise UnsupportedError("this is a Feather file of version 1; only version 2, the Arrow file, is read")
    if head[:4] == b"\xff\xff\xff\xff":
        raise FormatError("this is an Arrow stream, not an Arrow file", offset=0)
    raise FormatError("it does not begin as an Arrow file does" if head else "the Arrow file is empty", offset=0)


def _messages(reader: pa.ipc.RecordBatchFileReader, layout: FileLayout) -> Iterator[pa.RecordBatch]:
    for index in range(reader.num_record_batches):
        with wrong_data("the Arrow file"):
            layout.check_batch(index)
            batch = reader.get_batch(index)
        yield batch


def create_plugin() -> ArrowFilePlugin:
    """Make the plugin."""
    return ArrowFilePlugin()
