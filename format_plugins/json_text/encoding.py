"""From record batches to JSON text, lazily, in pieces."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import arro3.io
import pyarrow as pa

from format_plugins.json_text.non_finite import with_texts
from format_plugins.json_text.options import JsonOptions
from format_plugins.json_text.plain import Place, plain_struct
from format_plugins.slicing import sliced
from format_plugins.written_size import written_bytes

#: The writer holds the interpreter lock while it writes: about 5 ms for a slice of this size.
_SLICE_ROWS = 8_192
_SLICE_BYTES = 1 << 20


def written_lines(batches: pa.RecordBatchReader, options: JsonOptions) -> Iterator[bytes]:
    """Yield newline-delimited JSON; nothing for no rows. Raises ``UnsupportedError`` for what JSON cannot carry."""
    # Whatever a column promised: the writer refuses nulls where there should be none, and the text is the same.
    fields = [field.with_nullable(True) for field in batches.schema]
    convert = plain_struct(pa.struct(fields), Place("", options), 1)
    for batch in batches:
        for piece in sliced(batch, max_bytes=_SLICE_BYTES, max_rows=_SLICE_ROWS, measure=written_bytes):
            if not piece.num_rows:
                continue
            rows: Any = _with_fields(piece, fields).to_struct_array()
            yield _lines(pa.RecordBatch.from_struct_array(rows if convert is None else convert(rows)), options)


def _with_fields(batch: pa.RecordBatch, fields: list[pa.Field[Any]]) -> pa.RecordBatch:
    # A batch made of no columns would lose its number of rows.
    return pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema(fields)) if fields else batch


def written_array(batches: pa.RecordBatchReader, options: JsonOptions) -> Iterator[bytes]:
    """Yield an array of objects; ``[]`` for no rows."""
    before = b"["
    for lines in written_lines(batches, options):
        yield before + lines[:-1].replace(b"\n", b",")  # within strings, a line feed is written as two characters
        before = b","
    yield b"[]" if before == b"[" else b"]"


def _lines(batch: pa.RecordBatch, options: JsonOptions) -> bytes:
    sink = io.BytesIO()
    arro3.io.write_ndjson(batch, sink, explicit_nulls=options.explicit_nulls)
    text = sink.getvalue()
    return with_texts(text, batch) if options.non_finite == "string" else text
