"""Writing a segment: record batches in, a sealed segment with its digest out."""

from __future__ import annotations

import io
import os
from typing import Any

import pyarrow as pa
import xxhash

from flight_server.failpoints import Failpoints
from flight_server.store import writeback
from flight_server.store.gathering import MAX_BYTES, Gathering
from flight_server.store.segments import Sealed, SegmentFolder
from format_plugins.slicing import measured

#: Arrow writes each buffer of a batch alone; those smaller than this go to the disk together.
_BUFFER_BYTES = 256 << 10
#: The mark at the end of a stream.
_END_BYTES = 8
#: Arrow's own; left out, it would look into the environment each time.
_OPTIONS = pa.ipc.IpcWriteOptions()


class SegmentWriter:
    """One segment in the making: in memory up to ``inline_limit_bytes``, in a staged file beyond. For one thread."""

    def __init__(self, schema: pa.Schema, folder: SegmentFolder, inline_limit_bytes: int, failpoints: Failpoints) -> None:
        self.rows = 0
        self.bytes = 0  # Arrow's of the rows so far; once sealed, what the stream is longer than that of an empty table
        self._frame_bytes = schema.serialize().size + _END_BYTES
        self._failpoints = failpoints
        self._sink = _Sink(folder, inline_limit_bytes, failpoints)
        self._out = pa.BufferedOutputStream(pa.PythonFile(self._sink, mode="w"), _BUFFER_BYTES)
        self._stream = pa.ipc.new_stream(self._out, schema, options=_OPTIONS)
        self._gathering = Gathering(schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch of exactly the segment's schema. Raises ``OSError``."""
        if batch.num_rows == 0:
            return
        for piece, size in measured(batch, max_bytes=MAX_BYTES):
            self.bytes += size
            for ready in self._gathering.add(piece, size):
                self._put(ready)
        self.rows += batch.num_rows

    def seal(self) -> Sealed | None:
        """End the segment and make its file durable; None when it has no rows. Raises ``OSError``."""
        for ready in self._gathering.rest():
            self._put(ready)
        self._stream.close()
        self._out.flush()
        self._failpoints.hit("store.segment.written")
        if self.rows == 0:
            self.discard()
            return None
        self.bytes = self._sink.size - self._frame_bytes
        return self._sink.sealed(self.rows)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._sink.discard()

    def _put(self, batch: pa.RecordBatch) -> None:
        self._stream.write_batch(batch)
        self._failpoints.hit("store.put.written")


class _Sink(io.RawIOBase):
    """Where Arrow writes to: a Python file that hashes what passes, and spills to the disk when it is too much for memory."""

    def __init__(self, folder: SegmentFolder, inline_limit_bytes: int, failpoints: Failpoints) -> None:
        super().__init__()
        self.size = 0
        self._on_its_way = 0  # to the disk
        self._ended = False
        self._folder = folder
        self._limit = inline_limit_bytes
        self._failpoints = failpoints
        self._digest = xxhash.xxh3_128()
        self._memory = bytearray()
        self._file: str | None = None
        self._descriptor: int | None = None

    def writable(self) -> bool:
        """Say yes: Arrow asks."""
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - whatever has the buffer protocol
        view = memoryview(data)
        if self._ended:  # Arrow's buffer flushes once more when it is thrown away
            return view.nbytes
        self._digest.update(view)
        self.size += view.nbytes
        if self._descriptor is None and self.size <= self._limit:
            self._memory += view
            return view.nbytes
        if self._descriptor is None:
            self._file, self._descriptor = self._folder.create()
            self._failpoints.hit("store.put.staged")
            _write_all(self._descriptor, memoryview(self._memory))
            self._memory = bytearray()
        _write_all(self._descriptor, view)
        if self.size - self._on_its_way >= writeback.STRIDE_BYTES:
            writeback.begin(self._descriptor, self._on_its_way, self.size - self._on_its_way)
            self._on_its_way = self.size
        return view.nbytes

    def sealed(self, rows: int) -> Sealed:
        self._ended = True
        if self._descriptor is not None:
            # An fsync that failed is never tried again: the kernel may have dropped the pages that it could not write.
            self._failpoints.hit("store.segment.fsync")
            os.fsync(self._descriptor)
            self._failpoints.hit("store.segment.fsynced")
            self._close_file()
        data = bytes(self._memory) if self._file is None else None
        return Sealed(rows, self.size, self._digest.digest(), data, self._file)

    def discard(self) -> None:
        self._ended = True
        self._memory = bytearray()
        self._close_file()
        if self._file is not None:
            self._folder.discard(self._file)

    def _close_file(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def _write_all(descriptor: int, view: memoryview) -> None:
    while view:
        view = view[os.write(descriptor, view) :]
