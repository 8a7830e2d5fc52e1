"""From one block of text to record batches, with a second look at what pyarrow's parser takes in silence."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.delimited.columns import Column
from format_plugins.delimited.cutter import Block
from format_plugins.delimited.dialect import blank_until
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.delimited.parser import BadRecord, BadValue, Parser
from format_plugins.slicing import sliced

_ZERO_IN_FRONT = "^0[0-9xX]"
_INFINITY = re.compile(rb"\s*[+-]?inf(?:inity)?\s*", re.IGNORECASE)


class BlockDecoder:
    """Decodes blocks, each for itself and from any thread, to batches of exactly ``schema``."""

    def __init__(self, parser: Parser, columns: Sequence[Column], schema: pa.Schema, options: DelimitedOptions) -> None:
        self._parser = parser
        self._columns = columns
        self.schema = schema
        self._options = options
        present = {column.position: column for column in columns if column.position is not None}
        self._by_position = present
        # When no column is present the first one still tells how many rows there are.
        self._types = {position: column.parsed for position, column in present.items()} or {0: pa.binary()}
        numbers = [column for column in present.values() if column.inferred and _is_number(column.parsed)]
        self._guessed_numbers = numbers
        self._zeros = _zero_patterns(options, numbers)

    def __call__(self, block: Block) -> list[pa.RecordBatch]:
        """Return the records of ``block``. Raises ``BadRecord``; ``WrongGuess`` when it does not end where a record does."""
        data = pa.py_buffer(block.data)
        if not data.size or (self._parser.skips_blank_lines and blank_until(block.data) == data.size):
            return []
        try:
            parsed = self._parser.read(data, self._types, marked=block.marked)
        except BadValue as bad:
            raise self._explained(bad, data) from None
        self._refuse_identifiers(data)
        rows = len(next(iter(parsed.values())))
        arrays = [self._finished(column, parsed, rows, data) for column in self._columns]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        return list(sliced(batch, max_rows=self._options.batch_rows))

    def _finished(self, column: Column, parsed: dict[int, pa.Array[Any]], rows: int, data: pa.Buffer) -> pa.Array[Any]:
        if column.position is None:
            missing: pa.Array[Any] = pa.nulls(rows, column.field.type)
            return missing
        array = parsed[column.position]
        if column.finish is not None:
            try:
                finished = column.finish(array)
            except ValueError as error:  # Arrow's is one too
                raise self._unfinished(column, array, data, str(error)) from None
        else:
            finished = array
        if pa.types.is_floating(finished.type):
            self._refuse_overflow(column.position, finished, data)
        if not column.field.nullable and finished.null_count:
            row = pc.index(pc.is_null(finished), True).as_py() + 1
            raise BadRecord("it is null, and the schema has the column as not nullable", row=row, column=column.field.name)
        return finished

    def _unfinished(self, column: Column, array: pa.Array[Any], data: pa.Buffer, why: str) -> BadRecord:
        assert column.finish is not None  # noqa: S101 - it has just failed
        assert column.position is not None  # noqa: S101 - it has been read
        row = _first_failure(array, column.finish)
        if row is None:  # each value converts, all together do not: too many values for the indices of a dictionary
            return BadRecord(f"the column is no {column.field.type} ({why:.200})", row=1, column=column.field.name)
        return self._explained(BadValue(column.position, row + 1), data)

    def _explained(self, bad: BadValue, data: pa.Buffer) -> BadRecord:
        """Say what stands in the place that pyarrow named, and which option cures it."""
        column = self._by_position[bad.position]
        raw: bytes = self._parser.texts(data, bad.position)[bad.row - 1].as_py() or b""
        text = raw.decode("utf-8", "replace")
        try:
            raw.decode()
        except UnicodeDecodeError:
            message, option = f"{text!r:.80} is not UTF-8; set encoding to the document's own", "encoding"
        else:
            option = _cure(column)
            message = f"{text!r:.80} is no {column.field.type}{_advice(column, option)}"
        return BadRecord(message, row=bad.row, column=column.field.name, value=text, option=option)

    def _refuse_overflow(self, position: int, array: pa.Array[Any], data: pa.Buffer) -> None:
        """Refuse a number beyond the range of its type: it would become an infinity in silence."""
        infinite = pc.is_inf(array.cast(pa.float32()) if pa.types.is_float16(array.type) else array)
        if not pc.any(infinite).as_py():
            return
        texts = self._parser.texts(data, position)
        for place in pc.indices_nonzero(infinite):
            index = int(place.as_py() or 0)
            if not _INFINITY.fullmatch(texts[index].as_py()):
                raise self._explained(BadValue(position, index + 1), data)

    def _refuse_identifiers(self, data: pa.Buffer) -> None:
        """Refuse 007 where the sample has shown numbers: its zeros would be lost in silence."""
        offsets = pa.py_buffer(struct.pack("=qq", 0, data.size))
        text = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, data])
        if not any(pc.match_substring_regex(text, zeros)[0].as_py() for zeros in self._zeros):
            return
        for column in self._guessed_numbers:
            assert column.position is not None  # noqa: S101 - inferred columns are present
            found = pc.index(pc.match_substring_regex(self._parser.texts(data, column.position), _ZERO_IN_FRONT), True).as_py()
            if found >= 0:
                raise self._explained(BadValue(column.position, found + 1), data)


def _zero_patterns(options: DelimitedOptions, numbers: Sequence[Column]) -> list[str]:
    """Return patterns that find a zero in front at the start of a field; each begins with a literal, for speed."""
    zero = (f"\\x{{{ord(options.quote):x}}}?" if options.quote else "") + "0[0-9xX]"
    patterns = [f"\\x{{{ord(options.delimiter):x}}}{zero}"] if any(column.position for column in numbers) else []
    if any(column.position == 0 for column in numbers):
        patterns += [rf"\n{zero}", rf"\r{zero}", f"^{zero}"]
    return patterns


def _is_number(type_: pa.DataType) -> bool:
    return pa.types.is_integer(type_) or pa.types.is_floating(type_)


def _first_failure(array: pa.Array[Any], convert: Any) -> int | None:  # noqa: ANN401 - a Finish
    """Return the index of the first value that ``convert`` refuses, by halving; None when it takes each alone."""
    start, stop = 0, len(array)
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (start, middle) if _fails(array.slice(start, middle - start), convert) else (middle, stop)
    return start if _fails(array.slice(start, 1), convert) else None


def _fails(array: pa.Array[Any], convert: Any) -> bool:  # noqa: ANN401 - a Finish
    try:
        convert(array)
    except ValueError:
        return True
    return False


def _cure(column: Column) -> str:
    type_ = column.field.type
    if column.inferred:
        return "column_types"
    if pa.types.is_boolean(type_):
        return "true_values"
    if pa.types.is_timestamp(type_):
        return "timestamp_formats"
    return "null_values"


def _advice(column: Column, option: str) -> str:
    if option == "column_types":
        return (
            f", which is what the sample showed; give the column a type in column_types, such as "
            f'{{"{column.field.name:.40}": "string"}}, or raise sample_bytes and sample_rows'
        )
    if option == "null_values":
        return "; if it stands for null, add it to null_values"
    return f"; {option} says which texts are"
