"""One block through pyarrow's parser, and where in the block it stopped."""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Mapping
from typing import Any, Literal

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


class WrongGuess(Exception):
    """The end of a block is not the end of a record."""


class Parser:
    """Reads blocks of records that have ``width`` columns each."""

    def __init__(self, dialect: Dialect, options: DelimitedOptions, width: int) -> None:
        # A blank line is no record, unless records have one column: then it is one with an empty value.
        self.skips_blank_lines = width != 1
        self._dialect = dialect
        self._options = options
        self._keys = [str(position) for position in range(width)]
        self._mark = dialect.unlike_text() + dialect.delimiter.decode() * width
        #: A record with a column too many: see ``_EndMark``.
        self.end_mark = self._mark.encode() + b"\n"

    def read(
        self, data: pa.Buffer, types: Mapping[int, pa.DataType], *, marked: bytes | None = None
    ) -> dict[int, pa.Array[Any]]:
        """Return the columns whose positions ``types`` has, each of its type. ``data`` is not empty.

        ``marked`` is ``data`` with ``end_mark`` behind it, where the end of ``data`` is guessed.

        Raises ``BadValue`` for a value that is not of its type, ``BadRecord`` for a record that is no record, and
        ``WrongGuess`` when the end of ``data`` is guessed, and is not that of a record.
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
            check_utf8=marked is None,
        )
        if marked is not None and not _is_text(data):
            raise WrongGuess  # pyarrow cannot ask about a record that is not UTF-8
        end = None if marked is None else _EndMark(self._mark)
        try:
            table = self._table(data if marked is None else pa.py_buffer(marked), convert, end)
        except pa.ArrowInvalid as error:
            if end is not None and end.is_missed:
                raise WrongGuess from None
            raise _located(str(error)) from None
        if end is not None and end.is_missed:
            raise WrongGuess
        return {position: _one_chunk(table.column(str(position))) for position in types}

    def texts(self, data: pa.Buffer, position: int) -> pa.Array[Any]:
        """Return one column as it is written, in bytes: nothing in it can fail to convert."""
        return self.read(data, {position: pa.binary()})[position]

    def _table(self, data: pa.Buffer, convert: pyarrow.csv.ConvertOptions, end: _EndMark | None) -> pa.Table:
        parse = self._dialect.parse_options(skip_blank_lines=self.skips_blank_lines)
        if end is not None:
            parse.invalid_row_handler = end.meet
        if bytes(memoryview(data)[: len(codecs.BOM_UTF8)]) == codecs.BOM_UTF8:
            # Here it is text, and pyarrow would leave one away that a block begins with.
            data = pa.py_buffer(codecs.BOM_UTF8 + data.to_pybytes())
        # With one thread, and a block size that takes the buffer whole, pyarrow touches none of its thread pools.
        how = pacsv.ReadOptions(use_threads=False, column_names=self._keys, block_size=data.size + 1)
        table: pa.Table = pacsv.read_csv(pa.BufferReader(data), how, parse, convert)
        return table


def _is_text(data: pa.Buffer) -> bool:
    offsets = pa.py_buffer(struct.pack("=qq", 0, data.size))
    try:
        pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, data]).cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


class _EndMark:
    """A record with a column too many behind a block: the parser meets it as one when it comes there between records.

    Inside a quoted value it is text. So the parser itself says, with no second look at each quote, whether the end of
    a block is the end of a record.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        #: The parser came to the end, and met something else.
        self.is_missed = True

    def meet(self, row: pyarrow.csv.InvalidRow) -> Literal["skip", "error"]:
        """Answer the parser, which asks what to do about a record with too many columns or too few."""
        if row.text == self._text:
            self.is_missed = False
        elif self._text not in row.text:
            self.is_missed = False  # the parser stops here, at a record that really is wrong
            return "error"
        return "skip"


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
