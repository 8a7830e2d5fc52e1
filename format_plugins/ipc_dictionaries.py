"""Dictionaries that change between record batches, made into ones that only grow: an Arrow file has no way back."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from format_plugins.contract import UnsupportedError
from format_plugins.kinds import Array


class GrowingDictionaries:
    """Rewrites dictionary columns so that each dictionary begins with the one before it.

    It remembers the dictionaries of the last batch and nothing else; they grow with the distinct values written.
    Dictionaries nested in other types are left as they are: Arrow's unification changes those in place.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._columns = [index for index, kind in enumerate(schema.types) if _is_plain_dictionary(kind)]
        self._before: dict[int, Array] = {}  # a column's last array, of no rows

    def grown(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` over the grown dictionaries. Raises ``UnsupportedError`` where they cannot grow."""
        columns = batch.columns
        for index in self._columns:
            columns[index] = self._grown(index, columns[index], batch.schema.field(index))
            self._before[index] = columns[index].slice(0, 0)
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema) if self._columns else batch

    def _grown(self, index: int, array: Array, field: pa.Field[Any]) -> Array:
        before = self._before.get(index)
        if before is None or before.dictionary.equals(array.dictionary):
            return array
        if field.type.ordered:
            raise _misfit(field, "its values are ordered, and another batch has others")
        try:
            return pa.chunked_array([before, array]).unify_dictionaries().chunks[-1]
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise _misfit(field, str(error)) from error


def _misfit(field: pa.Field[Any], why: str) -> UnsupportedError:
    return UnsupportedError(
        f"column {field.name!r} ({field.type}): an Arrow file has one dictionary a column, and the column's change: {why}",
        column=field.name,
    )


def _is_plain_dictionary(kind: pa.DataType) -> bool:
    return (
        pa.types.is_dictionary(kind)
        and kind.value_type.num_fields == 0
        and not isinstance(kind.value_type, pa.BaseExtensionType)
    )
