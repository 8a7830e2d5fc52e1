"""Apache Parquet: columns in row groups, read at random and so from a spool, written as it comes.

A batch is read with as many rows as make about 8 MiB by the footer's sizes, and text that repeats is written out in
parts. The footer may lie, and text nested in lists and structs may repeat too: what their rows decode to is bounded
by the process that decodes, not here. Page checksums are verified where there are any, and written.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from format_plugins.blocks import decode_in_order
from format_plugins.contract import FormatError, PluginCapabilities, PluginMetadata, UnsupportedError
from format_plugins.fitting import fit
from format_plugins.options import option
from format_plugins.parquet_reading import ParquetRows
from format_plugins.parquet_writing import (
    RowGroups,
    Version,
    check_level,
    dictionary_paths,
    refuse,
    refuse_types,
    refuse_values,
)
from format_plugins.pieces import PieceSink
from format_plugins.selection import selected
from format_plugins.streams import ByteStream

_MAGIC = b"PAR1"
_ENCRYPTED_MAGIC = b"PARE"
_ROWS = Annotated[int, Meta(ge=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetOptions:
    """The options of ``parquet``."""

    columns: tuple[str, ...] | None = option(None, "the columns to read, in this order; null: all")
    batch_rows: _ROWS = option(65_536, "the most rows of a record batch that is read", unit="rows")
    max_row_bytes: Annotated[int, Meta(ge=1 << 10)] = option(
        256 << 20, "refuse a file whose rows are larger than this on average", unit="bytes"
    )
    compression: Literal["none", "snappy", "gzip", "zstd", "lz4", "brotli"] = option("zstd", "how pages are compressed")
    compression_level: int | None = option(None, "how hard the codec tries; left out: its own default, and 1 for zstd")
    row_group_rows: _ROWS = option(1 << 20, "the most rows of a row group that is written", unit="rows")
    row_group_bytes: Annotated[int, Meta(ge=1 << 10)] = option(
        8 << 20, "the most Arrow data of a row group that is written; it is held in memory", unit="bytes"
    )
    dictionary: Literal["auto"] | bool | tuple[str, ...] = option(
        "auto", "columns to encode by dictionary: true for all, false for none, their names, or auto: those that repeat values"
    )
    version: Version = option("2.6", "the Parquet version whose types are written")
    statistics: bool = option(True, "write the least and the greatest value of each column chunk")

    def __post_init__(self) -> None:
        if self.compression_level is not None:
            check_level(self.compression, self.compression_level)


class ParquetPlugin:
    """Reads and writes Parquet files."""

    config_type = ParquetOptions

    def metadata(self) -> PluginMetadata:
        """Return who the plugin is."""
        return PluginMetadata(
            name="parquet",
            version="1.0.0",
            description="Apache Parquet",
            extensions=(".parquet", ".pq"),
            media_types=("application/vnd.apache.parquet",),
            capabilities=PluginCapabilities(needs_seek=True),
        )

    def create_format(self, config: ParquetOptions) -> Parquet:
        """Make the codec of one stream."""
        return Parquet(config)


class Parquet:
    """One Parquet file."""

    def __init__(self, config: ParquetOptions) -> None:
        self._config = config

    def read_batches_from_stream(self, schema: pa.Schema | None, stream: ByteStream) -> pa.RecordBatchReader:
        """Decode ``stream`` in batches, once all of it is there. Raises ``FormatError``."""
        config = self._config
        _check_magic(stream.peek(len(_MAGIC)))
        file = stream.as_file()
        rows = ParquetRows(file, columns=config.columns, max_rows=config.batch_rows, max_row_bytes=config.max_row_bytes)
        batches = selected(rows.schema, rows, columns=config.columns, max_rows=config.batch_rows)
        return batches if schema is None else fit(batches, schema)

    def write_batches(self, batches: pa.RecordBatchReader) -> Iterator[pa.Buffer]:
        """Encode ``batches``, a row group at a time. Raises ``UnsupportedError`` that names column and type."""
        schema, config, sink = batches.schema, self._config, PieceSink()
        refuse_types(schema, version=config.version)
        groups = iter(RowGroups(batches, max_rows=config.row_group_rows, max_bytes=config.row_group_bytes))
        first = next(groups, None)  # its values decide which columns have a dictionary
        writer = self._writer(sink, pa.Table.from_batches([], schema) if first is None else first)

        def encode(group: pa.Table) -> list[pa.Buffer]:
            refuse_values(group)
            try:
                writer.write_table(group, row_group_size=group.num_rows)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
                raise refuse(group, error, version=config.version) from error
            return list(sink.take())

        # With one worker a row group is encoded while the next one is gathered, and no third one is held.
        encoded = decode_in_order(() if first is None else itertools.chain([first], groups), encode, workers=1)
        del first
        with closing(encoded):
            for pieces in encoded:
                yield from pieces
        writer.close()
        yield from sink.rest()

    def _writer(self, sink: PieceSink, first: pa.Table) -> pq.ParquetWriter:
        config = self._config
        level = 1 if config.compression == "zstd" and config.compression_level is None else config.compression_level
        return pq.ParquetWriter(
            cast("Any", sink),
            first.schema,
            version=config.version,
            compression=config.compression,
            compression_level=level,
            use_dictionary=cast("Any", dictionary_paths(first, config.dictionary)),
            write_statistics=config.statistics,
            write_page_checksum=True,
        )


def _check_magic(head: bytes) -> None:
    if head == _ENCRYPTED_MAGIC:
        raise UnsupportedError("the Parquet file is encrypted, and there is no way to name its key")
    if head != _MAGIC:
        raise FormatError("it does not begin as a Parquet file does" if head else "the Parquet file is empty", offset=0)


def create_plugin() -> ParquetPlugin:
    """Make the plugin."""
    return ParquetPlugin()
