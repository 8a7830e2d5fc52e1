"""What can be sent: files, bytes and tables, as record batches of the size that the wire likes."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa

#: A message holds about this much: clients and servers whose gRPC accepts 4 MiB take it, and its cost vanishes.
TARGET_BYTES = 2 << 20
#: Chunks of a document are gathered until they are this long.
MIN_CHUNK_BYTES = 1 << 20
#: The schema of a stream that carries a document.
PAYLOAD = pa.schema([pa.field("payload", pa.binary())])

_BYTES = (bytes, bytearray, memoryview, pa.Buffer)
_DOCUMENT = (str, os.PathLike, *_BYTES)
_READABLE_TWICE = (*_DOCUMENT, list, tuple, pa.RecordBatch)


class Source(Protocol):
    """Record batches to send, and afterwards the figures that the server must have counted too."""

    schema: pa.Schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield what is sent, once."""
        ...

    def figures(self) -> dict[str, int]:
        """Return what the commit message says."""
        ...


class Rows:
    """A source of rows: they go as they are, in batches of about 2 MiB."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self.schema: pa.Schema = reader.schema
        self._reader = reader
        self._rows = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches, cut where they are large."""
        for batch in self._reader:
            self._rows += batch.num_rows
            yield from cut(batch)

    def figures(self) -> dict[str, int]:
        """Return the number of rows."""
        return {"rows": self._rows}


class Chunks:
    """A source of a document's bytes: they go in payload batches of one row of 1 to 2 MiB."""

    schema = PAYLOAD

    def __init__(self, pieces: Iterable[Any]) -> None:
        self._pieces = pieces
        self._bytes = self._chunks = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the document; large pieces that cannot change are not copied."""
        for chunk in gathered(self._pieces):
            self._bytes += chunk.size
            self._chunks += 1
            offsets = pa.py_buffer(struct.pack("=2i", 0, chunk.size))
            column = pa.Array.from_buffers(pa.binary(), 1, [None, offsets, chunk])
            yield pa.RecordBatch.from_arrays([column], schema=PAYLOAD)

    def figures(self) -> dict[str, int]:
        """Return the length of the document and the number of rows that carried it."""
        return {"bytes": self._bytes, "chunks": self._chunks}


class Original:
    """What the caller gave, to be sent once, or again when ``repeatable``.

    What can be read a second time with the same result is: a path, bytes, tables and record batches, data frames and
    whatever else has both a length and Arrow's stream interface, a list or tuple of bytes, and a file that can seek,
    from where it stood. Readers, streams, iterators and pipes are used up by the first time.
    """

    def __init__(self, given: Any) -> None:  # noqa: ANN401 - what put takes
        self._given = given
        self._start = _position(given)
        self._opened = False
        self.is_rows = _is_arrow(given) and not isinstance(given, _DOCUMENT)
        self.repeatable = (
            isinstance(given, _READABLE_TWICE)
            or (self.is_rows and hasattr(given, "__len__"))
            or (not self.is_rows and self._start is not None)
        )

    @contextmanager
    def opened(self) -> Iterator[Source]:
        """Make a ``Source`` of it, as ``opened`` does, from the start."""
        if self._opened and self._start is not None:
            self._given.seek(self._start)
        self._opened = True
        with opened(self._given) as source:
            yield source


def _position(given: Any) -> int | None:  # noqa: ANN401 - what put takes
    if not hasattr(given, "read") or not hasattr(given, "seekable"):
        return None
    try:
        return int(given.tell()) if given.seekable() else None
    except (OSError, ValueError):
        return None


def _is_arrow(given: object) -> bool:
    return hasattr(given, "__arrow_c_stream__") or hasattr(given, "__arrow_c_array__")


@contextmanager
def opened(source: Any) -> Iterator[Source]:  # noqa: ANN401 - that is the point
    """Make a ``Source`` of a path, bytes, a binary file, a table or stream of record batches, or an iterable of bytes.

    Only what is opened here is closed here. Raises ``OSError`` for a file that cannot be read, ``TypeError`` for what
    cannot be sent.
    """
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb", buffering=0) as file:
            yield Chunks(_reads(file))
    elif isinstance(source, _BYTES):
        yield Chunks([source])
    elif _is_arrow(source):
        yield Rows(_reader(source))
    elif hasattr(source, "read"):
        yield Chunks(_reads(source))
    elif isinstance(source, Iterable):
        yield Chunks(source)
    else:
        raise TypeError(f"a {type(source).__name__} cannot be sent: give {_WANTED}")


_WANTED = "a path, bytes, a binary file, an iterable of bytes, or Arrow data (a table, a record batch, a reader)"


def gathered(pieces: Iterable[Any]) -> Iterator[pa.Buffer]:
    """Yield bytes of any lengths in chunks of 1 to 2 MiB, the last one excepted."""
    small = bytearray()
    for piece in pieces:
        view = _view(piece)
        while view:
            if not small and len(view) >= MIN_CHUNK_BYTES:
                yield pa.py_buffer(view[:TARGET_BYTES])
                view = view[TARGET_BYTES:]
                continue
            room = MIN_CHUNK_BYTES - len(small)
            small += view[:room]
            view = view[room:]
            if len(small) == MIN_CHUNK_BYTES:
                yield pa.py_buffer(bytes(small))
                small.clear()
    if small:
        yield pa.py_buffer(bytes(small))


def cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield ``batch`` in slices of 1 to 2 MiB, of one row at the least, without copying."""
    size = _message_bytes(batch)
    if batch.num_rows <= 1 or size <= TARGET_BYTES:
        yield batch
        return
    middle = batch.num_rows // 2
    halves = (batch.slice(0, middle), batch.slice(middle))
    # What the rows share (the data of views) goes with each half whole: cutting would make it more, not less.
    if sum(map(_message_bytes, halves)) > size * 3 // 2:
        yield batch
        return
    for half in halves:
        yield from cut(half)


def _message_bytes(batch: pa.RecordBatch) -> int:
    return int(pa.ipc.get_record_batch_size(batch))


def _view(piece: Any) -> memoryview:  # noqa: ANN401 - anything with a buffer
    if not isinstance(piece, _BYTES):
        advice = "; make a reader of record batches: pyarrow.RecordBatchReader.from_batches" if _is_batch(piece) else ""
        raise TypeError(f"the source yielded a {type(piece).__name__} where bytes were expected{advice}")
    view = memoryview(piece).cast("B")
    # gRPC may still be sending a buffer when its owner fills it again.
    return view if view.readonly else memoryview(bytes(view))


def _is_batch(piece: object) -> bool:
    return isinstance(piece, pa.RecordBatch | pa.Table)


def _reads(file: IO[bytes]) -> Iterator[bytes]:
    while (piece := file.read(TARGET_BYTES)) != b"":
        if isinstance(piece, str):
            raise TypeError("the file is open as text: open it in binary mode")
        if piece is None:
            raise BlockingIOError("the file does not block, and has nothing to read now: its end cannot be told")
        yield piece


def _reader(source: Any) -> pa.RecordBatchReader:  # noqa: ANN401 - anything with Arrow's own protocol
    if isinstance(source, pa.RecordBatchReader):
        return source
    if isinstance(source, pa.Table):
        return source.to_reader()
    try:
        if not hasattr(source, "__arrow_c_stream__"):
            source = pa.record_batch(source)
        if isinstance(source, pa.RecordBatch):
            return pa.RecordBatchReader.from_batches(source.schema, [source])
        return pa.RecordBatchReader.from_stream(source)
    except pa.ArrowException as error:
        raise TypeError(f"a {type(source).__name__} that is no table cannot be sent: {error}") from None
