"""A call in a thread, awaited: the task that waits for it, when it is cancelled, cancels the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from flight_client.cancelling import Cancel

T = TypeVar("T")

#: How long a cancelled call is waited for: it ends at once, unless a source or a frozen server holds it up.
_GRACE_SECS = 5.0


async def offload(pool: Executor, call: Callable[[], T], cancel: Cancel) -> T:
    """Return what ``call`` returns. When this is cancelled, ``cancel`` ends the call, and that is waited for a moment."""
    job = pool.submit(call)
    future = asyncio.wrap_future(job)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        cancel.cancel()
        future.add_done_callback(_seen)
        if not job.cancel():  # it has begun
            await asyncio.wait([future], timeout=_GRACE_SECS)
        raise


def _seen(future: asyncio.Future[T]) -> None:
    if not future.cancelled():
        future.exception()  # nobody waits for it: asyncio need not complain that nobody looked
