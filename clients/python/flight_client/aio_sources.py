"""Asynchronous sources, pulled by the thread that sends them."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Self

from flight_client.cancelling import Cancel


class Pulled:
    """An iterator, for a thread, of what an asynchronous iterable of ``loop`` yields. It cannot be read twice."""

    def __init__(self, source: AsyncIterable[Any], loop: asyncio.AbstractEventLoop, cancel: Cancel) -> None:
        self._source: AsyncIterator[Any] = aiter(source)
        self._loop = loop
        self._cancel = cancel

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - what the source yields
        self._cancel.check()
        future = asyncio.run_coroutine_threadsafe(self._step(), self._loop)
        take_back = self._cancel.add(future.cancel)
        try:
            ended, piece = future.result()
        except concurrent.futures.CancelledError:
            self._cancel.check()  # who cancelled is told so
            raise
        finally:
            take_back()
        if ended:
            raise StopIteration
        return piece

    async def _step(self) -> tuple[bool, Any]:
        try:
            return False, await anext(self._source)
        except StopAsyncIteration:
            return True, None
