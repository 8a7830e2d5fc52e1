"""Record batches of a bounded size: slices of larger ones, without copying."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

#: The size that a record batch should have on the wire, in the store, and between plugins: large enough to make the
#: cost of a message vanish, small enough for clients whose gRPC accepts 4 MiB.
TARGET_BYTES = 2 << 20
#: Slices that are together larger than the whole by this factor share data.
_WORTHWHILE = 1.25


def sliced(batch: pa.RecordBatch, *, max_bytes: int = TARGET_BYTES, max_rows: int | None = None) -> Iterator[pa.RecordBatch]:
    """Yield ``batch`` in slices of at most ``max_bytes`` of data and ``max_rows`` rows, but of one row at the least.

    A batch that is small enough, an empty one too, is yielded as it is, and so is one that slicing does not make
    smaller. Rows may differ in size, so a slice that is still too large is cut again until it fits.
    """
    rows = batch.num_rows
    size = data_bytes(batch)
    if rows <= 1 or (size <= max_bytes and (max_rows is None or rows <= max_rows)):
        yield batch
        return
    parts = max(-(-size // max_bytes), 1 if max_rows is None else -(-rows // max_rows), 2)
    step = max(rows // parts, 1)
    pieces = [batch.slice(start, step) for start in range(0, rows, step)]
    sizes = [data_bytes(piece) for piece in pieces]
    # The data of views is not divided: each slice of them keeps all of it, and cutting further makes it no smaller.
    shared = sum(sizes) > size * _WORTHWHILE
    if shared and (max_rows is None or rows <= max_rows):
        yield batch
        return
    for piece, piece_size in zip(pieces, sizes, strict=True):
        if piece_size > max_bytes and not shared:
            yield from sliced(piece, max_bytes=max_bytes)
        else:
            yield piece


def data_bytes(batch: pa.RecordBatch) -> int:
    """Return the size of the rows of a valid ``batch`` as a message: slices count what is theirs, dictionaries nothing.

    It is used instead of ``batch.nbytes``, which ends the process for arrays of no values whose buffers are missing:
    Arrow reads an empty union so, and ``validate(full=True)`` finds nothing wrong with it.
    """
    return int(pa.ipc.get_record_batch_size(batch))
