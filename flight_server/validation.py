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
        if not texts or not self._is_valid(batch, texts):
            batch.validate(full=True)  # which has the last word, and the words for it

    def _is_valid(self, batch: pa.RecordBatch, texts: dict[int, Any]) -> bool:
        # Only columns of text are taken out: Python has no class for the arrays of some of the types.
        others: Any = sorted(set(range(len(batch.schema))) - texts.keys())
        try:
            batch.select(others).validate(full=True)
            return all(self._is_valid_text(batch, index, type_) for index, type_ in texts.items())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return False
        except UnicodeDecodeError:  # Python gives out no column whose name is not UTF-8
            return False

    def _is_valid_text(self, batch: pa.RecordBatch, index: int, type_: Any) -> bool:  # noqa: ANN401 - text of either width
        column: Any = batch.column(index)
        if column.type != type_ or len(column) != batch.num_rows:
            return False
        column.view(_AS_BYTES[type_]).validate(full=True)
        if not _is_ascii(column):  # whose offsets may be followed by now
            self._others.add(index)
            column.validate(full=True)
        return True

    def _texts(self, batch: pa.RecordBatch) -> dict[int, Any]:
        if batch.num_rows < _FEWEST_ROWS:
            return {}
        types: list[Any] = batch.schema.types
        texts = {index: type_ for index, type_ in enumerate(types) if type_ in _AS_BYTES and index not in self._others}
        # Arrow mends a wrong count in an array of type null when it is taken out: nothing could be found any more.
        return {} if texts and any(map(_holds_null, types)) else texts


def _holds_null(type_: Any) -> bool:  # noqa: ANN401 - any type
    inner = (
        [type_.storage_type]
        if isinstance(type_, pa.BaseExtensionType)
        else [type_.field(at).type for at in range(type_.num_fields)]
    )
    return bool(type_ == pa.null() or any(map(_holds_null, inner)))


def _is_ascii(array: Any) -> bool:  # noqa: ANN401 - text of either width
    _, offsets, data = array.buffers()
    ends = pa.Array.from_buffers(_OFFSETS[array.type], len(array) + 1, [None, offsets], 0, array.offset)
    start, stop = ends[0].as_py(), ends[len(array)].as_py()
    if start == stop:
        return True
    octets = pa.Array.from_buffers(pa.uint8(), stop - start, [None, data], 0, start)
    return bool(pc.max(octets).as_py() <= _MOST_ASCII)
