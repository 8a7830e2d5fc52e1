"""Record batches cut, and gathered, to about the size of one message on the wire."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

import pyarrow as pa

from flight_server.store.views import children, compacted, is_view
from format_plugins.slicing import TARGET_BYTES

#: A piece may be this much larger before it is halved once more.
_SLACK = 1.25
#: Halving that saves less than this has met data that its slices share; it is written whole.
_WORTHWHILE = 0.8


def slices(batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Yield the rows of ``batch`` in pieces of about ``TARGET_BYTES``, each with its size in bytes; 1 row at the least."""
    size = pa.ipc.get_record_batch_size(batch)
    if size <= TARGET_BYTES * _SLACK or batch.num_rows <= 1:
        yield batch, size
        return
    rows = math.ceil(batch.num_rows / math.ceil(size / TARGET_BYTES))
    for start in range(0, batch.num_rows, rows):
        piece = compacted(batch.slice(start, rows))
        yield from _halved(piece, pa.ipc.get_record_batch_size(piece))


def _halved(piece: pa.RecordBatch, size: int) -> Iterator[tuple[pa.RecordBatch, int]]:
    half = piece.num_rows // 2
    if size <= TARGET_BYTES * _SLACK or half == 0:
        yield piece, size
        return
    parts = [compacted(piece.slice(0, half)), compacted(piece.slice(half))]
    sizes = [pa.ipc.get_record_batch_size(part) for part in parts]
    if sum(sizes) * _WORTHWHILE > size:
        yield piece, size
        return
    for part, part_size in zip(parts, sizes, strict=True):
        yield from _halved(part, part_size)


class Gathering:
    """Small record batches held until together they make one of about ``TARGET_BYTES``."""

    def __init__(self, schema: pa.Schema) -> None:
        self._joinable = all(_is_joinable(kind) for kind in schema.types)
        self._held: list[pa.RecordBatch] = []
        self.size = 0

    def add(self, batch: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
        """Take a batch of ``size`` bytes; yield what is to be written now, in order."""
        small = self._joinable and size < TARGET_BYTES // 2
        if self._held and not (small and self.size + size <= TARGET_BYTES and _same_dictionaries(self._held[0], batch)):
            yield from self.rest()
        if small:
            self._held.append(batch)
            self.size += size
        else:
            yield batch

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yield what is held, as one batch."""
        held, self._held, self.size = self._held, [], 0
        if held:
            yield held[0] if len(held) == 1 else pa.concat_batches(held)  # type: ignore[attr-defined] # the stubs lack it


def _is_joinable(kind: pa.DataType) -> bool:
    """Whether joining copies just the rows: a view keeps all its buffers, a nested dictionary may change."""
    if isinstance(kind, pa.BaseExtensionType):
        return _is_joinable(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return not pa.types.is_nested(kind.value_type)
    if is_view(kind) or pa.types.is_union(kind) or pa.types.is_run_end_encoded(kind):
        return False
    return all(_is_joinable(child) and not pa.types.is_dictionary(child) for child in children(kind))


def _same_dictionaries(first: pa.RecordBatch, other: pa.RecordBatch) -> bool:
    # Only dictionaries are touched: pyarrow has no class for arrays of months, which are stored all the same.
    places = [place for place, kind in enumerate(first.schema.types) if pa.types.is_dictionary(kind)]
    return all(_dictionary(first, place).equals(_dictionary(other, place)) for place in places)


def _dictionary(batch: pa.RecordBatch, place: int) -> pa.Array[Any]:
    return cast("pa.DictionaryArray[Any, Any]", batch.column(place)).dictionary
