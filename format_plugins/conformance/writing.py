"""Checks of writing: the same bytes for the same rows, however they are batched, and as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from format_plugins.conformance.finding import NotApplicable, Unmet, told
from format_plugins.conformance.sameness import difference, same_tables
from format_plugins.conformance.subject import Subject, cut
from format_plugins.contract import FormatError
from format_plugins.streams import ByteStream

BATCH_BYTES = 1 << 20
BATCHES = 96
DOCUMENT_BYTES = 24 << 20
CHUNK_BYTES = 64 << 10


def the_same_rows_give_the_same_bytes(subject: Subject) -> None:
    """Writing knows no clock, no chance and no address."""
    rows = subject.rows()
    first, second = subject.document(rows).data, subject.document(rows).data
    if first != second:
        place = next((i for i, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), len(first))
        raise Unmet(
            f"The same rows, written twice, differ from byte {place:,} on.",
            fix="Write no time, no random number, no id() and no set in the order of its hashes.",
        )


def how_rows_are_batched_changes_nothing(subject: Subject) -> None:
    """One batch, many, and empty ones among them: the same rows are read back."""
    rows = subject.rows(50)
    whole = subject.document(rows)
    if not subject.capabilities.read:
        raise NotApplicable("the format is not read")
    batch = rows.to_batches()[0]
    ways = {
        "one row at a time": [batch.slice(row, 1) for row in range(batch.num_rows)],
        "with empty batches": [batch.slice(0, 0), batch.slice(0, 3), batch.slice(3, 0), batch.slice(3), batch.slice(0, 0)],
    }
    expected = subject.reread(whole)
    for way, batches in ways.items():
        sentence = f"Rows that are written {way} come back differently"
        data = subject.written(batches, f"the example {way}")
        try:
            found = subject.read(data, f"the example, written {way}", schema=rows.schema)
        except FormatError as error:
            raise Unmet(f"{sentence}: {told(error)}.", fix=_BATCHES) from None
        if not same_tables(expected, found):
            raise Unmet(f"{sentence}: {difference(expected, found)}.", fix=_BATCHES)


_BATCHES = "Write headers once, separators between rows and not between batches, and nothing for a batch of no rows."


def output_is_lazy(subject: Subject) -> None:
    """The first bytes are out long before the last rows are in."""
    if not subject.capabilities.streaming_write:
        raise NotApplicable("its capabilities do not say streaming_write")
    none = subject.document(subject.rows().slice(0, 0))
    batch = subject.batch(BATCH_BYTES)
    taken = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal taken
        for taken in range(1, BATCHES + 1):  # noqa: B007 - it is looked at outside
            yield batch

    pieces = subject.pieces(batch.schema, batches(), "many rows")
    size = 0
    while size <= len(none.data):  # what stands before the first row does not count
        size += len(next(pieces, b"x" * BATCHES))
        if taken == BATCHES:
            raise Unmet(
                f"All of {BATCHES} record batches of {batch.nbytes:,} bytes are taken before the first rows are written.",
                fix="Yield as soon as there is something to yield, and pull a batch when it is needed.",
            )
    pieces.close()  # type: ignore[attr-defined] # it is a generator


def reading_begins_before_the_end(subject: Subject) -> None:
    """The first rows are out before the last bytes are in."""
    capabilities = subject.capabilities
    if not capabilities.streaming_read or capabilities.needs_seek:
        raise NotApplicable("its capabilities do not say streaming_read, or they say needs_seek")
    data = subject.large(DOCUMENT_BYTES).data
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        for chunk in cut(data, CHUNK_BYTES):
            taken += len(chunk)
            yield chunk

    batches = subject.open(ByteStream(chunks()), "a long document").batches()
    rows = 0
    while not rows:
        rows = next(batches).num_rows
    if taken == len(data):
        raise Unmet(
            f"All {len(data):,} bytes of a document are read before its first rows are out.",
            fix="Decode as bytes arrive, or say PluginCapabilities(streaming_read=False), or needs_seek=True.",
        )
