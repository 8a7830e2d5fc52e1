"""The client for asyncio: the same verbs, awaited; the loop never waits for the network.

Flight's own asynchronous calls are experimental, so this is the ordinary client on threads of its own, a bounded number
of them. Cancelling a task cancels what it waits for, and the server notices.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from flight_client import retries as retrying
from flight_client.aio_sources import Pulled
from flight_client.aio_streams import AsyncDocument, AsyncStream
from flight_client.cancelling import Cancel
from flight_client.client import Client
from flight_client.line import Terms, Token
from flight_client.offload import offload
from flight_client.requests import Conversion, ConversionTo, DocumentRequest, Fetch, Path, Putting, Request
from flight_client.results import DatasetInfo, Progress, PutResult
from flight_client.retries import Retries
from flight_client.tls import Tls

T = TypeVar("T")


def connect(  # noqa: PLR0913 - what flight_client.connect takes, and the threads
    uri: str,
    *,
    token: Token | None = None,
    tls: Tls | None = None,
    timeout: float | None = 30.0,
    idle_timeout: float | None = 60.0,
    retries: Retries = retrying.DEFAULT,
    threads: int = 16,
) -> AsyncClient:
    """Return a client for asyncio; the arguments are those of ``flight_client.connect``.

    As many as ``threads`` questions and reads go on at once, and as many puts; more of them wait for their turn.
    """
    terms = Terms(token=token, tls=tls, timeout=timeout, idle_timeout=idle_timeout, retries=retries)
    return AsyncClient(Client(uri, terms), threads=threads)


class AsyncClient:
    """A connection, for the tasks of one loop; an asynchronous context manager. See ``Client`` for what each verb does."""

    def __init__(self, client: Client, *, threads: int = 16) -> None:
        self._client = client
        self._steps = ThreadPoolExecutor(threads, "flight step")
        # A put may wait for a source that itself waits for steps: it must not take their threads.
        self._puts = ThreadPoolExecutor(threads, "flight put")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connection and the threads, when the calls that still run have ended."""
        for pool in (self._puts, self._steps):
            await asyncio.to_thread(pool.shutdown)
        self._client.close()

    async def put(self, dataset: str, source: Any, **request: Unpack[Putting]) -> PutResult:  # noqa: ANN401 - what Client.put takes
        """Store ``source``, which may also be an asynchronous iterable of bytes, read in this loop.

        ``on_progress`` is called in the loop; what it raises does not end the put, but is told to the loop.
        """
        loop = asyncio.get_running_loop()
        if (told := request.get("on_progress")) is not None:
            request["on_progress"] = partial(_in_loop, loop, told)
        cancel = request["cancel"] = _own(request.get("cancel"))
        given = Pulled(source, loop, cancel) if isinstance(source, AsyncIterable) else source
        return await offload(self._puts, partial(self._client.put, dataset, given, **request), cancel)

    def get(self, dataset: str, **request: Unpack[Fetch]) -> AsyncStream:
        """Return the rows of a dataset, asked for when they are first read."""
        cancel = request["cancel"] = _own(request.get("cancel"))
        return AsyncStream(self._steps, partial(self._client.get, dataset, **request), cancel)

    def get_bytes(
        self,
        dataset: str,
        *,
        format: str,  # noqa: A002 - the wire's own name
        **request: Unpack[DocumentRequest],
    ) -> AsyncDocument:
        """Return a dataset as a document, asked for when it is first read."""
        cancel = request["cancel"] = _own(request.get("cancel"))
        return AsyncDocument(self._steps, partial(self._client.get_bytes, dataset, format=format, **request), cancel)

    async def get_file(
        self,
        dataset: str,
        path: Path,
        *,
        format: str | None = None,  # noqa: A002 - the wire's own name
        content_encoding: str | None = None,
        **request: Unpack[Request],
    ) -> int:
        """Write a dataset to a file and return its length in bytes."""
        cancel = request["cancel"] = _own(request.get("cancel"))
        call = partial(self._client.get_file, dataset, path, format=format, content_encoding=content_encoding, **request)
        return await offload(self._puts, call, cancel)

    def convert(self, source: Any, *, to_format: str, **request: Unpack[ConversionTo]) -> AsyncDocument:  # noqa: ANN401 - what put takes
        """Return ``source`` as a document of another format, sent when it is first read."""
        cancel = request["cancel"] = _own(request.get("cancel"))
        if isinstance(source, AsyncIterable):
            source = Pulled(source, asyncio.get_running_loop(), cancel)
        return AsyncDocument(self._steps, partial(self._client.convert, source, to_format=to_format, **request), cancel)

    async def convert_file(
        self,
        source: Any,  # noqa: ANN401 - what put takes
        path: Path,
        *,
        to_format: str | None = None,
        to_encoding: str | None = None,
        **request: Unpack[Conversion],
    ) -> int:
        """Convert ``source`` to a file and return its length in bytes."""
        cancel = request["cancel"] = _own(request.get("cancel"))
        if isinstance(source, AsyncIterable):
            source = Pulled(source, asyncio.get_running_loop(), cancel)
        call = partial(self._client.convert_file, source, path, to_format=to_format, to_encoding=to_encoding, **request)
        return await offload(self._puts, call, cancel)

    async def list(self, prefix: str = "") -> builtins.list[DatasetInfo]:
        """Return the datasets whose names begin with ``prefix``, in name order."""
        return await self._ask(lambda: self._client.list(prefix))

    async def info(self, dataset: str, *, version: int | None = None) -> DatasetInfo:
        """Return what is known of a dataset, or of one version of it."""
        return await self._ask(lambda: self._client.info(dataset, version=version))

    async def versions(self, dataset: str) -> builtins.list[dict[str, Any]]:
        """Return the versions of a dataset that can be read, oldest first."""
        return await self._ask(lambda: self._client.versions(dataset))

    async def drop(self, dataset: str) -> dict[str, Any]:
        """Drop a dataset; streams that read it go on to their end."""
        return await self._ask(lambda: self._client.drop(dataset))

    async def formats(self) -> builtins.list[dict[str, Any]]:
        """Return the formats that the server has now."""
        return await self._ask(self._client.formats)

    async def plugins(self) -> builtins.list[dict[str, Any]]:
        """Return every plugin, served or not."""
        return await self._ask(self._client.plugins)

    async def reload(self) -> builtins.list[dict[str, Any]]:
        """Have the plugin folder looked at now; return what changed."""
        return await self._ask(self._client.reload)

    async def rollback(self, plugin: str) -> dict[str, Any]:
        """Have the bytes serve that ``plugin`` had before the present ones; return its status."""
        return await self._ask(lambda: self._client.rollback(plugin))

    async def health(self) -> dict[str, Any]:
        """Return how the server is."""
        return await self._ask(self._client.health)

    async def put_status(self, put_id: str) -> PutResult | None:
        """Return the answer of the put with this id, or None when it was not stored."""
        return await self._ask(lambda: self._client.put_status(put_id))

    async def action(self, name: str, body: Mapping[str, Any] | None = None) -> builtins.list[dict[str, Any]]:
        """Carry out any action of the server's, and return its results."""
        return await self._ask(lambda: self._client.action(name, body))

    async def _ask(self, question: Callable[[], T]) -> T:
        """Wait for a question, which a cancelled task leaves to its deadline."""
        return await asyncio.get_running_loop().run_in_executor(self._steps, question)


def _in_loop(loop: asyncio.AbstractEventLoop, told: Callable[[Progress], None], progress: Progress) -> None:
    loop.call_soon_threadsafe(told, progress)


def _own(given: Cancel | None) -> Cancel:
    return Cancel() if given is None else given.linked()
