"""Checks of reading: the same rows however a document arrives, whole, valid, and of the schema that was asked for."""

from __future__ import annotations

import pyarrow as pa

from format_plugins.conformance import hostile
from format_plugins.conformance.carrying import carried_documents
from format_plugins.conformance.finding import Unmet, told
from format_plugins.conformance.opened import SCHEMA_RULE, VALID_RULE
from format_plugins.conformance.sameness import difference, same_tables
from format_plugins.conformance.subject import END_RULE, Document, Subject
from format_plugins.contract import FormatError
from format_plugins.fitting import fit
from format_plugins.streams import MIN_CHUNK_BYTES, ByteStream

#: Shifts the border between two chunks through a record; each is one more read of a document of a megabyte.
SHIFTS = (1, 2, 3, 5, 7, 11, 17, 29, 41, 61, 97)
SMALL_CHUNKS = (1, 7, 4093)
BORDERS = "Keep what is left of a chunk, and put it in front of the next: a record may end anywhere."


def the_example_comes_back(subject: Subject) -> None:
    """What is written is what is read, and samples decode to their tables."""
    if not subject.capabilities.read:
        subject.document(subject.rows())
        return
    for document in subject.documents:
        _compare(subject.reread(document), document, "The example comes back differently", _EXAMPLE_FIX)
        if not subject.capabilities.infers_schema:
            found = subject.read(document.data, "the example, without a schema")
            _compare(found, document, "The example comes back differently when no schema is given", _EXAMPLE_FIX)


_EXAMPLE_FIX = (
    "Make reading the inverse of writing. If the format cannot carry these columns, declare an `example` that it can."
)


def where_chunks_end_changes_nothing(subject: Subject) -> None:
    """Single bytes, a prime number of bytes, a mebibyte and a little more at a time: the same rows."""
    for document in subject.documents:
        whole = subject.reread(document)
        for size in SMALL_CHUNKS:
            _compare_chunks(subject, document, whole, size)
    document = subject.large(MIN_CHUNK_BYTES + max(SHIFTS))
    whole = subject.reread(document)
    for size in (7919, MIN_CHUNK_BYTES, *(MIN_CHUNK_BYTES + shift for shift in SHIFTS)):
        _compare_chunks(subject, document, whole, size)


def _compare_chunks(subject: Subject, document: Document, whole: pa.Table, size: int) -> None:
    sentence = f"A document of {len(document.data):,} bytes is read differently when it comes in chunks of {size:,} bytes"
    try:
        found = subject.read(document.data, "the example in chunks", schema=document.table.schema, size=size)
    except FormatError as error:
        raise Unmet(f"{sentence}: {told(error)}.", fix=BORDERS) from None
    except Unmet as error:
        if error.owner:
            raise
        raise Unmet(f"{sentence}: {error.sentence}", fix=BORDERS, detail=error.detail) from None
    if not same_tables(whole, found):
        raise Unmet(f"{sentence}: {difference(whole, found)}.", fix=BORDERS)


def it_is_read_to_its_end(subject: Subject) -> None:
    """A reader that has ended has read all there is."""
    for document in subject.documents:
        subject.reread(document)
    for data, what in hostile.documents(subject):
        _read_anyhow(subject, data, what, END_RULE)


def it_has_a_schema_that_never_changes(subject: Subject) -> None:
    """The schema is known before the first batch, also of no bytes and no rows, and each batch has it."""
    for document in [*subject.documents, *carried_documents(subject)]:
        _read_anyhow(subject, document.data, "the example", SCHEMA_RULE)
        _read_anyhow(subject, document.data, "the example", SCHEMA_RULE, document.table.schema)
    if subject.capabilities.write:
        _read_anyhow(subject, subject.large(MIN_CHUNK_BYTES * 3).data, "a long document", SCHEMA_RULE)
        none = subject.rows().schema.empty_table()
        _read_anyhow(subject, subject.written(none, "no rows"), "the document of no rows", SCHEMA_RULE)
    for data, what in hostile.documents(subject):
        _read_anyhow(subject, data, what, SCHEMA_RULE)


def every_batch_is_valid(subject: Subject) -> None:
    """What is read passes Arrow's full validation, also of damaged documents: a host would not survive it otherwise."""
    for document in [*subject.documents, *carried_documents(subject)]:
        _read_anyhow(subject, document.data, "the example", VALID_RULE, document.table.schema)
    for data, what in hostile.documents(subject):
        _read_anyhow(subject, data, what, VALID_RULE)


def _read_anyhow(subject: Subject, data: bytes, what: str, rule: str, schema: pa.Schema | None = None) -> None:
    """Read what may be refused, or break other rules: they have checks of their own."""
    try:
        subject.read(data, what, schema=schema)
    except FormatError:
        return
    except Unmet as unmet:
        if unmet.owner == rule:
            raise


def a_wanted_schema_is_met_or_refused(subject: Subject) -> None:
    """With a schema given, rows come in it, or can be made to fit, or are refused with ``FormatError``."""
    for document in subject.documents:
        for what, wanted in _wanted(document.table.schema).items():
            try:
                opened = subject.open(ByteStream([document.data]), what, schema=wanted)
                batches = list(opened.batches())
                list(fit(pa.RecordBatchReader.from_batches(opened.schema, iter(batches)), wanted))
            except FormatError:
                continue
            found = opened.schema
            for field in wanted if subject.capabilities.infers_schema else ():
                if field.name in found.names and found.field(field.name).type != field.type:
                    raise Unmet(
                        f"Asked for {what}, it returns {found.field(field.name)} where {field} is wanted.",
                        fix="Read each column as the schema says, or refuse with FormatError: infers_schema promises it.",
                    )


def _wanted(schema: pa.Schema) -> dict[str, pa.Schema]:
    """Return schemas that a client may ask for: some fit, some do not."""
    text = pa.schema([pa.field(field.name, pa.large_string()) for field in schema])
    return {
        "its own schema": schema,
        "its columns in another order": pa.schema(list(schema)[::-1]),
        "a column that is not there": pa.schema([*schema, pa.field("not there", pa.int64())]),
        "a column that is not there and may not be null": pa.schema([*schema, pa.field("odd", pa.int64(), nullable=False)]),
        "fewer columns": pa.schema(list(schema)[:-1]),
        "its columns as text": text,
        "its columns as small numbers": pa.schema([pa.field(field.name, pa.int8()) for field in schema]),
        "its columns as lists": pa.schema([pa.field(field.name, pa.list_(field.type)) for field in schema]),
        "its columns as dictionaries": pa.schema([pa.field(f.name, pa.dictionary(pa.int32(), pa.string())) for f in schema]),
        "its columns, none of them null": pa.schema([field.with_nullable(False) for field in schema]),
    }


def _compare(found: pa.Table, document: Document, sentence: str, fix: str) -> None:
    if not same_tables(document.table, found):
        raise Unmet(f"{sentence}: {difference(document.table, found)}.", fix=fix)
