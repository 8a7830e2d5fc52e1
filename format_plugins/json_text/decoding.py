"""From a stream of JSON text to record batches: strictly parsed, then read by columns, block by block."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import cached_property
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from format_plugins.blocks import decode_in_order
from format_plugins.contract import UnsupportedError
from format_plugins.fitting import fit
from format_plugins.json_text.columnar import ColumnReader
from format_plugins.json_text.elements import ElementCutter
from format_plugins.json_text.faults import PARSE_ERRORS, RecordError, UnfitError
from format_plugins.json_text.leaves import Reading, Rules, exact_double
from format_plugins.json_text.lines import cut_lines
from format_plugins.json_text.locating import located, unfit
from format_plugins.json_text.nesting import record
from format_plugins.json_text.options import JsonOptions
from format_plugins.json_text.records import Block, Elements, Parsers
from format_plugins.json_text.renaming import Rename, renaming
from format_plugins.json_text.sampling import inferred
from format_plugins.json_text.widths import RECORD_SLOTS, divided, slots
from format_plugins.kinds import Array
from format_plugins.slicing import sliced
from format_plugins.streams import ByteStream

#: What makes the blocks of one of the formats.
Cutter: TypeAlias = Callable[[ByteStream, JsonOptions], Iterator[Block]]


def line_blocks(stream: ByteStream, options: JsonOptions) -> Iterator[Block]:
    """Cut newline-delimited JSON."""
    return cut_lines(stream, options)


def element_blocks(stream: ByteStream, options: JsonOptions) -> Iterator[Block]:
    """Cut an array of objects."""
    return ElementCutter(stream, options).blocks()


def read_batches(schema: pa.Schema | None, stream: ByteStream, cut: Cutter, options: JsonOptions) -> pa.RecordBatchReader:
    """Decode a document to exactly ``schema``, or to the schema that a sample of it shows.

    The sample is parsed before this returns; the rest as the reader is read. Batches have at most ``batch_rows`` rows
    and about 2 MiB. Raises ``FormatError`` for text that is no JSON, or does not fit, naming row, column, byte and
    value; ``UnsupportedError`` for a schema that JSON cannot carry.
    """
    if schema is not None and options.columns:
        # Columns that were not asked for are null, as in every format.
        asked = pa.schema([field for field in schema if field.name in options.columns])
        return fit(_read(asked, cut(stream, options), options), schema)
    return _read(schema, cut(stream, options), options)


def _read(schema: pa.Schema | None, blocks: Iterator[Block], options: JsonOptions) -> pa.RecordBatchReader:
    skipping = options.unknown_fields == "ignore" or bool(options.columns)
    if schema is None:
        try:
            schema, blocks = _sampled(blocks, options)
        except RecordError as error:
            raise error.as_format_error(0) from None
    decoder = BlockDecoder(schema, options, skipping=skipping)
    return pa.RecordBatchReader.from_batches(schema, _batches(decoder, divided(blocks, schema), options))


def _batches(decoder: BlockDecoder, blocks: Iterator[Block], options: JsonOptions) -> Generator[pa.RecordBatch, None, None]:
    rows = 0
    try:
        with closing(decode_in_order(blocks, decoder.decode)) as decoded:
            for batch in filter(None, decoded):
                rows += batch.num_rows
                yield from sliced(batch, max_rows=options.batch_rows)
    except RecordError as error:
        raise error.as_format_error(rows) from None


def _sampled(blocks: Iterator[Block], options: JsonOptions) -> tuple[pa.Schema, Iterator[Block]]:
    """Return the schema of the first blocks, and all the blocks."""
    parsers = Parsers.of(dict[str, Any])
    held: list[Block] = []
    records: list[dict[str, Any]] = []
    for block in blocks:
        held.append(block)
        try:
            records += parsed(block, parsers)
        except RecordError as error:
            error.index = None if error.index is None else error.index + len(records)
            raise
        if len(records) >= options.sample_rows or sum(len(each.data) for each in held) >= options.sample_bytes:
            break
    blocks = itertools.chain(held, blocks)
    if records:
        schema = inferred(records[: options.sample_rows], options)
        if not schema.names:
            raise RecordError("no record has a field; columns can be given in the option schema", option="schema")
        return schema, blocks
    if options.schema or any(isinstance(block, Elements) for block in held):
        return inferred([], options), blocks
    raise RecordError("the document is empty; a schema must be given, since there is nothing to infer it from", option="schema")


def parsed(block: Block, parsers: Parsers) -> list[dict[str, Any]]:
    """Return the records of ``block``, of which no types are known; raise the ``RecordError`` of the first wrong one."""
    try:
        return block.parse(parsers)
    except PARSE_ERRORS:
        return parsed_singly(block, parsers, None)


def parsed_singly(
    block: Block, parsers: Parsers, row: pa.StructType | None, *, check_text: bool = False, rename: Rename | None = None
) -> list[Any]:
    """Return the records of ``block``, parsed one by one: slower, but it is known which one is wrong."""
    records = []
    for index, (start, end) in enumerate(block.extents()):
        text = block.data[start:end]
        try:
            if check_text:
                text.decode()
            records.append(parsers.record.decode(rename(text) if rename else text))
        except PARSE_ERRORS as error:
            wrong = located(error, block, (start, end), row)
            wrong.index = index
            raise wrong from None
    return records


class BlockDecoder:
    """From blocks to record batches of one schema; safe to be used by several threads at once.

    Each block is parsed strictly, into objects whose types are made of the schema; then a columnar reader makes arrays
    of its text. That reader takes 1.5 for an integer and drops digits without a word, so it is given only what was
    parsed before. Where it would read text that is right in another way than the parser (``Reading.verbatim``), it is
    given the objects, written again as plain JSON.
    """

    def __init__(self, schema: pa.Schema, options: JsonOptions, *, skipping: bool) -> None:
        self._schema = schema
        self._options = options
        self._row = pa.struct(list(schema))
        if slots(self._row) > RECORD_SLOTS:
            raise UnsupportedError(f"a row of the schema has more than {RECORD_SLOTS:,} values")
        self._skipping = skipping
        self._reading = self._read_with(Rules(options))
        self._parsers = Parsers.of(self._reading.check)
        carrier: Any = self._reading.carrier
        self._columns = ColumnReader(carrier)
        self._encoder = msgspec.json.Encoder()
        self._rename = renaming(self._row)
        # Of what is skipped the parser checks little, and written again the text is shorter without it.
        self._verbatim = self._reading.verbatim and self._rename is None and not skipping

    def decode(self, block: Block) -> pa.RecordBatch | None:
        """Return the records of ``block``, None for none; raise the ``RecordError`` of the first that is wrong."""
        records, verbatim = self._parsed(block)
        if not records:
            return None
        columns = self._columns.of_block(block, len(records)) if verbatim else None
        try:
            return self._batch(self._rewritten(records) if columns is None else columns)
        except UnfitError as error:
            raise self._first_unfit(block, records, error) from None

    @cached_property
    def _exact(self) -> Parsers:
        """The parsers for what the quick ones refuse: they take large integers, too, and know which record is wrong."""
        return Parsers.of(self._read_with(Rules(self._options, large_integers=True)).check, exact_double)

    def _read_with(self, rules: Rules) -> Reading:
        return record(self._row, rules, 1, forbid_unknown=not self._skipping)

    def _parsed(self, block: Block) -> tuple[list[Any], bool]:
        """Return the records, and whether the text may be read as it is."""
        if self._rename is None:
            try:
                if self._skipping:
                    block.data.decode()  # the parser does not look into text that it skips
                return block.parse(self._parsers), self._verbatim
            except PARSE_ERRORS:
                pass  # found again below, with its place, unless it was a large integer
        return parsed_singly(block, self._exact, self._row, check_text=self._skipping, rename=self._rename), False

    def _rewritten(self, records: list[Any]) -> Array:
        return self._columns.of_lines(self._encoder.encode_lines(records), len(records))

    def _batch(self, columns: Array) -> pa.RecordBatch:
        if self._reading.finish is not None:
            columns = self._reading.finish(columns)
        if not self._schema.names:  # only so does a batch without columns have rows
            return pa.RecordBatch.from_struct_array(columns).replace_schema_metadata(self._schema.metadata)
        arrays = [columns.field(number) for number in range(len(self._schema))]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _first_unfit(self, block: Block, records: list[Any], error: UnfitError) -> RecordError:
        """Find the first record that fails: the first ``high`` do, the first ``low`` do not."""
        low, high = 0, len(records)
        while high - low > 1:
            middle = (low + high) // 2
            try:
                self._batch(self._rewritten(records[:middle]))
                low = middle
            except UnfitError as earlier:
                high, error = middle, earlier
        wrong = unfit(self._row, error.path, error.value, str(error))
        wrong.index = high - 1
        start, _ = next(itertools.islice(block.extents(), high - 1, None))
        wrong.offset = block.offset + start
        return wrong
