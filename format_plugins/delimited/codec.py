"""The data format of delimited text: what the plugins of this family hand to the host."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from format_plugins.delimited.document import read_document
from format_plugins.delimited.encoder import write_document
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.streams import ByteStream


class DelimitedFormat:
    """Decodes and encodes one stream."""

    def __init__(self, options: DelimitedOptions) -> None:
        self._options = options

    def read_batches_from_stream(self, schema: pa.Schema | None, stream: ByteStream) -> pa.RecordBatchReader:
        """Decode ``stream`` to exactly ``schema``, or to types inferred from a sample. Raises ``FormatError``."""
        return read_document(schema, stream, self._options)

    def write_batches(self, batches: pa.RecordBatchReader) -> Iterator[pa.Buffer]:
        """Encode ``batches``, a piece at a time. Raises ``UnsupportedError``."""
        return write_document(batches, self._options)
