"""Slicing record batches to a bounded size."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


def bounded_slices(batch: pa.RecordBatch, *, max_rows: int, max_bytes: int) -> Iterator[pa.RecordBatch]:
    """Yield ``batch`` in slices of at most ``max_rows`` rows and about ``max_bytes`` of data; nothing for no rows.

    No data is copied. Rows are taken to be of about the same size: a slice may be larger where they are not.
    """
    bytes_per_row = max(1.0, batch.nbytes / max(1, batch.num_rows))
    rows = max(1, min(max_rows, int(max_bytes / bytes_per_row)))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
