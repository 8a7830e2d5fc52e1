"""One block through pyarrow's parser, and where in the block it stopped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.csv

from format_plugins.contract import FormatError
from format_plugins.delimited.dialect import Dialect
from format_plugins.delimited.options import DelimitedOptions

#: The stubs lag behind: they know neither buffers as a source nor ``default_column_type``.
pacsv: Any = pyarrow.csv

_CONVERSION = re.compile(r"In CSV column #(\d+): Row #(\d+): ")
_RAGGED = re.compile(r"CSV parse error: Row #(\d+): Expected (\d+) columns, got (\d+)")


class BadRecord(Exception):
    """A record of a block is wrong. ``row`` counts from 1 within the block; ``at`` makes it absolute."""

    def __init__(
        self, message: str, *, row: int, column: str | None = None, value: str | None = None, option: str | None = None
    ) -> None:
        super().__init__(message)
        self.row = row
        self.column = column
        self.value = value
        self.option = option

    def at(self, rows_before: int) -> FormatError:
        """Return the error for the client, ``rows_before`` being the number of records before the block."""
        row = rows_before + self.row
        place = f"row {row}" if self.column is None else f"row {row}, column {self.column!r:.80}"
        return FormatError(f"{place}: {self}", row=row, column=self.column, value=self.value, option=self.option)


class BadValue(Exception):
    """The value at ``position`` (a column of the document) and ``row`` (from 1, in the block) does not convert."""

    def __init__(self, position: int, row: int) -> None:
        super().__init__(f"column {position}, row {row}")
        self.position = position
        self.row = row


class Parser:
    """Reads blocks of records that have ``width`` columns each."""

    def __init__(self, dialect: Dialect, options: DelimitedOptions, width: int) -> None:
        # A blank line is no record, unless records have one column: then it is one with an empty value.
        self.skips_blank_lines = width != 1
        self._parse_options = dialect.parse_options(skip_blank_lines=self.skips_blank_lines)
        self._options = options
        self._keys = [str(position) for position in range(width)]

    def read(self, data: pa.Buffer, types: Mapping[int, pa.DataType]) -> dict[int, pa.Array[Any]]:
        """Return the columns whose positions ``types`` has, each of its type. ``data`` is not empty.

        Raises ``BadValue`` for a value that is not of its type, ``BadRecord`` for a record that is no record.
        """
        keys = {str(position): type_ for position, type_ in types.items()}
        convert = pacsv.ConvertOptions(
            column_types=keys,
            include_columns=list(keys),
            null_values=list(self._options.null_values),
            true_values=list(self._options.true_values),
            false_values=list(self._options.false_values),
            decimal_point=self._options.decimal_point,
            timestamp_parsers=[*self._options.timestamp_formats, pacsv.ISO8601],
            strings_can_be_null=True,
            quoted_strings_can_be_null=self._options.quoted_nulls,
        )
        try:
            table = self._table(data, convert)
        except pa.ArrowInvalid as error:
            raise _located(str(error)) from None
        return {position: _one_chunk(table.column(str(position))) for position in types}

    def texts(self, data: pa.Buffer, position: int) -> pa.Array[Any]:
        """Return one column as it is written, in bytes: nothing in it can fail to convert."""
        return self.read(data, {position: pa.binary()})[position]

    def _table(self, data: pa.Buffer, convert: pyarrow.csv.ConvertOptions) -> pa.Table:
        # With one thread, and a block size that takes the buffer whole, pyarrow touches none of its thread pools.
        how = pacsv.ReadOptions(use_threads=False, column_names=self._keys, block_size=data.size + 1)
        table: pa.Table = pacsv.read_csv(pa.BufferReader(data), how, self._parse_options, convert)
        return table


def read_names(record: bytes, dialect: Dialect) -> list[str]:
    """Return the values of a header record. Raises ``FormatError`` when they are not UTF-8."""
    text = record + b"\n"  # pyarrow counts the columns only of records with a line end
    how = pacsv.ReadOptions(use_threads=False, autogenerate_column_names=True, block_size=len(text) + 1)
    convert = pacsv.ConvertOptions(default_column_type=pa.string(), null_values=[], strings_can_be_null=False)
    try:
        table = pacsv.read_csv(pa.BufferReader(text), how, dialect.parse_options(skip_blank_lines=True), convert)
    except pa.ArrowInvalid as error:
        raise FormatError(f"the header cannot be read ({error!s:.200}); is encoding right?", option="encoding") from None
    return [str(column[0]) for column in table.columns]


def _located(message: str) -> Exception:
    found = _CONVERSION.match(message)
    if found:
        return BadValue(int(found[1]), int(found[2]))
    found = _RAGGED.match(message)
    if found:
        text = f"it has {found[3]} columns, where {found[2]} are expected; are delimiter and quote right?"
        return BadRecord(text, row=int(found[1]), option="delimiter")
    return BadRecord(f"from here on the text cannot be parsed ({message:.200})", row=1)


def _one_chunk(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    chunks: list[pa.Array[Any]] = column.chunks
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
