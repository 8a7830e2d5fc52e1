"""Checks of memory, each in a process of its own: it does not follow the size of a document that is streamed."""

from __future__ import annotations

import gc
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa

from format_plugins.conformance.finding import NotApplicable, Unmet
from format_plugins.conformance.rows import copied
from format_plugins.conformance.subject import Subject
from format_plugins.streams import SPOOL_MEMORY_BYTES, ByteStream

#: Rows of so many times what a stream may take, in Arrow's layout, go through it.
FACTOR = 10
#: A plugin that is too slow for that may take half of what went through, and never less than this: rows as Python's
#: objects, those of one chunk alone, and what the allocators keep for the next, were seen to come to 26 MiB.
LEAST_BYTES = 32 << 20
BATCH_BYTES = 1 << 20
WARM_UP_BATCHES = 16
CHUNK_BYTES = 1 << 20
#: A slow plugin is tried with less: as much as it gets done in this time of the processor.
BUDGET_SECS = 4.0


def writing_takes_bounded_memory(subject: Subject) -> None:
    """Ten times the bound is written, and memory stays within it."""
    if not (subject.capabilities.write and subject.capabilities.streaming_write):
        raise NotApplicable("its capabilities do not say streaming_write")
    batch = _batch(subject)
    _write(subject, batch, WARM_UP_BATCHES, None)
    moved, grown = _growth(lambda: _write(subject, batch, _times(subject, batch), None))
    if grown > _bound(subject, moved):
        raise Unmet(
            f"To write {moved >> 20:,} MiB of rows takes {grown >> 20:,} MiB of memory.",
            fix="Let go of batches that are written, or say PluginCapabilities(streaming_write=False).",
            owner="output_is_lazy",  # what waits for all rows holds them, too
        )


def reading_takes_bounded_memory(subject: Subject) -> None:
    """A document of ten times the bound is read, and memory stays within it, the spool not counted."""
    capabilities = subject.capabilities
    if not (capabilities.read and capabilities.streaming_read):
        raise NotApplicable("its capabilities do not say streaming_read")
    if not capabilities.write:
        raise NotApplicable("the format is only read: no document is at hand that is large enough")
    batch = _batch(subject)
    spool = SPOOL_MEMORY_BYTES if capabilities.needs_seek else 0
    with tempfile.TemporaryFile() as file:
        _write(subject, batch, WARM_UP_BATCHES, file)
        file.seek(0)
        _read(subject, file)
        file.seek(0)
        file.truncate()
        _write(subject, batch, _times(subject, batch), file)
        file.seek(0)
        moved, grown = _growth(lambda: _read(subject, file))
    if grown > _bound(subject, moved) + spool:
        raise Unmet(
            f"To read {moved >> 20:,} MiB of rows takes {grown >> 20:,} MiB of memory.",
            fix="Let go of chunks that are decoded, or say PluginCapabilities(streaming_read=False).",
            owner="reading_begins_before_the_end",
        )


def _batch(subject: Subject) -> pa.RecordBatch:
    subject.document(subject.rows())
    return subject.batch(BATCH_BYTES)


def _times(subject: Subject, batch: pa.RecordBatch) -> int:
    return FACTOR * subject.declared.memory_bytes // max(batch.nbytes, 1)


def _bound(subject: Subject, moved: int) -> int:
    return min(subject.declared.memory_bytes, max(moved // 2, LEAST_BYTES))


def _write(subject: Subject, batch: pa.RecordBatch, times: int, file: IO[bytes] | None) -> int:
    """Write ``batch`` again and again; returns the bytes of the rows that were taken."""
    deadline = time.process_time() + BUDGET_SECS
    taken = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal taken
        for _ in itertools.takewhile(lambda _: time.process_time() < deadline, range(times)):
            taken += batch.nbytes
            yield copied(batch)  # one and the same would take no memory, however often it is held

    for piece in subject.pieces(batch.schema, batches(), "many rows"):
        if file is not None:
            file.write(piece)
    return taken


def _read(subject: Subject, file: IO[bytes]) -> int:
    """Read the document in ``file``, as much of it as there is time for; returns the bytes of its rows."""
    deadline = time.process_time() + BUDGET_SECS
    stream = ByteStream(iter(lambda: file.read(CHUNK_BYTES), b""), spool_dir=tempfile.gettempdir())
    moved = 0
    for batch in subject.open(stream, "a long document").batches():
        moved += pa.ipc.get_record_batch_size(batch)
        if time.process_time() > deadline:
            break
    return moved


def _growth(run: Callable[[], int]) -> tuple[int, int]:
    """Return what ``run`` returns, and by how many bytes the process grew, at the most, while it ran."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the high-water mark
        before = _status("VmRSS")
        moved = run()
        return moved, _status("VmHWM") - before
    except OSError:
        raise NotApplicable("this system does not tell how much memory a process has used") from None


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise NotApplicable("this system does not tell how much memory a process has used")
