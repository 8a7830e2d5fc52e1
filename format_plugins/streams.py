"""A document as it arrives: a stream of byte chunks that a decoder iterates, reads, or asks for as a seekable file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

#: Chunks handed to a decoder are at least this long, the last one excepted: each costs a hand-over of the interpreter lock.
MIN_CHUNK_BYTES = 1 << 20
#: A spooled document stays in memory up to here and goes to an unlinked temporary file beyond.
SPOOL_MEMORY_BYTES = 32 << 20


class SpoolLimitError(Exception):
    """A document that must be spooled is larger than the host allows."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the document is larger than the {limit_bytes:,} bytes that may be spooled")
        self.limit_bytes = limit_bytes


class ByteStream:
    """Chunks of one document, consumed once.

    Iterate it (``pyarrow.Buffer`` of at least ``MIN_CHUNK_BYTES``), call ``read(n)``, or call ``as_file()`` when the
    format needs the end of the document first. The three draw from the same stream and may follow one another:
    what one has consumed the next does not see.
    """

    def __init__(
        self,
        chunks: Iterable[Any],
        *,
        name: str | None = None,
        spool_dir: str | None = None,
        spool_limit_bytes: int | None = None,
    ) -> None:
        self.name = name
        self._source = iter(chunks)
        self._spool_dir = spool_dir
        self._spool_limit = spool_limit_bytes
        self._rest: pa.Buffer | None = None  # read(n) leaves the tail of a chunk here

    def __iter__(self) -> Iterator[pa.Buffer]:
        """Yield what is left, in chunks of at least ``MIN_CHUNK_BYTES`` but for the last."""
        held: list[pa.Buffer] = []
        size = 0
        for chunk in self._pieces():
            held.append(chunk)
            size += chunk.size
            if size >= MIN_CHUNK_BYTES:
                yield _joined(held)
                held, size = [], 0
        if held:
            yield _joined(held)

    def read(self, n: int = -1) -> bytes:
        """Return the next ``n`` bytes (all that is left for -1); fewer only at the end, ``b""`` after it."""
        parts: list[pa.Buffer] = []
        wanted = n
        for piece in self._pieces():
            if 0 <= wanted < piece.size:
                self._rest = piece.slice(wanted)
                piece = piece.slice(0, wanted)  # noqa: PLW2901 - the head is what this read takes
            parts.append(piece)
            wanted -= piece.size if n >= 0 else 0
            if wanted == 0 and n >= 0:
                break
        return b"".join(memoryview(part) for part in parts)

    def as_file(self) -> pa.NativeFile:
        """Return what is left as a seekable Arrow file: in memory when small, else an unlinked temporary file.

        The file is read with ``pread``, not mapped: mapped pages would count as the server's memory. It vanishes
        with the returned object. Raises ``SpoolLimitError`` when the host's limit is passed.
        """
        held: list[pa.Buffer] = []
        size = 0
        for piece in self._pieces():
            held.append(piece)
            size += piece.size
            self._check_spool(size)
            if size > SPOOL_MEMORY_BYTES:
                return self._spooled(held, size)
        return pa.BufferReader(_joined(held))

    def close(self) -> None:
        """Drop what was not read, and close the source when it can be closed."""
        self._rest = None
        close = getattr(self._source, "close", None)
        if close is not None:
            close()

    def _pieces(self) -> Iterator[pa.Buffer]:
        if self._rest is not None:
            rest, self._rest = self._rest, None
            yield rest
        for chunk in self._source:
            buffer = chunk if isinstance(chunk, pa.Buffer) else pa.py_buffer(chunk)
            if buffer.size:
                yield buffer

    def _check_spool(self, size: int) -> None:
        if self._spool_limit is not None and size > self._spool_limit:
            raise SpoolLimitError(self._spool_limit)

    def _spooled(self, held: list[pa.Buffer], size: int) -> pa.NativeFile:
        with tempfile.TemporaryFile(dir=self._spool_dir, buffering=0) as spool:
            for piece in held:
                _write_all(spool.fileno(), piece)
            held.clear()
            for piece in self._pieces():
                size += piece.size
                self._check_spool(size)
                _write_all(spool.fileno(), piece)
            # The name of an open descriptor: the file has no other any more.
            return pa.OSFile(f"/proc/self/fd/{spool.fileno()}", "rb")


def _joined(held: list[pa.Buffer]) -> pa.Buffer:
    if len(held) == 1:
        return held[0]
    return pa.py_buffer(b"".join(memoryview(piece) for piece in held))


def _write_all(descriptor: int, piece: pa.Buffer) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
