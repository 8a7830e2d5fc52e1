"""Checks of streams that run side by side: one knows nothing of another."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pyarrow as pa

from format_plugins.conformance.finding import NotApplicable, Unmet
from format_plugins.conformance.rows import repeated
from format_plugins.conformance.sameness import difference, same_tables
from format_plugins.conformance.subject import Document, Subject
from format_plugins.contract import FormatError
from format_plugins.streams import ByteStream

THREADS, ROUNDS, BATCHES = 8, 4, 5
MOST_ROWS, MOST_BYTES = 200, 64 << 10  # of each batch
CHUNK_BYTES = 8 << 10
SWITCH_SECS = 1e-5
T = TypeVar("T")
_STATE = "Keep what belongs to a stream in the codec, or in local names: never in the module, the class or the plugin."


def streams_side_by_side_do_not_meet(subject: Subject) -> None:
    """Streams in eight threads, and two that take turns in one, give what each gives alone."""
    if not (subject.capabilities.read and subject.capabilities.write):
        raise NotApplicable("the format is not both read and written")
    count = min(subject.batch(MOST_BYTES).num_rows, MOST_ROWS)
    documents = [subject.document(repeated(subject.rows(count, seed), BATCHES)) for seed in range(THREADS)]
    expected = [subject.reread(document) for document in documents]
    for found, alone in zip(_in_turns(subject, documents[:2]), expected, strict=False):
        _compare(found, alone, "that take turns")
    failures: list[BaseException] = []
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> None:
        try:
            barrier.wait()
            for _ in range(ROUNDS):
                data = b"".join(_written(subject, documents[number].table))
                found = subject.reread(Document(data, documents[number].table), size=CHUNK_BYTES)
                _compare(found, expected[number], "in threads")
        except BaseException as error:  # noqa: BLE001 - told by the one who waits
            failures.append(error)

    with _switching_often():
        threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for failure in failures:
        if isinstance(failure, Unmet):
            raise Unmet(f"Of {THREADS} streams in threads one fails: {failure.sentence}", fix=_STATE, detail=failure.detail)
        raise Unmet(f"Of {THREADS} streams in threads one fails: {failure!r}.", fix=_STATE)


def _in_turns(subject: Subject, documents: list[Document]) -> list[pa.Table]:
    """Write and read several documents, a piece and a batch of each at a time."""
    writers = [_written(subject, document.table) for document in documents]
    written = _rounds(writers)
    opened = [
        subject.open(ByteStream(pieces), "one of two documents", schema=document.table.schema)
        for pieces, document in zip(written, documents, strict=True)
    ]
    try:
        read = _rounds([each.batches() for each in opened])
    except FormatError as error:
        raise Unmet(f"Of two streams that take turns one is refused: {error}.", fix=_STATE) from None
    return [pa.Table.from_batches(batches, each.schema) for batches, each in zip(read, opened, strict=True)]


def _rounds(iterators: list[Iterator[T]]) -> list[list[T]]:
    found: list[list[T]] = [[] for _ in iterators]
    left = list(zip(iterators, found, strict=True))
    while left:
        for pair in list(left):
            item = next(pair[0], None)
            if item is None:
                left.remove(pair)
            else:
                pair[1].append(item)
    return found


def _written(subject: Subject, rows: pa.Table) -> Iterator[bytes]:
    """Write in several batches, so that there are turns to take."""
    batches = rows.to_batches(max_chunksize=rows.num_rows // BATCHES)
    return (bytes(piece) for piece in subject.pieces(rows.schema, batches, "rows"))


def _compare(found: pa.Table, alone: pa.Table, how: str) -> None:
    if not same_tables(alone, found):
        raise Unmet(f"Streams {how} give other rows than one alone: {difference(alone, found)}.", fix=_STATE)


@contextmanager
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
