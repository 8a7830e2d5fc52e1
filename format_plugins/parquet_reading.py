"""The rows of a Parquet file in record batches of bounded memory, whatever its encodings shrank them from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq

from format_plugins.blocks import decode_in_order
from format_plugins.contract import FormatError
from format_plugins.faults import wrong_data

_DECODE_BYTES = 8 << 20  # what a decoded batch should hold, before it is cut to the size of a message
_SAMPLE_ROWS = 256
_DOCUMENT = "the Parquet file"


class ParquetRows:
    """The record batches of ``file`` (seekable), of ``schema``; ``columns`` says which are wanted, if not all.

    A batch has at most ``max_rows`` rows, fewer when they are large: by the footer, which counts encoded bytes, and
    by what the rows so far took decoded. Raises ``FormatError``, also for a row group whose rows are larger than
    ``max_row_bytes`` on average, by the footer.

    Only the sizes of whole row groups are read from the footer: pyarrow ends the process when it is asked for a
    column chunk that the footer holds encrypted.
    """

    def __init__(self, file: pa.NativeFile, *, columns: Sequence[str] | None, max_rows: int, max_row_bytes: int) -> None:
        self._columns = None if columns is None else list(columns)
        self._max_rows = max_rows
        self._max_row_bytes = max_row_bytes
        self._row_bytes = 1.0  # the most that a row took, averaged over a batch
        with wrong_data(_DOCUMENT):
            self._document = pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
            self.schema: pa.Schema = self._document.schema_arrow
            footer = self._document.metadata
            groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
        self._rows = [group.num_rows for group in groups]
        self._bytes = [group.total_byte_size for group in groups]
        self._check_rows(footer.num_rows)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        seen = 0
        for groups in self._runs():
            for batch in self._batches(groups):
                seen += batch.num_rows
                yield batch
        if self.schema.names and self._columns != [] and seen != sum(self._rows):
            raise FormatError(f"{_DOCUMENT} has {seen:,} rows, and its footer says {sum(self._rows):,}")

    def _check_rows(self, announced: int) -> None:
        """Refuse a footer that is at odds with itself: it has no checksum, but it counts rows twice."""
        # Some writers left the count of the whole at 0.
        if min(self._rows, default=0) < 0 or announced not in {0, sum(self._rows)}:
            raise FormatError(f"{_DOCUMENT} has {announced:,} rows, and its row groups have {sum(self._rows):,}")

    def _runs(self) -> Iterator[list[int]]:
        """Yield row groups that are read as one, so that batches do not end where short row groups do."""
        run: list[int] = []
        rows = 0
        for index, more in enumerate(self._rows):
            run.append(index)
            rows += more
            if rows >= self._max_rows:
                yield run
                run, rows = [], 0
        if run:
            yield run

    def _batches(self, groups: list[int]) -> Iterator[pa.RecordBatch]:
        size = self._batch_rows(groups)
        if groups[0] == 0 and size > _SAMPLE_ROWS:
            with wrong_data(_DOCUMENT):
                self._measure(next(self._opened(_SAMPLE_ROWS, groups), None))
            size = self._batch_rows(groups)
        with wrong_data(_DOCUMENT):
            batches = self._opened(size, groups)
        # One worker: the next batch is decoded while somebody works with this one.
        with closing(decode_in_order(itertools.repeat(batches), _next, workers=1)) as decoded:
            for batch in decoded:
                if batch is None:
                    return
                self._measure(batch)
                yield batch

    def _opened(self, size: int, groups: list[int]) -> Iterator[pa.RecordBatch]:
        return iter(self._document.iter_batches(size, row_groups=groups, columns=self._columns))

    def _batch_rows(self, groups: list[int]) -> int:
        encoded = max(self._bytes[index] / max(self._rows[index], 1) for index in groups)
        if encoded > self._max_row_bytes:
            raise FormatError(
                f"{_DOCUMENT} has rows of {int(encoded):,} bytes, where {self._max_row_bytes:,} are allowed",
                option="max_row_bytes",
            )
        return min(max(int(_DECODE_BYTES / max(encoded, self._row_bytes)), 1), self._max_rows)

    def _measure(self, batch: pa.RecordBatch | None) -> None:
        if batch is not None and batch.num_rows:
            self._row_bytes = max(self._row_bytes, batch.get_total_buffer_size() / batch.num_rows)


def _next(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    with wrong_data(_DOCUMENT):
        return next(batches, None)
