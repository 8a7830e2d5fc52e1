"""Streams and documents, read by tasks: each step in a thread, none in the loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import pyarrow as pa

from flight_client.cancelling import Cancel
from flight_client.documents import Document
from flight_client.errors import Cancelled
from flight_client.offload import offload
from flight_client.streams import Stream

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]  # need not be there
    import polars as pl  # type: ignore[import-not-found,unused-ignore]  # need not be there

S = TypeVar("S", bound="_Closable")
R = TypeVar("R")


class _Closable(Protocol):
    def close(self) -> None: ...


class _Stepwise(Generic[S]):
    """What is opened by the first step, and closed by whoever is cancelled in one."""

    def __init__(self, pool: Executor, opened: Callable[[], S], cancel: Cancel) -> None:
        self._pool = pool
        self._opened = opened
        self._cancel = cancel
        self._stream: S | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        await self._step(lambda stream: stream)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the server when it has not sent all; what was not read by then cannot be read any more."""
        self._closed = True
        if self._stream is not None:
            await offload(self._pool, self._stream.close, self._cancel)

    async def _step(self, work: Callable[[S], R]) -> R:
        return await offload(self._pool, lambda: work(self._open()), self._cancel)

    def _open(self) -> S:
        if self._stream is None:
            if self._closed:
                raise Cancelled("the stream was closed before it was opened")
            self._stream = self._opened()
            if self._closed:  # while it was opened
                self._stream.close()
        return self._stream


class AsyncStream(_Stepwise[Stream]):
    """Record batches, for ``async for``; one task reads at a time. A task that is cancelled as it reads ends the stream."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pa.RecordBatch:
        batch = await self._step(lambda stream: next(stream, None))
        if batch is None:
            raise StopAsyncIteration
        return batch

    async def schema(self) -> pa.Schema:
        """Return the schema."""
        return await self._step(lambda stream: stream.schema)

    async def read_all(self) -> pa.Table:
        """Return what is left as a table."""
        return await self._step(lambda stream: stream.read_all())

    async def to_table(self) -> pa.Table:
        """Return what is left as a table."""
        return await self.read_all()

    async def to_pandas(self) -> pd.DataFrame:
        """Return what is left as a pandas data frame."""
        return await self._step(lambda stream: stream.to_pandas())

    async def to_polars(self) -> pl.DataFrame:
        """Return what is left as a Polars data frame."""
        return await self._step(lambda stream: stream.to_polars())


class AsyncDocument(_Stepwise[Document]):
    """The bytes of a document, in chunks for ``async for``; one task reads at a time."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pa.Buffer:
        chunk = await self._step(lambda document: next(document, None))
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def read_all(self) -> bytes:
        """Return what is left."""
        return await self._step(lambda document: document.read_all())
