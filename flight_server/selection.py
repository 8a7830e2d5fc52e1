"""Which part of a stream is wanted: columns by name, and how many of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flight_server.errors import BadRequest
from format_plugins.spelling import did_you_mean


@dataclass(frozen=True, slots=True)
class Selection:
    """Columns in the order wanted, resolved against a schema once for a whole stream."""

    schema: pa.Schema
    _paths: tuple[tuple[int, ...], ...] | None  # None: every column, as it is

    @classmethod
    def of(cls, schema: pa.Schema, columns: Sequence[str] | None) -> Selection:
        """Resolve ``columns`` (``a.b`` reaches into structs); an unknown one is a ``BadRequest`` that helps."""
        if columns is None:
            return cls(schema, None)
        paths = tuple(_path(schema, name) for name in columns)
        fields = [_field(schema, name, path) for name, path in zip(columns, paths, strict=True)]
        return cls(pa.schema(fields).with_metadata(schema.metadata), paths)

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the wanted columns of ``batch``, without copying top-level ones."""
        if self._paths is None:
            return batch
        arrays = [_array(batch, path) for path in self._paths]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def limited(batches: Iterable[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    """Yield batches until ``limit`` rows have gone by, cutting the last one."""
    if limit is None:
        yield from batches
        return
    left = limit
    source = iter(batches)
    while left > 0 and (batch := next(source, None)) is not None:
        yield batch.slice(0, left) if batch.num_rows > left else batch
        left -= batch.num_rows


def _path(schema: pa.Schema, name: str) -> tuple[int, ...]:
    """Find a column: by its whole name first, for a name may hold a dot, then part by part through structs."""
    if (index := _index(schema, name)) is not None:
        return (index,)
    head, *rest = name.split(".")
    index = _index(schema, head)
    if index is None or not rest:
        raise BadRequest(f"unknown column {name!r:.200}{did_you_mean(name, schema.names)}", columns=schema.names[:32])
    path, kind = [index], schema.field(index).type
    for part in rest:
        child = kind.get_field_index(part) if pa.types.is_struct(kind) else -1
        if child < 0:
            raise BadRequest(f"unknown column {name!r:.200}: {part!r:.80} is no member of a {kind!s:.200}")
        path.append(child)
        kind = kind.field(child).type
    return tuple(path)


def _index(schema: pa.Schema, name: str) -> int | None:
    indices = schema.get_all_field_indices(name)
    if len(indices) > 1:
        raise BadRequest(f"column {name!r:.200} is there {len(indices)} times: it cannot be chosen by name")
    return indices[0] if indices else None


def _field(schema: pa.Schema, name: str, path: tuple[int, ...]) -> pa.Field[Any]:
    field = schema.field(path[0])
    if len(path) == 1:
        return field
    for index in path[1:]:
        field = field.type.field(index)
    # A null struct has null members, whatever the member's own declaration.
    return field.with_name(name).with_nullable(True)


def _array(batch: pa.RecordBatch, path: tuple[int, ...]) -> pa.Array[Any]:
    column = batch.column(path[0])
    return column if len(path) == 1 else pc.struct_field(column, list(path[1:]))
