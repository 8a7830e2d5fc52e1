"""What a Parquet file is made of: row groups of bounded memory, columns with a dictionary, types that it can carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from format_plugins.contract import UnsupportedError
from format_plugins.kinds import Array, Type, holds, is_extension
from format_plugins.pieces import PieceSink
from format_plugins.relabelling import list_elements, storage, storage_type, struct_fields
from format_plugins.slicing import sliced
from format_plugins.spelling import did_you_mean
from format_plugins.views import is_view
from format_plugins.written_size import written_bytes

#: The types that a file is limited to.
Version: TypeAlias = Literal["1.0", "2.4", "2.6"]

_SAMPLE_ROWS = 8192
#: A column gets a dictionary when fewer of its sampled values are distinct: beyond, it costs time and space.
_DISTINCT_SHARE = 0.4
# OSError is how a negative scale of decimals is refused: Parquet's own errors have no other class.
_REFUSALS = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, KeyError, OSError)


class RowGroups:
    """Record batches gathered to tables, each a row group of at most ``max_rows`` rows and ``max_bytes`` of Arrow data."""

    def __init__(self, batches: pa.RecordBatchReader, *, max_rows: int, max_bytes: int) -> None:
        self._batches = batches
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._dictionaries: dict[int, int] = {}  # a column's last dictionary, by the address of its data

    def __iter__(self) -> Iterator[pa.Table]:
        held: list[pa.RecordBatch] = []
        rows = size = 0
        for batch in self._batches:
            if batch.num_rows and not batch.num_columns:
                raise UnsupportedError("Parquet has no way to carry rows without columns")
            for piece in sliced(batch, max_bytes=self._max_bytes, max_rows=self._max_rows, measure=_bytes):
                more = self._size(piece)
                if held and (rows + piece.num_rows > self._max_rows or size + more > self._max_bytes):
                    yield pa.Table.from_batches(held)
                    held, rows, size = [], 0, 0
                if piece.num_rows:
                    held.append(piece)
                    rows, size = rows + piece.num_rows, size + more
        if held:
            yield pa.Table.from_batches(held)

    def _size(self, batch: pa.RecordBatch) -> int:
        """Count a dictionary that batches share once, not for each of them."""
        size = _bytes(batch)
        for index, kind in enumerate(batch.schema.types):
            if pa.types.is_dictionary(kind):
                dictionary = cast("Any", batch.column(index)).dictionary
                address = next((part.address for part in reversed(dictionary.buffers()) if part is not None), 0)
                if self._dictionaries.get(index) != address:
                    size += dictionary.get_total_buffer_size()
                self._dictionaries[index] = address
        return size


def _bytes(batch: pa.RecordBatch) -> int:
    # Arrow writes views out before it encodes them; a dictionary stays one.
    return written_bytes(batch, shares=is_view)


def dictionary_paths(first: pa.Table, wanted: str | bool | tuple[str, ...]) -> bool | list[str]:
    """Return what ``ParquetWriter`` takes as ``use_dictionary``: True for all, or the paths of leaf columns.

    ``wanted`` is the option: "auto" looks at the first rows of ``first``, the first row group.
    Raises ``UnsupportedError`` for a name that is no column, and for dictionaries that cannot be made into one.
    """
    if wanted is True:
        return True
    if isinstance(wanted, tuple):
        _check_names(first.schema, wanted)
    sample = first.slice(0, _SAMPLE_ROWS)
    return [
        path
        for name, column in zip(sample.column_names, sample.columns, strict=True)
        for path, values in _leaves(name, _joined(name, column))
        if _takes_dictionary(name, values, wanted)
    ]


def refuse_types(schema: pa.Schema, *, version: Version) -> None:
    """Raise ``UnsupportedError`` that names the first column whose type Parquet cannot carry."""
    for field in schema:
        for accepts, problem in _TRAPS:
            if holds(field.type, accepts):
                raise _refusal(field, problem)
    try:
        pq.ParquetWriter(cast("Any", PieceSink()), schema, version=version)
    except _REFUSALS as error:
        raise refuse(pa.Table.from_batches([], schema), error, version=version) from error


def refuse_values(table: pa.Table) -> None:
    """Raise ``UnsupportedError`` for fixed-size lists that are never null, in structs that are: Arrow cannot read them."""
    for field, column in zip(table.schema, table.columns, strict=True):
        if holds(field.type, _has_full_list) and any(_lacks_a_list(storage(chunk)) for chunk in column.chunks):
            raise _refusal(field, "a fixed-size list that is not nullable lies in a struct that is null")


def _has_full_list(type_: Type) -> bool:
    fields = [type_.field(index) for index in range(type_.num_fields)] if pa.types.is_struct(type_) else []
    return any(pa.types.is_fixed_size_list(field.type) and not field.nullable for field in fields)


def _lacks_a_list(array: Array) -> bool:
    if pa.types.is_struct(array.type):
        return (array.null_count > 0 and _has_full_list(array.type)) or any(map(_lacks_a_list, struct_fields(array)))
    inner = array.values if array.type.num_fields else None
    return inner is not None and _lacks_a_list(inner)


def _refusal(field: pa.Field[Any], problem: str) -> UnsupportedError:
    return UnsupportedError(
        f"Parquet cannot carry the column {field.name!r} of type {field.type}: {problem}", column=field.name
    )


#: What Arrow writes, and ends the process over, or does not read again.
_TRAPS: tuple[tuple[Callable[[Type], bool], str], ...] = (
    (lambda type_: pa.types.is_fixed_size_list(type_) and type_.list_size == 0, "its lists have no values"),
    (lambda type_: pa.types.is_dictionary(type_) and is_extension(type_.value_type), "a dictionary of an extension type"),
    (
        lambda type_: pa.types.is_dictionary(type_) and holds(type_.value_type, pa.types.is_dictionary),
        "a dictionary in another",
    ),
)


def refuse(table: pa.Table, error: Exception, *, version: Version) -> UnsupportedError:
    """Return the error for a table that cannot be written, with the first column that cannot be written alone."""
    for index, field in enumerate(table.schema):
        try:
            pq.write_table(table.select([index]), cast("Any", PieceSink()), version=version)
        except _REFUSALS as cause:
            return UnsupportedError(
                f"Parquet cannot carry the column {field.name!r} of type {field.type}: {cause}", column=field.name
            )
    return UnsupportedError(f"Parquet cannot carry the table: {error}")


def check_level(compression: str, level: int) -> None:
    """Raise ``ValueError`` when the codec has no such level: Arrow takes some, and changes them in silence."""
    codec: Any = {"lz4": "lz4_raw"}.get(compression, compression)
    if codec == "none" or not pa.Codec.supports_compression_level(codec):
        raise ValueError(f"compression_level: {compression} has no levels")
    least, most = pa.Codec.minimum_compression_level(codec), pa.Codec.maximum_compression_level(codec)
    if not least <= level <= most:
        raise ValueError(f"compression_level: {compression} has levels from {least} to {most}, not {level}")


def _check_names(schema: pa.Schema, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in schema.names:
            hint = did_you_mean(name, schema.names)
            raise UnsupportedError(f"there is no column {name!r} to have a dictionary{hint}", column=name, option="dictionary")


def _joined(name: str, column: Array) -> Array:
    """Return a sampled column as one array, without extension types.

    Raises ``UnsupportedError`` for dictionaries that cannot be made into one.
    """
    if not column.num_chunks:
        return pa.nulls(0, storage_type(column.type))
    try:
        return pa.concat_arrays([storage(chunk) for chunk in column.chunks])
    except pa.ArrowInvalid as error:
        raise UnsupportedError(
            f"Parquet cannot carry the column {name!r} of type {column.type}: {error}", column=name
        ) from error


def _leaves(path: str, array: Array) -> Iterator[tuple[str, Array]]:
    """Yield the values in ``array`` that are columns of their own in Parquet, by the path that they have there."""
    kind = array.type
    if pa.types.is_struct(kind):
        for index, values in enumerate(array.flatten()):
            yield from _leaves(f"{path}.{kind.field(index).name}", values)
    elif pa.types.is_map(kind):
        yield from _leaves(f"{path}.key_value.key", array.keys)
        yield from _leaves(f"{path}.key_value.value", array.items)
    elif kind.num_fields and not pa.types.is_union(kind):
        yield from _leaves(f"{path}.list.element", list_elements(array))
    else:
        yield path, array


def _takes_dictionary(name: str, values: Array, wanted: str | bool | tuple[str, ...]) -> bool:
    """Return whether a column of these values gets a dictionary. Dictionary arrays always do: order would be lost."""
    if pa.types.is_dictionary(values.type):
        return True
    return name in wanted if isinstance(wanted, tuple) else wanted == "auto" and _repeats(values)


def _repeats(values: Array) -> bool:
    if pa.types.is_boolean(values.type) or pa.types.is_null(values.type) or not len(values):
        return False  # Parquet has no dictionary of those
    values = values.slice(0, _SAMPLE_ROWS)
    if pa.types.is_string_view(values.type) or pa.types.is_binary_view(values.type):
        values = values.cast(pa.large_binary())  # few kernels know views
    return bool(pc.count_distinct(values).as_py() < _DISTINCT_SHARE * len(values))
