"""Checks of documents that are empty, cut short, damaged, or not of the format at all."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pyarrow as pa

from format_plugins.conformance.blame import READING
from format_plugins.conformance.finding import NotApplicable, Unmet, told
from format_plugins.conformance.loss import TRUNCATION, How, as_written, declared
from format_plugins.conformance.sameness import same_tables
from format_plugins.conformance.subject import Document, Subject
from format_plugins.contract import FormatError, UnsupportedError

#: A document that is no longer is cut after each of its bytes, one that is at as many places.
PLACES = 1000
ENDS = 24
DAMAGED = 150
SEED = 7


def empty_input_is_a_table_or_wrong_data(subject: Subject) -> None:
    """No bytes at all are a table without rows, or refused."""
    schema = next(iter(subject.documents)).table.schema
    for wanted in (None, schema):
        try:
            found = subject.read(b"", "an empty document", schema=wanted)
        except FormatError:
            continue
        if found.num_rows:
            raise Unmet(f"An empty document is read as {found.num_rows:,} rows.", fix="Return no rows, or raise FormatError.")


def zero_rows_make_a_whole_document(subject: Subject) -> None:
    """A table without rows is written as a document, which is read back as one."""
    schema = subject.rows().schema
    none = pa.RecordBatch.from_pylist([], schema)
    for batches, what in (([], "no record batches"), ([none], "a record batch of no rows")):
        try:
            data = b"".join(subject.pieces(schema, batches, what))
        except UnsupportedError as error:
            raise Unmet(f"{what.capitalize()} are refused: {told(error)}.", fix=_WHOLE) from None
        if not subject.capabilities.read:
            continue
        for wanted in (schema, None):
            try:
                found = subject.read(data, f"the document of {what}", schema=wanted)
            except FormatError as error:
                if wanted is None and subject.capabilities.infers_schema:
                    continue  # where there is nothing to infer types from, it may ask for a schema
                raise Unmet(f"The document of {what} is refused when it is read: {told(error)}.", fix=_WHOLE) from None
            if found.num_rows or not (found.schema.equals(schema) or subject.capabilities.infers_schema):
                raise Unmet(f"{what.capitalize()} come back as {found.num_rows} rows of {found.schema.types}.", fix=_WHOLE)


_WHOLE = "Write what stands before the first row and after the last one, also when there are no rows."


def a_document_cut_short_is_noticed(subject: Subject) -> None:
    """A document that ends too early is refused, unless the format cannot know, which is declared."""
    places = cut_unnoticed(subject)
    loss = declared(subject.declared.losses, TRUNCATION)
    if places and (loss is None or loss.how is not How.UNDETECTED):
        raise Unmet(
            f"A document cut short after {places[0]} is read as if it were whole.",
            fix="Raise FormatError when the end of the document is missing. If its bytes cannot tell, declare"
            f" {as_written(TRUNCATION, How.UNDETECTED)}.",
            detail="\n".join(places),
        )


def cut_unnoticed(subject: Subject) -> list[str]:
    """Return the places at which a document can be cut without notice."""
    known = subject.remembered.get(TRUNCATION)
    if known is None:
        known = [place for document in _to_be_cut(subject) for place in _cut_unnoticed(subject, document)]
        subject.remembered[TRUNCATION] = known
    return list(known)


def _to_be_cut(subject: Subject) -> list[Document]:
    """Return the samples, and rows of which each is a record batch: there are many places then at which a part ends."""
    documents = list(subject.documents)
    if subject.capabilities.write:
        rows = subject.rows(3)
        documents[-1] = Document(subject.written(rows.to_batches(max_chunksize=1), "the example"), rows)
    return documents


def _cut_unnoticed(subject: Subject, document: Document) -> Iterator[str]:
    length = len(document.data)
    chance = random.Random(SEED)  # noqa: S311 - the same places each time
    places: Sequence[int] = range(1, length)
    if length > PLACES:
        some = (chance.randrange(1, length) for _ in range(PLACES))
        places = sorted({*range(1, ENDS), *range(length - ENDS, length), *some})
    for end in places:
        place = f"{end:,} of its {length:,} bytes"
        try:
            found = subject.read(document.data[:end], f"a document cut after {place}", schema=document.table.schema)
        except FormatError:
            continue
        if found.num_rows > document.table.num_rows:
            raise Unmet(f"A document cut after {place} has more rows than all of it.", fix="Do not make up rows.")
        if not same_tables(found, document.table):  # an end of line too few is no loss
            yield place


def garbage_is_wrong_data_or_data(subject: Subject) -> None:
    """Bytes of no format at all are refused, or read as what they happen to be."""
    for data, what in _garbage():
        _try(subject, data, what)


def damaged_documents_are_wrong_data_or_data(subject: Subject) -> None:
    """Documents with bytes changed, lost and repeated are refused, or read as what they now say."""
    for data, what in _damaged(subject):
        _try(subject, data, what)


def _try(subject: Subject, data: bytes, what: str) -> None:
    for schema in (None, subject.documents[-1].table.schema) if subject.capabilities.infers_schema else (None,):
        try:
            subject.read(data, what, schema=schema)
        except FormatError:
            continue
        except Unmet as error:
            error.detail = f"The bytes: {data[:200]!r}{' ...' if len(data) > 200 else ''}\n\n{error.detail}"  # noqa: PLR2004 - a line or two
            error.fix = error.fix or READING
            raise


def documents(subject: Subject) -> Iterator[tuple[bytes, str]]:
    """Yield all documents that may be wrong, and what each is called."""
    yield b"", "an empty document"
    yield from _garbage()
    try:
        yield from _damaged(subject)
    except NotApplicable:
        return


def _garbage() -> Iterator[tuple[bytes, str]]:
    chance = random.Random(SEED)  # noqa: S311 - the same bytes each time
    yield from (
        (b"\0", "a byte of zero"),
        (b"\0" * 100, "a hundred zeros"),
        (b"\xff" * 100, "a hundred bytes of 255"),
        (b"\n" * 100, "a hundred empty lines"),
        (b"just some text", "a text without an end of line"),
        (b"\xef\xbb\xbf", "nothing but a byte order mark"),
        (b"caf\xe9\n", "a text that is no UTF-8"),
        (b"[" * 50_000, "fifty thousand brackets"),
        (b'{"a":' * 50_000, "fifty thousand nested objects"),
        (b'"' + b"x" * 100_000, "a long text that does not end"),
        (b"<html><body>502 Bad Gateway</body></html>", "a web page"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", "a document that is still packed"),
        (b"PAR1\x15\x04\x15\0PAR1", "what begins and ends like Parquet"),
        (b"PK\x03\x04" + b"\0" * 60, "what begins like a zip archive"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f" * 4, "lengths that are too large"),
    )
    for size in (1, 3, 17, 100, 1000, 5000):
        yield chance.randbytes(size), f"{size:,} bytes of chance"


def _damaged(subject: Subject) -> Iterator[tuple[bytes, str]]:
    for document in subject.documents:
        chance = random.Random(SEED)  # noqa: S311 - the same damage each time
        for number in range(DAMAGED):
            yield _damage(document.data, chance), f"damaged document {number}"


def _damage(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    if not found:
        return b"?"
    for _ in range(chance.choice((1, 1, 3))):
        place, length = chance.randrange(len(found)), chance.choice((1, 1, 4, 30))
        kind = chance.randrange(5)
        if kind == 0:
            found[place : place + length] = b""
        elif kind == 1:
            found[place:place] = found[place : place + length]
        elif kind == 2:  # noqa: PLR2004 - the third of five
            found[place:place] = chance.randbytes(length)
        else:
            found[place : place + 1] = bytes([chance.randrange(256)])
        if not found:
            return b""
    return bytes(found)
