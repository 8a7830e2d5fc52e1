"""Small record batches gathered to about the size of one message on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pyarrow as pa

from format_plugins.kinds import children
from format_plugins.slicing import MAX_BATCH_ROWS, TARGET_BYTES
from format_plugins.views import is_view

#: A segment's record batch may be this long, and stays below the 4 MiB of gRPC: one of about the target is not cut in two.
MAX_BYTES = TARGET_BYTES * 5 // 4


class Gathering:
    """Small record batches held until together they make one of about ``TARGET_BYTES``."""

    def __init__(self, schema: pa.Schema) -> None:
        self._joinable = all(_is_joinable(kind) for kind in schema.types)
        self._held: list[pa.RecordBatch] = []
        self._size = 0
        self._rows = 0  # columns of nulls, or none, have no bytes that would bound them

    def add(self, batch: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
        """Take a batch of ``size`` bytes; yield what is to be written now, in order."""
        small = self._joinable and size < TARGET_BYTES // 2
        fits = small and self._size + size <= TARGET_BYTES and self._rows + batch.num_rows <= MAX_BATCH_ROWS
        if self._held and not (fits and _same_dictionaries(self._held[0], batch)):
            yield from self.rest()
        if small:
            self._held.append(batch)
            self._size += size
            self._rows += batch.num_rows
        else:
            yield batch

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yield what is held, as one batch."""
        held, self._held, self._size, self._rows = self._held, [], 0, 0
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
