"""Record batches of a bounded size: slices of larger ones, without copying more than views make necessary."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pyarrow as pa

from format_plugins.views import compacted

#: The size that a record batch should have on the wire, in the store, and between plugins: large enough to make the
#: cost of a message vanish, small enough for clients whose gRPC accepts 4 MiB.
TARGET_BYTES = 2 << 20
#: Longer record batches are not interchangeable: several implementations count rows in 32 bits.
MAX_BATCH_ROWS = 2**31 - 1
#: Slices aim at this part of what is allowed, for rows differ: one that comes out too large is cut in two.
_FILL = 0.8
#: Parts that are together larger than the whole by this factor share data, and cutting does not help.
_WORTHWHILE = 1.25


def sliced(
    batch: pa.RecordBatch,
    *,
    max_bytes: int = TARGET_BYTES,
    max_rows: int | None = None,
    measure: Callable[[pa.RecordBatch], int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield ``batch`` in slices of at most ``max_bytes`` of data and ``max_rows`` rows, but of one row at the least.

    ``measure`` says how many bytes a batch has, ``data_bytes`` unless it is given.

    A batch that is small enough, an empty one too, is yielded as it is, and so is one that slicing does not make
    smaller. Rows may differ in size, so a slice that is still too large is cut again until it fits. Slices of views are
    copies, for each would hold the data of all.
    """
    for piece, _ in measured(batch, max_bytes=max_bytes, max_rows=max_rows, measure=measure):
        yield piece


def measured(
    batch: pa.RecordBatch,
    *,
    max_bytes: int = TARGET_BYTES,
    max_rows: int | None = None,
    measure: Callable[[pa.RecordBatch], int] | None = None,
) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Yield what ``sliced`` does, each slice with its size in bytes."""
    bytes_of = measure or data_bytes
    yield from _measured(batch, bytes_of(batch), max_bytes, max_rows, bytes_of)


def _measured(
    batch: pa.RecordBatch, size: int, max_bytes: int, max_rows: int | None, bytes_of: Callable[[pa.RecordBatch], int]
) -> Iterator[tuple[pa.RecordBatch, int]]:
    rows = batch.num_rows
    too_many = max_rows is not None and rows > max_rows
    if rows <= 1 or (size <= max_bytes and not too_many):
        yield batch, size
        return
    parts = max(math.ceil(size / (max_bytes * _FILL)), 2, math.ceil(rows / max_rows) if max_rows is not None else 1)
    # In two, each of about half the parts: whether cutting helps is seen at once, before much is copied.
    middle = max(rows * (parts // 2) // parts, 1)
    pieces = [compacted(batch.slice(0, middle)), compacted(batch.slice(middle))]
    sizes = [bytes_of(piece) for piece in pieces]
    if not too_many and sum(sizes) > size * _WORTHWHILE:
        yield batch, size
        return
    for piece, its_size in zip(pieces, sizes, strict=True):
        yield from _measured(piece, its_size, max_bytes, max_rows, bytes_of)


def data_bytes(batch: pa.RecordBatch) -> int:
    """Return the size of the rows of a valid ``batch`` as a message: slices count what is theirs, dictionaries nothing.

    It is used instead of ``batch.nbytes``, which ends the process for arrays of no values whose buffers are missing:
    Arrow reads an empty union so, and ``validate(full=True)`` finds nothing wrong with it.
    """
    return int(pa.ipc.get_record_batch_size(batch))
