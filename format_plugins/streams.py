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
#: Pieces below this are copied together as they arrive; larger ones are passed on as they are.
SMALL_PIECE_BYTES = 64 << 10


def copy_bytes(source: Any, target: memoryview) -> None:  # noqa: ANN401 - anything with the buffer protocol
    """Copy bytes to memory of the same size, without the interpreter's lock when there are many."""
    view, target = memoryview(source).cast("B"), target.cast("B")
    if len(view) < SMALL_PIECE_BYTES:
        target[:] = view
    elif len(view) == len(target):
        pa.FixedSizeBufferWriter(pa.py_buffer(target)).write(view)
    else:
        raise ValueError(f"{len(view):,} bytes do not fill {len(target):,}")


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
        self.spool_limit_bytes = spool_limit_bytes
        self._rest: list[pa.Buffer] = []  # what was pulled and not consumed: the tail of a chunk, what peek saw

    def __iter__(self) -> Iterator[pa.Buffer]:
        """Yield what is left, in chunks of at least ``MIN_CHUNK_BYTES`` but for the last."""
        pile = _Pile()
        for piece in self._pieces():
            pile.add(piece)
            if pile.size >= MIN_CHUNK_BYTES:
                yield pile.take()
        if pile.size:
            yield pile.take()

    def read(self, n: int = -1) -> bytes:
        """Return the next ``n`` bytes (all that is left for -1); fewer only at the end, ``b""`` after it.

        Pulls no chunk that it does not need.
        """
        pile = _Pile()
        wanted = n
        for piece in self._pieces() if n else ():
            if 0 <= wanted < piece.size:
                self._rest.insert(0, piece.slice(wanted))
                piece = piece.slice(0, wanted)  # noqa: PLW2901 - the head is what this read takes
            pile.add(piece)
            wanted -= piece.size if n >= 0 else 0
            if wanted == 0 and n >= 0:
                break
        return b"".join(memoryview(block) for block in pile.blocks())

    def readinto(self, target: memoryview) -> int:
        """Fill ``target`` with the next bytes and return how many there were: fewer than it holds only at the end."""
        filled = 0
        for piece in self._pieces() if len(target) else ():
            taken = min(piece.size, len(target) - filled)
            if taken < piece.size:
                self._rest.insert(0, piece.slice(taken))
            copy_bytes(piece.slice(0, taken), target[filled : filled + taken])
            filled += taken
            if filled == len(target):
                break
        return filled

    def peek(self, n: int) -> bytes:
        """Return the next ``n`` bytes, fewer only at the end, and leave them in the stream."""
        head = self.read(n)
        if head:
            self._rest.insert(0, pa.py_buffer(head))
        return head

    def as_file(self) -> pa.NativeFile:
        """Return what is left as a seekable Arrow file: in memory when small, else an unlinked temporary file.

        The file is read with ``pread``, not mapped: mapped pages would count as the server's memory. It vanishes
        with the returned object. Raises ``SpoolLimitError`` when the host's limit is passed.
        """
        pile = _Pile()
        for piece in self._pieces():
            pile.add(piece)
            self._check_spool(pile.size)
            if pile.size > SPOOL_MEMORY_BYTES:
                return self._spooled(pile)
        return pa.BufferReader(pile.take())

    def close(self) -> None:
        """Drop what was not read, and close the source when it can be closed."""
        self._rest.clear()
        close = getattr(self._source, "close", None)
        if close is not None:
            close()

    def _pieces(self) -> Iterator[pa.Buffer]:
        while self._rest:
            yield self._rest.pop(0)
        for chunk in self._source:
            buffer = chunk if isinstance(chunk, pa.Buffer) else pa.py_buffer(chunk)
            if buffer.size:
                yield buffer

    def _check_spool(self, size: int) -> None:
        if self.spool_limit_bytes is not None and size > self.spool_limit_bytes:
            raise SpoolLimitError(self.spool_limit_bytes)

    def _spooled(self, pile: _Pile) -> pa.NativeFile:
        size = pile.size
        with tempfile.TemporaryFile(dir=self._spool_dir, buffering=0) as spool:
            for block in pile.blocks():
                _write_all(spool.fileno(), block)
            for block in self:  # joined: a write for each small piece would cost more than its bytes
                size += block.size
                self._check_spool(size)
                _write_all(spool.fileno(), block)
            # The name of an open descriptor: the file has no other any more.
            return pa.OSFile(f"/proc/self/fd/{spool.fileno()}", "rb")


class _Pile:
    """Pieces on their way to being one, without an object kept for each small one: a peer may send single bytes."""

    def __init__(self) -> None:
        self.size = 0
        self._blocks: list[pa.Buffer] = []
        self._small = bytearray()

    def add(self, piece: pa.Buffer) -> None:
        """Put ``piece`` on the pile: large ones as they are, small ones copied together."""
        self.size += piece.size
        if piece.size >= SMALL_PIECE_BYTES:
            self._seal()
            self._blocks.append(piece)
            return
        self._small += memoryview(piece)
        if len(self._small) >= MIN_CHUNK_BYTES:
            self._seal()

    def blocks(self) -> list[pa.Buffer]:
        """Return what lies on the pile, in order, and empty it."""
        self._seal()
        blocks, self._blocks, self.size = self._blocks, [], 0
        return blocks

    def take(self) -> pa.Buffer:
        """Return what lies on the pile as one buffer, copied only when it is in parts, and empty it."""
        blocks = self.blocks()
        if len(blocks) == 1:
            return blocks[0]
        return pa.py_buffer(b"".join(memoryview(block) for block in blocks))

    def _seal(self) -> None:
        if self._small:
            self._blocks.append(pa.py_buffer(bytes(self._small)))
            self._small.clear()


def _write_all(descriptor: int, piece: pa.Buffer) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
