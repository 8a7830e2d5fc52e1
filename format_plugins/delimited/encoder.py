"""Writing record batches as delimited text, column by column, without a Python object per value."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.blocks import decode_in_order
from format_plugins.contract import UnsupportedError
from format_plugins.delimited.cells import cell_writer, may_hold_anything
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.delimited.quoting import Quoter
from format_plugins.slicing import sliced
from format_plugins.written_size import written_bytes

#: How much of a batch is encoded at a time.
_SLICE_BYTES = 1 << 20
_SLICE_ROWS = 32768
_LINE_ENDS = {"lf": "\n", "crlf": "\r\n"}


def write_document(batches: pa.RecordBatchReader, options: DelimitedOptions) -> Iterator[pa.Buffer]:
    """Encode ``batches`` lazily; the header goes out even when there is no row.

    Raises ``UnsupportedError`` at once for a type that text cannot carry, and later for a value that it cannot.
    """
    encoder = _Encoder(batches.schema, options)
    return _encoded(encoder.document(batches), options.encoding)


class _Encoder:
    """The text of records of one schema."""

    def __init__(self, schema: pa.Schema, options: DelimitedOptions) -> None:
        if not len(schema):
            raise UnsupportedError("a table without columns has no rows in delimited text")
        self._names = schema.names
        self._writers = [cell_writer(field, options) for field in schema]
        self._quoter = Quoter(options)
        self._quoted = [may_hold_anything(field.type) or not self._quoter.numbers_are_safe for field in schema]
        # Scalars made once: for each one that pyarrow makes of a text it looks for a library of time zones.
        self._line_end = pa.scalar(_LINE_ENDS[options.line_ending])
        self._delimiter = pa.scalar(options.delimiter)
        self._nothing = pa.scalar("")
        self._options = options

    def document(self, batches: pa.RecordBatchReader) -> Iterator[pa.Buffer]:
        if self._options.header:
            yield self._header()
        slices = (
            part
            for batch in batches
            if batch.num_rows
            for part in sliced(batch, max_rows=_SLICE_ROWS, max_bytes=_SLICE_BYTES, measure=written_bytes)
        )
        results = decode_in_order(slices, self._records)
        try:
            yield from results
        finally:
            results.close()

    def _header(self) -> pa.Buffer:
        cells = [self._quoter.quoted(name, pa.array([name], pa.string())) for name in self._names]
        return self._lines(cells)

    def _records(self, batch: pa.RecordBatch) -> pa.Buffer:
        cells = []
        for name, column, writer, is_quoted in zip(self._names, batch.columns, self._writers, self._quoted, strict=True):
            texts = writer(column)
            cells.append(self._quoter.quoted(name, texts) if is_quoted else texts)
        return self._lines(cells)

    def _lines(self, cells: list[Any]) -> pa.Buffer:
        """Join the cells of each record. The strings lie side by side in one buffer, which is the text."""
        null = self._options.written_null
        cells[-1] = pc.binary_join_element_wise(
            cells[-1], self._line_end, self._nothing, null_handling="replace", null_replacement=null
        )
        lines: Any = pc.binary_join_element_wise(*cells, self._delimiter, null_handling="replace", null_replacement=null)
        return lines.buffers()[2].slice(0, pc.sum(pc.binary_length(lines)).as_py())  # type: ignore[no-any-return] # a buffer


def _encoded(texts: Iterable[pa.Buffer], encoding: str) -> Iterator[pa.Buffer]:
    if codecs.lookup(encoding).name == "utf-8":
        yield from texts
        return
    encoder = codecs.getincrementalencoder(encoding)()
    for text in texts:
        try:
            yield pa.py_buffer(encoder.encode(str(memoryview(text), "utf-8")))
        except UnicodeEncodeError as error:
            character = error.object[error.start]
            raise UnsupportedError(
                f"encoding {encoding} has no character {character!r}", value=character, option="encoding"
            ) from None
    last = encoder.encode("", final=True)
    if last:
        yield pa.py_buffer(last)
