"""Whether record batches from outside are what they say: what ``validate(full=True)`` finds, in less time where it is text."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

#: Below, the ways around cost more than they spare.
_FEWEST_ROWS = 4096
_MOST_ASCII = 127
_AS_BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}
_OFFSETS = {pa.string(): pa.int32(), pa.large_string(): pa.int64()}


class Validation:
    """The check of a stream of record batches of one schema. For one thread.

    Arrow looks at each text alone to see whether it is UTF-8. Where all bytes of a column are ASCII, which one look at them
    together tells, each of its texts is, wherever it begins. A column that has other letters is not tried so again.
    """

    def __init__(self) -> None:
        self._others: set[int] = set()  # columns that had other letters

    def check(self, batch: pa.RecordBatch) -> None:
        """Raise ``ArrowInvalid`` or ``ArrowNotImplementedError``, as ``batch.validate(full=True)`` does, and when it does."""
        texts = self._texts(batch)
        if not texts:
            batch.validate(full=True)
            return
        columns: list[Any] = list(batch.columns)
        try:
            for index in texts:
                columns[index] = columns[index].view(_AS_BYTES[columns[index].type])
            pa.RecordBatch.from_arrays(columns, batch.schema.names).validate(full=True)
            for index in texts:
                self._check_text(index, batch.column(index))  # whose offsets may be followed by now
        except pa.ArrowException:
            batch.validate(full=True)  # for the words that it has for it
            raise

    def _check_text(self, index: int, column: Any) -> None:  # noqa: ANN401 - text of either width
        if not _is_ascii(column):
            self._others.add(index)
            column.validate(full=True)

    def _texts(self, batch: pa.RecordBatch) -> list[int]:
        if batch.num_rows < _FEWEST_ROWS:
            return []
        return [index for index, type_ in enumerate(batch.schema.types) if type_ in _AS_BYTES and index not in self._others]


def _is_ascii(array: Any) -> bool:  # noqa: ANN401 - text of either width
    _, offsets, data = array.buffers()
    ends = pa.Array.from_buffers(_OFFSETS[array.type], len(array) + 1, [None, offsets], 0, array.offset)
    start, stop = ends[0].as_py(), ends[len(array)].as_py()
    if start == stop:
        return True
    octets = pa.Array.from_buffers(pa.uint8(), stop - start, [None, data], 0, start)
    return bool(pc.max(octets).as_py() <= _MOST_ASCII)
