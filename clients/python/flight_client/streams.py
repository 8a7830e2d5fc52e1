"""Record batches that a server sends, read as they arrive."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa
from pyarrow import flight

from flight_client.errors import FlightClientError, translated


class Feeder(Protocol):
    """The other direction of an exchange."""

    def finish(self, noticed: FlightClientError | None) -> BaseException | None:
        """End it, and return what went wrong, if anything did; ``noticed`` is what the reader knows of."""
        ...


class Stream:
    """A stream of record batches: iterate it, or read all of it; close it early to stop the server.

    It has Arrow's stream interface, so pyarrow, Polars, DuckDB and others take it as it is. An error on the way is
    raised as a ``FlightClientError``: a stream that ended without one is complete.
    """

    def __init__(self, reader: flight.FlightStreamReader, feeder: Feeder | None = None) -> None:
        self._reader = reader
        self._feeder = feeder
        self._ended = False
        try:
            with translated():
                self.schema: pa.Schema = reader.schema
        except FlightClientError as error:
            self._raise(self._end(error))
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pa.RecordBatch:
        if self._ended:
            raise StopIteration
        try:
            with translated():
                while (batch := self._reader.read_chunk().data) is None:
                    pass  # a message that carries metadata only
        except StopIteration:
            self._raise(self._end(None))
            raise
        except FlightClientError as error:
            self._raise(self._end(error))
            raise
        return batch

    def read_all(self) -> pa.Table:
        """Return what is left as a table."""
        return pa.Table.from_batches(list(self), schema=self.schema)

    def reader(self) -> pa.RecordBatchReader:
        """Return what is left as Arrow's own kind of reader."""
        return pa.RecordBatchReader.from_batches(self.schema, iter(self))

    def close(self) -> None:
        """Stop the server when it has not sent all; after that the stream is at its end."""
        if not self._ended:
            self._reader.cancel()
            self._end(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        # The thread of an exchange would wait for ever for somebody to read.
        if not getattr(self, "_ended", True):
            self._reader.cancel()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand what is left to another Arrow library."""
        return self.reader().__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]  # the stubs miss it

    def _end(self, noticed: FlightClientError | None) -> BaseException | None:
        self._ended = True
        feeder, self._feeder = self._feeder, None  # the source is let go of now, not when somebody forgets the stream
        return noticed if feeder is None else feeder.finish(noticed)

    @staticmethod
    def _raise(failure: BaseException | None) -> None:
        if failure is not None:
            try:
                raise failure from None
            finally:
                del failure  # or it would keep this frame alive, and this frame it
