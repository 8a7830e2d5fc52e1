"""Record batches that a server sends, read as they arrive."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import pyarrow as pa

from flight_client import frames
from flight_client.errors import Cancelled, FlightClientError

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]  # need not be there
    import polars as pl  # type: ignore[import-not-found,unused-ignore]  # need not be there


class Batches(Protocol):
    """What a stream is read from."""

    schema: pa.Schema

    def read(self) -> pa.RecordBatch:
        """Return the next batch, or raise ``StopIteration``."""
        ...

    def stop(self) -> None:
        """End the call, from any thread."""
        ...

    def finish(self, noticed: FlightClientError | None) -> BaseException | None:
        """Let go of everything; return what went wrong, if anything did: ``noticed`` is what the reader knows of."""
        ...


class Stream:
    """A stream of record batches: iterate it, or read all of it; close it early to stop the server.

    It has Arrow's stream interface, so pyarrow, Polars, DuckDB and others take it as it is. An error on the way is
    raised as a ``FlightClientError``: a stream that ended without one is complete, so one that was closed before its
    end raises ``Cancelled``.
    """

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._lock = threading.Lock()
        self.schema: pa.Schema = batches.schema

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            return self._batches.read()
        except StopIteration:
            self._raise(self._end(None))
            raise
        except Cancelled as error:
            self._raise(self._end(error, _Closed(self.schema)))
            raise
        except FlightClientError as error:
            self._raise(self._end(error))
            raise

    def read_all(self) -> pa.Table:
        """Return what is left as a table."""
        return pa.Table.from_batches(list(self), schema=self.schema)

    def to_table(self) -> pa.Table:
        """Return what is left as a table."""
        return self.read_all()

    def to_pandas(self) -> pd.DataFrame:
        """Return what is left as a pandas data frame; ``ImportError`` says that pandas is not installed."""
        return frames.to_pandas(self.read_all)

    def to_polars(self) -> pl.DataFrame:
        """Return what is left as a Polars data frame; ``ImportError`` says that Polars is not installed."""
        return frames.to_polars(self.read_all)

    def reader(self) -> pa.RecordBatchReader:
        """Return what is left as Arrow's own kind of reader."""
        return pa.RecordBatchReader.from_batches(self.schema, iter(self))

    def close(self) -> None:
        """Stop the server when it has not sent all; what was not read by then cannot be read any more."""
        self._batches.stop()
        self._end(None, _Closed(self.schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        # The thread of an exchange would wait for ever for somebody to read.
        if (batches := getattr(self, "_batches", None)) is not None:
            batches.stop()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand what is left to another Arrow library."""
        return self.reader().__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]  # the stubs miss it

    def _end(self, noticed: FlightClientError | None, left: Batches | None = None) -> BaseException | None:
        # A source is let go of now, not when somebody forgets the stream; once, by whoever reads or by whoever closes.
        with self._lock:
            batches = self._batches
            if not isinstance(batches, _Nothing):
                self._batches = left or _Nothing(self.schema)
        return batches.finish(noticed)

    @staticmethod
    def _raise(failure: BaseException | None) -> None:
        if failure is not None:
            try:
                raise failure from None
            finally:
                del failure  # or it would keep this frame alive, and this frame it


class _Nothing:
    """What is left of a stream that has ended."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    def read(self) -> pa.RecordBatch:
        raise StopIteration

    def stop(self) -> None:
        pass

    def finish(self, noticed: FlightClientError | None) -> FlightClientError | None:
        return noticed


class _Closed(_Nothing):
    """What is left of a stream that was closed before its end: whoever reads on must not take that for the end."""

    def read(self) -> pa.RecordBatch:
        raise self.finish(None)

    def finish(self, noticed: FlightClientError | None) -> FlightClientError:
        # Also for who came to the end as it was closed: what was wrong with the end was told to nobody.
        return noticed or Cancelled("the stream was closed before its end")
