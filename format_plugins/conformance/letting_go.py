"""Checks of streams that end early: what was held is given back, and a failure is heard of."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Any

import pyarrow as pa

from format_plugins.conformance.finding import Unmet, told
from format_plugins.conformance.subject import END_RULE, Subject, cut
from format_plugins.contract import FormatError
from format_plugins.streams import ByteStream

LARGE_BYTES = 4 << 20
BATCH_BYTES = 1 << 20
CHUNK_BYTES = 64 << 10
#: So long may threads and files of a stream outlive it.
PATIENCE_SECS = 3.0
_HELD = "Keep no stream, batch or reader in the module, the plugin or a cache; close what is opened in `finally` or `with`."
_HEARD = "Do not catch Exception around the stream; what a native library makes of it must lead back to it."


def a_reader_that_is_dropped_frees_its_source(subject: Subject) -> None:
    """A client that goes away in the middle of a document leaves nothing behind."""
    document = subject.large(LARGE_BYTES) if subject.capabilities.write else subject.documents[-1]

    def begin(batches: int) -> list[weakref.ref[Any]]:
        source = _chunks(document.data)
        stream = ByteStream(source)
        found: list[weakref.ref[Any]] = [weakref.ref(source), weakref.ref(stream)]
        rows = subject.open(stream, "the example").batches()
        for _ in range(batches):
            next(rows, None)
        return found

    for batches in (0, 1):
        _see_freed("reader", lambda batches=batches: begin(batches))  # type: ignore[misc] # a default is how a loop is bound


def a_writer_that_is_dropped_frees_its_rows(subject: Subject) -> None:
    """A client that goes away while a document is written leaves nothing behind."""
    batch = subject.batch(BATCH_BYTES)

    def begin() -> list[weakref.ref[Any]]:
        source = _repeated(batch, 200)
        pieces = subject.codec().write_batches(pa.RecordBatchReader.from_batches(batch.schema, source))
        found: list[weakref.ref[Any]] = [weakref.ref(source)]
        next(iter(pieces), None)
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
        return found

    subject.document(subject.rows())
    _see_freed("writer", begin)


def _see_freed(kind: str, begin: Callable[[], list[weakref.ref[Any]]]) -> None:
    begin()  # what is kept for good is kept from the first time on: pools, imported modules
    gc.collect()
    before = _held()
    held = begin()
    deadline = time.monotonic() + PATIENCE_SECS
    while True:
        gc.collect()
        alive = [type(ref()).__name__ for ref in held if ref() is not None]
        grown = [f"{name}: {now - before[name]}" for name, now in _held().items() if now > before[name]]
        if not alive and not grown:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    if alive:
        raise Unmet(f"A {kind} that was dropped still holds its source.", fix=_HELD, detail=_holders(held))
    raise Unmet(f"A {kind} that was dropped leaves behind {', '.join(grown)}.", fix=_HELD)


def _held() -> dict[str, int]:
    try:
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count, and nothing in between that opens more
    except OSError:
        descriptors = 0
    return {"open files": descriptors, "threads": threading.active_count()}


def _holders(held: list[weakref.ref[Any]]) -> str:
    kinds = (type(holder).__name__ for ref in held if ref() is not None for holder in gc.get_referrers(ref()))
    return "It is held by: " + ", ".join(sorted(set(kinds) - {"frame", "list_iterator"}))


def _chunks(data: bytes) -> Generator[bytes, None, None]:
    yield from cut(data, CHUNK_BYTES)


def _repeated(batch: pa.RecordBatch, times: int) -> Generator[pa.RecordBatch, None, None]:
    for _ in range(times):
        yield batch


def a_failing_source_is_heard_of(subject: Subject) -> None:
    """When the stream fails, the reader does, with that error: a part is never taken for the whole."""
    for document in subject.documents:
        length = len(document.data)
        for failure in (
            ConnectionResetError("the client has gone"),
            OSError("bare"),
            pa.ArrowInvalid("not yours"),
            _Gone("gone"),
        ):
            for received in sorted({0, length // 2, length}):
                where = f"after {received:,} of {length:,} bytes"
                rule = END_RULE if received == length else ""  # who has not read to the end has heard nothing
                source = _failing([document.data[:received]], failure)
                _hear(lambda chunks: _read_all(subject, chunks), source, failure, where, rule=rule)


def a_failing_supply_of_rows_is_heard_of(subject: Subject) -> None:
    """When the rows to write fail, the writer does, with that error, and does not end the document."""
    rows = subject.rows(10)
    subject.document(rows)
    for failure in (ConnectionResetError("the client has gone"), _Gone("gone")):
        for count in (0, 1):
            batches = _failing(rows.to_batches() * count, failure)
            _hear(lambda source: _write_all(subject, rows.schema, source), batches, failure, f"after {count} record batches")


class _Gone(Exception):
    """A failure that no library knows."""


def _failing(items: list[Any], failure: Exception) -> Iterator[Any]:
    yield from items
    raise failure


def _read_all(subject: Subject, chunks: Iterator[bytes]) -> None:
    list(subject.open(ByteStream(chunks), "a document whose source fails").batches())


def _write_all(subject: Subject, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    for _ in subject.pieces(schema, batches, "rows whose source fails"):
        pass


def _hear(
    run: Callable[[Iterator[Any]], None], source: Iterator[Any], failure: Exception, where: str, *, rule: str = ""
) -> None:
    try:
        run(source)
    except (Unmet, FormatError) as error:
        if isinstance(error, Unmet) and error.owner:
            raise
        if not _leads_to(error, failure):
            said = error.sentence if isinstance(error, Unmet) else told(error)
            raise Unmet(
                f"A source that fails {where} with {told(failure)} is told as something else: {said}", fix=_HEARD
            ) from None
        return
    finally:
        failure.__traceback__ = None
        with suppress(ValueError):
            source.close()  # type: ignore[attr-defined] # it is a generator
    raise Unmet(f"A source that fails {where} is taken for one that ends there.", fix=_HEARD, owner=rule)


def _leads_to(error: BaseException | None, failure: Exception) -> bool:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if error is failure:
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
