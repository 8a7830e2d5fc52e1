"""Decoding blocks of one stream side by side, in order, in a bounded pool."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

B = TypeVar("B")
R = TypeVar("R")


def decode_in_order(blocks: Iterable[B], decode: Callable[[B], R], *, workers: int = 2) -> Generator[R, None, None]:
    """Yield ``decode(block)`` for each block, in the order of the blocks.

    Blocks are pulled lazily, and only by the thread that iterates: a source that must not be touched by another
    thread, or after its request has ended, is safe. At most ``workers + 1`` blocks are under way. The first block is
    decoded inline, so that a short stream starts no thread and a slow source does not hold back its first result.

    What ``decode`` or the source raises surfaces at its place: after the results of all earlier blocks. Closing the
    generator cancels what has not begun, waits for what has, and leaves no thread behind.

    Raises ``ValueError`` when ``workers`` is less than 1.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    return _decoded(iter(blocks), decode, workers)


def _decoded(source: Iterator[B], decode: Callable[[B], R], workers: int) -> Generator[R, None, None]:
    for first in source:
        result = decode(first)
        del first  # the block's memory is not held while the consumer works
        yield result
        del result
        break
    else:
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode-block")  # starts a thread on the first submit
    try:
        yield from _pooled(source, decode, pool, workers + 1)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pooled(source: Iterator[B], decode: Callable[[B], R], pool: ThreadPoolExecutor, ahead: int) -> Iterator[R]:
    pending: deque[Future[R]] = deque()
    failure: BaseException | None = None
    open_ended = True
    while open_ended or pending:
        # A result that is ready goes out before the source is asked again: the source may be slow.
        if pending and (not open_ended or len(pending) >= ahead or pending[0].done()):
            yield pending.popleft().result()
            continue
        try:
            pending.append(pool.submit(decode, next(source)))
        except StopIteration:
            open_ended = False
        except Exception as error:  # noqa: BLE001 - raised again below, once the earlier results are out
            failure, open_ended = error, False
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # its traceback holds this frame
