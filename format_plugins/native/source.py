"""What native code pulls from: a document's bytes, or record batches, and the failure that either ended with."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from format_plugins.native import abi
from format_plugins.streams import ByteStream


class DocumentSource:
    """A ``ByteStream`` as a ``struct FormatPluginBytes``: native code sees the buffers themselves, nothing is copied.

    Whoever holds it keeps the functions callable that native code was given.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._state = state = _Pulled(stream)
        # Bound to the state and not to this object: the struct would keep itself alive.
        self._functions = abi.NEXT(state.next), abi.LAST_ERROR(state.last_error), abi.RELEASE(state.release)
        self.struct = abi.Bytes(ctypes.sizeof(abi.Bytes), 0, *self._functions)

    @property
    def failure(self) -> BaseException | None:
        """What reading the document raised."""
        return self._state.failure


class _Pulled:
    """The callbacks. Nothing is raised through native code: what a callback raises would be printed and forgotten."""

    def __init__(self, stream: ByteStream) -> None:
        self._chunks: Iterator[pa.Buffer] | None = iter(stream)
        self._chunk: pa.Buffer | None = None
        self._words = ctypes.create_string_buffer(b"")
        self.failure: BaseException | None = None

    def next(self, _: int, data: Any, length: Any, keep: int | None) -> int:  # noqa: ANN401 - ctypes pointers
        """Hand over the next chunk; it stays until the one after it, or for as long as ``keep`` does."""
        try:
            self._chunk = None if self._chunks is None else next(self._chunks, None)
            size = 0 if self._chunk is None else self._chunk.size
            if self._chunk is not None and keep:
                # Exported by Arrow itself, whose release takes the interpreter lock only when it has to, in any thread.
                pa.Array.from_buffers(pa.uint8(), size, [None, self._chunk])._export_to_c(keep)  # noqa: SLF001 - C interface
            data[0] = None if self._chunk is None else self._chunk.address
            length[0] = size
        except BaseException as error:  # noqa: BLE001 - raised again when the native code has returned
            return self._fail(error)
        return abi.Status.OK

    def last_error(self, _: int) -> int:
        """Return the address of what there is to say."""
        return ctypes.addressof(self._words)

    def release(self, struct: int) -> None:
        """Let the chunk and the document go."""
        abi.Bytes.from_address(struct).release = abi.RELEASE()
        self._chunk = self._chunks = None

    def _fail(self, error: BaseException) -> int:
        self.failure = error
        self._words = ctypes.create_string_buffer(f"{type(error).__name__}: {error}".encode()[:1000])
        return abi.Status.SOURCE


class BatchSource:
    """The record batches of a reader as a ``struct ArrowArrayStream``."""

    def __init__(self, batches: pa.RecordBatchReader) -> None:
        self.failure: BaseException | None = None
        self.struct = abi.ArrowArrayStream()
        watched = pa.RecordBatchReader.from_batches(batches.schema, self._watched(batches))
        watched._export_to_c(ctypes.addressof(self.struct))  # noqa: SLF001 - C interface

    def _watched(self, batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            # Whatever it was, native code gets an errno that it can pass on.
            raise OSError(errno.EIO, str(error)) from error
