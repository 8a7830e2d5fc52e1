"""Decoding and encoding around plugin code: what goes in and out of a plugin is checked, and blame is laid.

A plugin says that data is wrong with ``FormatError``. Whatever else it raises is the plugin's fault, unless the failure
began in what it was reading from: that one is passed on as it was, even when a native library has hidden it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa
import structlog

from flight_server.config import LimitsConfig
from flight_server.errors import BadPayload, LimitExceeded, PluginFailed, ServerError, Unsupported
from flight_server.plugins.failure import explained, said
from flight_server.validation import Validation
from format_plugins.content_encodings import ExpansionLimitError
from format_plugins.contract import DataFormat, FormatError, UnsupportedError
from format_plugins.fitting import fit
from format_plugins.slicing import data_bytes, sliced
from format_plugins.streams import ByteStream, SpoolLimitError

log = structlog.get_logger("flight_server")


class Source:
    """What a plugin pulls from; remembers the failure that it ended with, if it did."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = iter(items)
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - byte chunks or record batches
        try:
            return next(self._items)
        except StopIteration:
            raise
        except BaseException as error:
            self.failure = error
            raise

    def close(self) -> None:
        """Close what is pulled from, when it can be closed."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()


class Decoded:
    """A document as record batches of one schema, as a plugin decodes it: an iterator that can be closed."""

    def __init__(
        self, codec: DataFormat, chunks: Iterable[Any], *, plugin: str, schema: pa.Schema | None, limits: LimitsConfig
    ) -> None:
        self._source = Source(chunks)
        self._stream = ByteStream(self._source, spool_limit_bytes=limits.spool_bytes)
        self._limits = limits
        self._plugin = plugin
        self._slices: Iterator[pa.RecordBatch] = iter(())
        self._validation = Validation()
        with Blame(plugin, self._source):
            reader = reader_of(reading(codec, schema, self._stream), schema)
            if schema is not None and not reader.schema.equals(schema, check_metadata=True):
                # Whose fault it is that a batch is not valid can be told before the conversion only.
                reader = fit(pa.RecordBatchReader.from_batches(reader.schema, map(self._valid, reader)), schema)
        if len(reader.schema) > limits.columns:
            raise LimitExceeded(f"the document has {len(reader.schema):,} columns; limits.columns allows {limits.columns:,}")
        self.schema: pa.Schema = reader.schema
        self._reader: pa.RecordBatchReader | None = reader

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        while (piece := next(self._slices, None)) is None:
            if (batch := self._decode()) is None:
                raise StopIteration
            self._slices = sliced(batch)
        return piece

    def close(self) -> None:
        """Let go of the plugin's reader and of the document."""
        # Dropped, not only closed: Arrow's reader keeps the plugin's generator, which ends when nobody holds it.
        self._reader = None
        self._slices = iter(())
        self._stream.close()

    def _decode(self) -> pa.RecordBatch | None:
        """Return the plugin's next batch; at the end, make sure that it has read all there is."""
        if self._reader is None:
            return None
        with Blame(self._plugin, self._source):
            if (batch := next(self._reader, None)) is not None:
                return self._checked(batch)
            if self._stream.read(1):
                raise BadPayload("there are bytes after the end of the document")
        return None

    def _checked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not batch.schema.equals(self.schema):
            raise PluginFailed(f"the plugin changed the schema while it was reading: {batch.schema} after {self.schema}")
        if (size := data_bytes(self._valid(batch))) > self._limits.batch_bytes:
            raise LimitExceeded(f"the document decodes to a record batch of {size:,} bytes; limits.batch_bytes allows less")
        return batch

    def _valid(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        try:
            self._validation.check(batch)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise PluginFailed(f"the plugin made a record batch that is not valid Arrow data: {error}") from None
        return batch


def encoded(
    codec: DataFormat, batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, plugin: str
) -> Generator[Any, None, None]:
    """Yield the bytes of ``batches`` as the plugin writes them, in pieces of any size, none of them empty."""
    source = Source(batches)
    blame = Blame(plugin, source)
    with closing(source):
        with blame:
            pieces = iter(codec.write_batches(pa.RecordBatchReader.from_batches(schema, source)))
        try:
            while (piece := _written(pieces, blame)) is not None:
                yield piece
        finally:
            _close(pieces, plugin)


def _written(pieces: Iterator[Any], blame: Blame) -> memoryview | None:
    """Return what the plugin writes next, None at its end."""
    with blame:
        for piece in pieces:
            if view := memoryview(piece).cast("B"):
                return view
    return None


def _close(pieces: Iterator[Any], plugin: str) -> None:
    """End a plugin's iterator; what it raises then changes nothing for a client that has its document, or has gone."""
    close = getattr(pieces, "close", None)
    try:
        if close is not None:
            close()
    except BaseException as error:  # noqa: BLE001 - a plugin's code
        log.warning("a plugin failed when it was told to stop", plugin=plugin, reason=explained(error))


class Blame:
    """Lays the blame for what plugin code raises: on the data, on what it was reading from, or on the plugin.

    Nothing but plugin code runs inside: a GeneratorExit or KeyboardInterrupt from there is no client that goes and no
    operator's Ctrl-C, which reaches the main thread only.
    """

    def __init__(self, plugin: str, source: Source) -> None:
        self._plugin = plugin
        self._source = source

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            return
        began, self._source.failure = self._source.failure or error, None
        if began is error and isinstance(error, ServerError):
            return  # it goes on as it is
        try:
            raise _blamed(began, self._plugin) from (None if isinstance(began, ServerError) else began)
        finally:
            del began, error  # a traceback that holds what holds it keeps the stream's memory


def format_error(error: FormatError) -> ServerError:
    """Turn a plugin's word that the data is wrong into the client's error, with the place as far as it is known."""
    kind = Unsupported if isinstance(error, UnsupportedError) else BadPayload
    place = {name: getattr(error, name) for name in ("offset", "row", "column", "value", "option")}
    message = said(error)
    where = ", ".join(f"{name} {value}" for name, value in place.items() if name in _PLACES and value is not None)
    if where and not any(str(place[name]) in message for name in _PLACES if place[name] is not None):
        message = f"{message} ({where})"
    return kind(message, **place)


_PLACES = ("row", "column", "offset")
_OURS: tuple[tuple[type[Exception], Callable[[Any], ServerError]], ...] = (
    (ServerError, lambda error: error),
    (FormatError, format_error),
    (SpoolLimitError, lambda error: LimitExceeded(f"{error} (limits.spool_bytes)")),
    (ExpansionLimitError, lambda error: LimitExceeded(f"{error} (limits.expansion_ratio)")),
)


def _blamed(error: BaseException, plugin: str) -> ServerError:
    # FormatError is a base of some limits' errors: the last that fits is the most telling.
    for kind, turn in reversed(_OURS):
        if isinstance(error, kind):
            made: ServerError = turn(error)
            return made
    return PluginFailed(f"the plugin {plugin!r} failed: {explained(error)}", format=plugin)


def reading(codec: DataFormat, schema: pa.Schema | None, stream: ByteStream) -> object:
    """Have a codec read a stream by whichever method it has."""
    if hasattr(codec, "read_batches_from_stream"):
        return codec.read_batches_from_stream(schema, stream)
    return codec.read_batches(stream.read())


def reader_of(batches: Any, schema: pa.Schema | None) -> pa.RecordBatchReader:  # noqa: ANN401 - a BatchStream
    """Make one kind of reader of whatever stream of batches a plugin returned."""
    if isinstance(batches, pa.RecordBatchReader):
        return batches
    if hasattr(batches, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(batches)
    iterator = iter(batches)
    first = next(iterator, None)
    if first is None:
        if schema is None:
            raise PluginFailed("the plugin yielded no record batch, so the document has no schema; yield one of zero rows")
        return pa.RecordBatchReader.from_batches(schema, iter(()))
    if not isinstance(first, pa.RecordBatch):
        raise PluginFailed(f"the plugin yielded a {type(first).__name__} where a record batch was expected")
    return pa.RecordBatchReader.from_batches(first.schema, _chained(first, iterator))


def _chained(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest
