"""One stream's native codec with the methods of the contract's ``DataFormat``."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import pyarrow as pa

from format_plugins.contract import UnsupportedError
from format_plugins.native import abi, fault
from format_plugins.native.source import BatchSource, DocumentSource
from format_plugins.streams import ByteStream


class Cancelling:
    """Whether a stream is wanted any more: asked by native code, from any thread."""

    def __init__(self, outer: Callable[[], bool]) -> None:
        self._outer = outer
        self.wanted = True

    def __call__(self, _: int | None) -> int:
        """Return 1 when nobody wants the result any more."""
        try:
            return int(not self.wanted or self._outer())
        except Exception:  # noqa: BLE001 - native code is calling: a host that cannot tell has not cancelled
            return 0


class NativeFormat:
    """A ``struct FormatPluginFormat`` and what has to live as long as it does.

    Output is what the plugin made, unchecked: whoever uses it calls ``validate(full=True)`` on each record batch before
    reading a value, for offsets that lead out of a buffer pass Arrow's import.
    """

    def __init__(self, plugin: abi.Plugin, host: abi.Host, options: object, *, owner: object, cancelling: Cancelling) -> None:
        self._cancelling = cancelling
        self._kept = (owner, host)
        error, room = abi.new_error(), abi.Room(abi.Format)
        text = msgspec.json.encode(options)
        status = plugin.create_format(*map(ctypes.addressof, (plugin, host)), text, room.address, ctypes.addressof(error))
        if status:
            raise fault.of_call("create_format", status, error)
        self._struct = room.taken()
        # Formats end before the plugin that made them; at the end of the process neither is called.
        weakref.finalize(self, _ended, self._struct, self._kept).atexit = False

    def read_batches_from_stream(self, schema: pa.Schema | None, stream: ByteStream) -> pa.RecordBatchReader:
        """Decode a document; the reader's batches point into what the plugin made, and are not validated."""
        reading = _Reading(self, self._struct, schema, stream)
        return pa.RecordBatchReader.from_batches(reading.schema, reading)

    def write_batches(self, batches: pa.RecordBatchReader) -> Iterator[bytes]:
        """Encode a document, a chunk of the plugin's at a time."""
        return _Writing(self, self._struct, batches)

    def cancel(self) -> None:
        """Tell native code that nobody wants the result any more, from any thread; it stops when it next asks."""
        self._cancelling.wanted = False

    @property
    def reads(self) -> bool:
        """Whether the plugin has ``open_reader``."""
        return bool(self._struct.open_reader)

    @property
    def writes(self) -> bool:
        """Whether the plugin has ``open_writer``."""
        return bool(self._struct.open_writer)


def _ended(struct: abi.Format, _kept: object) -> None:
    abi.release(struct)


class _Reading:
    """The record batches of one document, pulled from native code.

    An object, and no generator: a generator that was never begun has no ``finally``, and the native stream has to be released
    where no exception is being raised, since its release calls back into Python.
    """

    def __init__(self, owner: NativeFormat, struct: abi.Format, schema: pa.Schema | None, stream: ByteStream) -> None:
        self._reader: pa.RecordBatchReader | None = None
        self._owner = owner
        if not owner.reads:
            raise UnsupportedError("the plugin has no open_reader: its format can be written only, not read")
        self._source = DocumentSource(stream)
        self._error = abi.new_error()
        self._reader = self._opened(struct, schema)
        self.schema: pa.Schema = self._reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        if self._reader is None:
            raise StopIteration
        try:
            return self._reader.read_next_batch()
        except StopIteration:
            self.close()
            raise
        except BaseException as error:  # noqa: BLE001 - whatever ended it, the stream is over
            failure = self._failure(error)
        self.close()
        raise failure

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Release the native stream, which gives the document back too."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
            abi.release(self._source.struct)

    def _opened(self, struct: abi.Format, schema: pa.Schema | None) -> pa.RecordBatchReader:
        out, hint = abi.ArrowArrayStream(), abi.ArrowSchema()
        if schema is not None:
            schema._export_to_c(ctypes.addressof(hint))  # noqa: SLF001 - C interface
        places = [ctypes.addressof(each) for each in (struct, hint, self._source.struct, out, self._error)]
        places[1] = places[1] if schema is not None else 0
        status = struct.open_reader(*places)
        abi.release(hint)
        lacks = [name for name in ("get_schema", "get_next") if not getattr(out, name)]
        if status == abi.Status.OK and out.release and lacks:
            failure: BaseException = fault.NativePluginError(f"the stream that open_reader made lacks {' and '.join(lacks)}")
        elif status == abi.Status.OK and out.release:
            try:
                return pa.RecordBatchReader._import_from_c(ctypes.addressof(out))  # noqa: SLF001 - C interface
            except BaseException as error:  # noqa: BLE001 - from get_schema: as from any function
                failure = self._failure(error)
        else:
            failure = self._source.failure or fault.of_call("open_reader", status or abi.Status.FAILED, self._error)
        abi.release(out)
        abi.release(self._source.struct)
        raise failure

    def _failure(self, error: BaseException) -> BaseException:
        return self._source.failure or fault.of_stream(error, self._error)


class _Writing:
    """The bytes of one document, pulled from native code."""

    def __init__(self, owner: NativeFormat, struct: abi.Format, batches: pa.RecordBatchReader) -> None:
        self._bytes: abi.Bytes | None = None
        self._owner = owner
        if not owner.writes:
            raise UnsupportedError("the plugin has no open_writer: its format can be read only, not written")
        _check_names(batches.schema)
        self._source = BatchSource(batches)
        self._error = abi.new_error()
        self._bytes = self._opened(struct)
        self._data, self._length = ctypes.c_void_p(), ctypes.c_int64()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._bytes is None:
            raise StopIteration
        status = self._bytes.next(ctypes.addressof(self._bytes), ctypes.pointer(self._data), ctypes.pointer(self._length), None)
        if status:
            failure = self._source.failure or self._told(self._bytes, status)
            self.close()
            raise failure
        if self._length.value <= 0:
            self.close()
            raise StopIteration
        # Copied: they are the plugin's only until its next call, and whoever gathers chunks keeps them for longer.
        return ctypes.string_at(self._data.value or 0, self._length.value)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Release the native stream, which gives the record batches back too."""
        pulled, self._bytes = self._bytes, None
        if pulled is not None:
            abi.release(pulled)
            abi.release(self._source.struct)

    def _opened(self, struct: abi.Format) -> abi.Bytes:
        room = abi.Room(abi.Bytes)
        places = [ctypes.addressof(struct), ctypes.addressof(self._source.struct), room.address, ctypes.addressof(self._error)]
        status = struct.open_writer(*places)
        out = room.taken()
        if status == abi.Status.OK and out.next:
            return out
        failure = self._source.failure or fault.of_call("open_writer", status or abi.Status.FAILED, self._error)
        abi.release(out)
        abi.release(self._source.struct)
        raise failure

    def _told(self, pulled: abi.Bytes, status: int) -> Exception:
        if self._error.code == abi.Status.OK and pulled.get_last_error:
            words: Any = pulled.get_last_error(ctypes.addressof(pulled))
            self._error.message = ctypes.string_at(words)[:1023] if words else b""
        return fault.of_call("the stream of bytes", self._error.code or status, self._error)


def _check_names(fields: Iterable[pa.Field[Any]]) -> None:
    """Refuse names that end early in C, where they end with NUL: a shorter one would be written without a word."""
    for field in fields:
        if "\0" in field.name:
            raise UnsupportedError(f"the name of the column {field.name!r} holds a NUL", column=field.name)
        if field.type.num_fields:
            _check_names(field.type.field(index) for index in range(field.type.num_fields))
