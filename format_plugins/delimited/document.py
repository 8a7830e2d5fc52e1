"""Reading a whole document: its header, its columns, then its records block by block."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa

from format_plugins.blocks import decode_in_order
from format_plugins.contract import FormatError
from format_plugins.delimited.columns import Column
from format_plugins.delimited.cutter import Block, CutError, Cutter
from format_plugins.delimited.decoder import BlockDecoder
from format_plugins.delimited.dialect import Dialect, blank_until
from format_plugins.delimited.header import Header, blank_lines_count, read_header
from format_plugins.delimited.inference import infer_type
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.delimited.parser import BadRecord, Parser, WrongGuess
from format_plugins.delimited.selection import select_columns
from format_plugins.delimited.text import TextSource
from format_plugins.streams import ByteStream


def read_document(schema: pa.Schema | None, stream: ByteStream, options: DelimitedOptions) -> pa.RecordBatchReader:
    """Decode ``stream`` as it comes, to exactly ``schema`` when there is one.

    The header, and without a schema the sample, are read before this returns; the rest as batches are asked for.
    Raises ``FormatError``, here and from the reader.
    """
    dialect = Dialect(options)
    cutter = Cutter(TextSource(stream, options.encoding), dialect, options)
    try:
        begun, decoder = _prepared(schema, cutter, dialect, options)
    except BaseException:
        cutter.close()
        raise
    return pa.RecordBatchReader.from_batches(decoder.schema, _batches(begun, decoder))


def _prepared(
    schema: pa.Schema | None, cutter: Cutter, dialect: Dialect, options: DelimitedOptions
) -> tuple[_Begun, BlockDecoder]:
    """Read the header and the sample; return them, and what decodes the blocks."""
    begun = _begin(cutter, options, schema)
    header = read_header(bytes(begun.sample[0].data) if begun.sample else b"", dialect, options, schema)
    if begun.sample:
        first = begun.sample[0]
        begun.sample[0] = Block(first.data[header.length :], first.offset + header.length)
    parser = Parser(dialect, options, len(header.names))
    cutter.guess(parser.end_mark)
    columns = select_columns(header.names, schema, options, _Sample(begun.sample, parser, header, options))
    result = schema if schema is not None else pa.schema([column.field for column in columns])
    return begun, BlockDecoder(parser, columns, result, options)


@dataclass(slots=True)
class _Begun:
    """A document whose first blocks have been read; ``failure`` is what stopped the reading of the sample."""

    sample: list[Block]
    cutter: Cutter
    rest: Iterator[Block]
    failure: CutError | None = None

    def blocks(self) -> Iterator[Block]:
        while self.sample:
            yield self.sample.pop(0)
        if (failure := self.failure) is not None:
            self.failure = None
            try:
                raise failure
            finally:
                del failure  # its traceback holds this frame
        yield from self.rest


def _begin(cutter: Cutter, options: DelimitedOptions, schema: pa.Schema | None) -> _Begun:
    """Read the sample: with a schema one block that is not blank, else about ``sample_bytes``."""
    blocks = cutter.blocks()
    begun = _Begun([], cutter, blocks)
    if not blank_lines_count(options, schema):
        begun.rest = itertools.dropwhile(lambda block: blank_until(block.data) == len(block.data), blocks)
    wanted = options.sample_bytes if schema is None else 1
    size = 0
    try:
        while size < wanted and (block := next(begun.rest, None)) is not None:
            begun.sample.append(block)
            size += len(block.data)
    except CutError as error:
        begun.failure = error
        if not begun.sample:
            raise _cut_failure(error, 0) from None
    return begun


class _Sample:
    """The text of the sample's columns, read when the first type has to be inferred."""

    def __init__(self, blocks: list[Block], parser: Parser, header: Header, options: DelimitedOptions) -> None:
        self._blocks = blocks
        self._parser = parser
        self._header = header
        self._options = options

    def types(self, positions: Sequence[int]) -> list[pa.DataType]:
        """Infer the types of the columns at ``positions``."""
        fields = [pa.field(self._header.names[position], pa.string()) for position in positions]
        columns = [Column(field, position, pa.string()) for field, position in zip(fields, positions, strict=True)]
        schema = pa.schema(fields)
        decoder = BlockDecoder(self._parser, columns, schema, self._options)
        rows = 0
        batches: list[pa.RecordBatch] = []
        for block in self._blocks:
            if rows >= self._options.sample_rows:
                break
            try:
                batches += decoder(block)
            except BadRecord as bad:
                raise bad.at(rows) from None
            rows = sum(batch.num_rows for batch in batches)
        table = pa.Table.from_batches(batches, schema).slice(0, self._options.sample_rows).combine_chunks()
        return [infer_type(_chunk(table, index), self._options) for index in range(table.num_columns)]


def _chunk(table: pa.Table, index: int) -> object:
    column = table.column(index)
    return column.chunk(0) if column.num_chunks else pa.nulls(0, pa.string())


def _batches(begun: _Begun, decoder: BlockDecoder) -> Iterator[pa.RecordBatch]:
    rows = 0
    with closing(_decoded(begun, decoder)) as results:
        try:
            for batch in results:
                rows += batch.num_rows
                yield batch
        except BadRecord as bad:
            raise bad.at(rows) from None
        except CutError as error:
            raise _cut_failure(error, rows) from None


def _decoded(begun: _Begun, decoder: BlockDecoder) -> Generator[pa.RecordBatch, None, None]:
    blocks = begun.blocks()
    with closing(begun.cutter):
        while True:
            try:
                with closing(decode_in_order(blocks, lambda block: (block.offset, decoder(block)))) as results:
                    for offset, batches in results:
                        begun.cutter.confirm(offset)
                        yield from batches
            except WrongGuess:
                begun.cutter.cut_again()
                blocks = begun.cutter.blocks()
            else:
                return


def _cut_failure(error: CutError, rows: int) -> FormatError:
    message = f"row {rows + 1}: the record at offset {error.offset:,} {error}"
    return FormatError(message, offset=error.offset, row=rows + 1, option=error.option)
