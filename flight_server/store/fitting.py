"""Fitting an appended stream to its dataset's schema.

The rule: an append never changes the schema of a dataset. The stream may have its columns in another order; it may leave
out columns that can be null, which are filled with null; and a column may have a type that widens without loss into the
dataset's: a shorter integer or float, an integer into a float or decimal that holds all of its values, text into large
text, a date into a longer date, a dictionary into its values or the other way, nested types of such, null into anything.
A column that may be null fits one that may not as long as no null arrives. Metadata plays no part: that of the first put
stays. Everything else is a ``SchemaMismatch`` that names the column, what it has, what is wanted, and the way out.

Types decide, and of values only nulls: a stream that does not fit is refused before its rows are read. That is why this is
not ``format_plugins.fitting``, which takes whatever values convert and come back as they were.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flight_server.errors import SchemaMismatch
from flight_server.store.widening import widens

_ADVICE = "use mode 'replace', another dataset, or give the dataset's schema as 'schema'"


@dataclass(frozen=True, slots=True)
class _Column:
    field: pa.Field[Any]
    source: int | None  # None: filled with null
    same: bool


class Fit:
    """How batches of one schema become batches of a dataset's."""

    def __init__(self, dataset: str, wanted: pa.Schema, has: pa.Schema) -> None:
        """Match the columns; raise ``SchemaMismatch`` when no batch of ``has`` would fit."""
        self._dataset = dataset
        self.wanted = wanted
        self._columns = [] if has.equals(wanted, check_metadata=True) else self._matched(has)  # none: nothing to do

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch in the dataset's schema. Raises ``SchemaMismatch`` for a null or a value that does not fit."""
        if not self._columns:
            return batch
        arrays = [self._array(batch, column) for column in self._columns]
        return pa.RecordBatch.from_arrays(arrays, schema=self.wanted)

    def _matched(self, has: pa.Schema) -> list[_Column]:
        sources = self._sources(has)
        columns = []
        for position, field in enumerate(self.wanted):
            source = sources[position]
            if source is None:
                if not field.nullable:
                    raise self._mismatch(field.name, "is missing", f"{field.type}, not null")
                columns.append(_Column(field, None, same=False))
                continue
            kind = has.field(source).type
            if not widens(kind, field.type):
                raise self._mismatch(field.name, f"has type {kind}", str(field.type))
            columns.append(_Column(field, source, same=kind.equals(field.type)))
        return columns

    def _sources(self, has: pa.Schema) -> list[int | None]:
        """Return, for each column of the dataset, where the stream has it."""
        if has.names == self.wanted.names:
            return list(range(len(has.names)))
        twice = [name for name, count in Counter([*has.names]).items() if count > 1]
        twice += [name for name, count in Counter([*self.wanted.names]).items() if count > 1]
        if twice:
            raise self._mismatch(twice[0], "is there more than once", "the same columns in the same order")
        for name in has.names:
            if name not in self.wanted.names:
                raise self._mismatch(name, "is new", f"one of {', '.join(map(repr, self.wanted.names[:20]))}")
        return [has.names.index(name) if name in has.names else None for name in self.wanted.names]

    def _array(self, batch: pa.RecordBatch, column: _Column) -> Any:  # noqa: ANN401 - an array of any type
        field = column.field
        if column.source is None:
            return pa.nulls(batch.num_rows, field.type)
        array = batch.column(column.source)
        if not field.nullable and array.null_count:
            raise self._mismatch(field.name, f"has {array.null_count:,} nulls in a batch", f"{field.type}, not null")
        if column.same:
            return array
        if pa.types.is_null(array.type):
            return pa.nulls(len(array), field.type)
        try:
            return _cast(array, field.type)
        except pa.ArrowException as error:
            raise self._mismatch(field.name, f"has values that do not fit ({error})", str(field.type)) from None

    def _mismatch(self, column: str, has: str, wanted: str) -> SchemaMismatch:
        return SchemaMismatch(
            f"column {column!r} {has}, and {self._dataset!r} wants {wanted}: {_ADVICE}",
            column=column,
            wanted=wanted[:200],
        )


def _cast(array: Any, wanted: pa.DataType) -> Any:  # noqa: ANN401 - the same
    if pa.types.is_dictionary(wanted) and not pa.types.is_dictionary(array.type):
        return array.dictionary_encode().cast(wanted)
    return array.cast(wanted)
