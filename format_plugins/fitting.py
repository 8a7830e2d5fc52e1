"""Record batches made to fit a schema that was asked for, exactly, or not at all: no value is ever lost on the way.

Values decide: a document has often a type that is wider than what it holds (text formats infer one), and who asks for a
schema knows the data. The store, which decides before it sees a row, goes by types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.contract import FormatError
from format_plugins.kinds import Array, is_list
from format_plugins.relabelling import list_elements, struct_fields
from format_plugins.sharing import dictionary_of

_Step: TypeAlias = Callable[[pa.RecordBatch, int], Array]
_ARROW_REFUSALS = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowKeyError, pa.ArrowCapacityError)


def fit(reader: pa.RecordBatchReader, schema: pa.Schema) -> pa.RecordBatchReader:
    """Return the batches of ``reader`` as batches of exactly ``schema``, lazily, each when it is asked for.

    Columns are matched by name, in any order. A column that is missing becomes null where ``schema`` allows nulls.
    A column of another type is converted when each value comes back from the conversion as it was (an int64 as a
    double only up to 2^53, a double as a float only when nothing is rounded). Time zones may change, but a time
    without one never gets one, nor loses it. Fields of structs are matched by name too; none is dropped.

    Raises ``FormatError`` that says the column, what it has and what is wanted: at once for columns that are
    missing, unknown, not to be told apart or of a type that never fits; for a row that does not fit when its batch
    is reached.
    """
    if reader.schema.equals(schema, check_metadata=True):
        return reader
    if reader.schema.names == schema.names:  # by position, so that one name may stand twice
        steps = [_taken(index, reader.schema.field(index).type, field) for index, field in enumerate(schema)]
        return pa.RecordBatchReader.from_batches(schema, _fitted(reader, schema, steps))
    steps = [_step(reader.schema, field) for field in schema]
    for name in reader.schema.names:
        if schema.get_field_index(name) < 0:
            raise FormatError(f"the column {name!r} is not in the schema that is wanted", column=name)
    return pa.RecordBatchReader.from_batches(schema, _fitted(reader, schema, steps))


def _fitted(reader: pa.RecordBatchReader, schema: pa.Schema, steps: list[_Step]) -> Iterator[pa.RecordBatch]:
    row = 0
    for batch in reader:
        try:
            batch.validate(full=True)  # conversions read through offsets
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise FormatError(f"a record batch is not valid: {error}", row=row + 1) from None
        columns = [step(batch, row) for step in steps]
        # A batch made of no columns would lose its number of rows.
        yield pa.RecordBatch.from_arrays(columns, schema=schema) if columns else batch
        row += batch.num_rows


def _step(has: pa.Schema, field: pa.Field[Any]) -> _Step:
    """Return what makes the column ``field`` of a batch of ``has``; refuses what no batch could give."""
    found = has.get_all_field_indices(field.name)
    if len(found) > 1:
        raise FormatError(f"there are {len(found)} columns {field.name!r}", column=field.name)
    if not found:
        if not field.nullable:
            raise FormatError(f"the column {field.name!r} is missing, and {_said(field)} is wanted", column=field.name)
        return lambda batch, _row: pa.nulls(batch.num_rows, field.type)
    return _taken(found[0], has.field(found[0]).type, field)


def _taken(index: int, has: pa.DataType, field: pa.Field[Any]) -> _Step:
    column = _Column(field, has)
    return lambda batch, row: column.fitted(batch.column(index), row)


class _Lossy(Exception):
    """A conversion would change a value; the message says how."""


class _Column:
    """One column on its way from the type it ``has`` to the field that is wanted."""

    def __init__(self, field: pa.Field[Any], has: pa.DataType) -> None:
        self._field = field
        self._has = has
        self._same_type = has == field.type
        try:
            if not self._same_type:
                _check_types(has, field.type)
                _cast(_own_values(pa.nulls(0, cast("Any", has))), field.type)
        except (_Lossy, *_ARROW_REFUSALS) as error:
            raise self._misfit(error) from None

    def fitted(self, array: Array, rows_before: int) -> Array:
        """Return ``array`` as the field wants it."""
        try:
            return self._converted(array)
        except (_Lossy, *_ARROW_REFUSALS) as error:
            row = self._first_misfit(array)
            raise self._misfit(error, row=rows_before + row + 1, value=_text(array, row)) from None

    def _converted(self, array: Array) -> Array:
        converted = array
        if not self._same_type:
            array = _own_values(array)
            converted = _cast(array, self._field.type)
            _check_values(array, converted)
            _check_nested_nulls(converted)
        if not self._field.nullable and converted.null_count:
            raise _Lossy("it is null")
        return converted

    def _first_misfit(self, array: Array) -> int:
        """Halve: the first ``low`` rows fit, the first ``high`` do not."""
        low, high = 0, len(array)
        while high - low > 1:
            middle = (low + high) // 2
            try:
                self._converted(array.slice(0, middle))
                low = middle
            except (_Lossy, *_ARROW_REFUSALS):
                high = middle
        return low

    def _misfit(self, why: Exception, *, row: int | None = None, value: str | None = None) -> FormatError:
        reason = " ".join(str(why).split())
        return FormatError(
            f"the column {self._field.name!r} has {self._has} where {_said(self._field)} is wanted: {reason:.300}",
            column=self._field.name,
            row=row,
            value=value,
        )


def _said(field: pa.Field[Any]) -> str:
    return f"{field.type}{'' if field.nullable else ' not null'}"


def _text(array: Array, row: int) -> str | None:
    try:
        return str(array[row])
    except (ValueError, OverflowError):  # a time that Python cannot hold
        return None


def _cast(array: Array, type_: pa.DataType) -> Array:
    if not pa.types.is_dictionary(type_) or pa.types.is_dictionary(array.type):
        converted: Array = array.cast(type_, safe=True)
        if converted.type.num_fields:
            converted.validate(full=True)  # Arrow loses the length of nulls in lists
        return converted
    try:  # Arrow makes dictionaries of text only
        return dictionary_of(array.cast(type_.value_type, safe=True), type_)
    except ValueError as error:
        raise _Lossy(str(error)) from None


def _check_types(has: pa.DataType, wanted: pa.DataType) -> None:
    """Refuse what Arrow would convert, but not without changing what the values mean."""
    has, wanted = _storage_type(has), _storage_type(wanted)
    if pa.types.is_timestamp(has) and pa.types.is_timestamp(wanted) and (has.tz is None) != (wanted.tz is None):
        raise _Lossy("a time zone can be neither made up nor dropped")
    if pa.types.is_struct(has) and pa.types.is_struct(wanted):
        for index in range(has.num_fields):
            inner = has.field(index)
            place = wanted.get_field_index(inner.name)
            if place < 0 or has.get_field_index(inner.name) < 0:
                raise _Lossy(f"its field {inner.name!r} would be lost")
            _check_types(inner.type, wanted.field(place).type)
    elif has.num_fields == wanted.num_fields:
        for index in range(has.num_fields):
            _check_types(has.field(index).type, wanted.field(index).type)


def _storage_type(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _storage_type(kind.storage_type)
    return _storage_type(kind.value_type) if pa.types.is_dictionary(kind) else kind


def _check_values(before: Array, after: Array) -> None:
    """Raise ``_Lossy`` unless ``after`` says what ``before`` said; nested values are compared leaf by leaf."""
    before, after = _plain(before), _plain(after)
    if before.type == after.type and before.equals(after):
        return
    if pa.types.is_null(before.type) and after.null_count == len(after):
        return
    if pa.types.is_struct(before.type) and pa.types.is_struct(after.type):
        others = struct_fields(after)
        for index, values in enumerate(struct_fields(before)):
            _check_values(values, others[after.type.get_field_index(before.type.field(index).name)])
    elif pa.types.is_map(before.type) and pa.types.is_map(after.type):
        _check_values(before.keys, after.keys)
        _check_values(before.items, after.items)
    elif is_list(before.type) and is_list(after.type):
        _check_values(list_elements(before), list_elements(after))
    else:
        _check_leaf(before, after.cast(before.type, safe=True))


def _check_leaf(before: Array, back: Array) -> None:
    if before.null_count != back.null_count:
        raise _Lossy("a value would become null, or a null a value")
    if pa.types.is_floating(before.type):
        before, back = before.cast(pa.float64()), back.cast(pa.float64())
        same = pc.or_(pc.equal(before, back), pc.and_(pc.is_nan(before), pc.is_nan(back)))
        if not pc.all(same).as_py():  # nulls are passed over; none at all is true
            raise _Lossy("a number would be rounded")
    elif not before.equals(back):
        raise _Lossy("a value would come back as another")


def _check_nested_nulls(array: Array) -> None:
    """Raise when a field nested in ``array`` allows no nulls and there is one in a value that is there."""
    array = _plain(array)
    if pa.types.is_struct(array.type):
        for index, values in enumerate(struct_fields(array)):  # each is null where the struct is
            if not array.type.field(index).nullable and values.null_count > array.null_count:
                raise _Lossy(f"its field {array.type.field(index).name!r} is null")
            _check_nested_nulls(values)
    elif pa.types.is_map(array.type):
        if not array.type.item_field.nullable and array.items.null_count:
            raise _Lossy("a value of a map is null")
        _check_nested_nulls(array.items)
    elif is_list(array.type):
        values = list_elements(array)
        if not array.type.field(0).nullable and values.null_count:
            raise _Lossy("an element is null")
        _check_nested_nulls(values)


def _own_values(array: Array) -> Array:
    """Return ``array`` without what its slices left outside: a cast looks at that too. Runs, which none casts, decoded."""
    if isinstance(array, pa.RunEndEncodedArray):
        return pc.call_function("run_end_decode", [array])
    return pa.concat_arrays([array]) if array.type.num_fields else array


def _plain(array: Array) -> Array:
    """Return the values themselves: no extension, no dictionary, no runs, no views (few kernels know those)."""
    if isinstance(array, pa.ExtensionArray):
        return _plain(array.storage)
    if isinstance(array, pa.DictionaryArray):
        return _plain(array.dictionary_decode())
    if isinstance(array, pa.RunEndEncodedArray):
        return _plain(pc.call_function("run_end_decode", [array]))
    if pa.types.is_string_view(array.type):
        return array.cast(pa.large_string())
    return array.cast(pa.large_binary()) if pa.types.is_binary_view(array.type) else array
