"""The codec of one stream of JSON text: what the formats ``ndjson`` and ``json`` give to the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa

from format_plugins.json_text.decoding import element_blocks, line_blocks, read_batches
from format_plugins.json_text.encoding import written_array, written_lines
from format_plugins.json_text.options import JsonOptions
from format_plugins.streams import ByteStream


class JsonFormat:
    """Records as lines, or as the elements of an array."""

    def __init__(self, layout: Literal["lines", "array"], options: JsonOptions) -> None:
        self._lines = layout == "lines"
        self._options = options

    def read_batches_from_stream(self, schema: pa.Schema | None, stream: ByteStream) -> pa.RecordBatchReader:
        """Decode a document as it arrives; see ``decoding.read_batches``."""
        return read_batches(schema, stream, line_blocks if self._lines else element_blocks, self._options)

    def write_batches(self, batches: pa.RecordBatchReader) -> Iterator[bytes]:
        """Encode a document, lazily; see ``encoding``."""
        return (written_lines if self._lines else written_array)(batches, self._options)
