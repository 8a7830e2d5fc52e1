"""Ordered decoding in a bounded pool."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from format_plugins.blocks import decode_in_order

DEADLINE_SECS = 10.0


def pool_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode-block")]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECS
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.001)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(), max_size=30), st.integers(1, 4))
def test_results_come_in_the_order_of_the_blocks(blocks: list[int], workers: int):
    assert list(decode_in_order(blocks, lambda block: block * 2, workers=workers)) == [block * 2 for block in blocks]


def test_a_slow_early_block_does_not_let_a_later_one_pass():
    def decode(block: int) -> int:
        time.sleep(0.02 if block == 1 else 0)
        return block

    assert list(decode_in_order(range(6), decode, workers=3)) == list(range(6))


def test_blocks_are_pulled_only_by_the_thread_that_iterates():
    pulled_by = set()

    def blocks() -> Iterator[int]:
        for number in range(20):
            pulled_by.add(threading.get_ident())
            yield number

    list(decode_in_order(blocks(), str))
    assert pulled_by == {threading.get_ident()}


def test_two_blocks_are_decoded_at_the_same_time():
    both = threading.Barrier(2, timeout=DEADLINE_SECS)

    def decode(block: int) -> int:
        if block:  # the first block is decoded inline
            both.wait()
        return block

    assert list(decode_in_order(range(3), decode, workers=2)) == [0, 1, 2]


def test_no_more_than_workers_and_one_blocks_are_pulled_ahead():
    pulled: list[int] = []

    def blocks() -> Iterator[int]:
        for number in range(50):
            pulled.append(number)
            yield number

    def decode(block: int) -> int:
        if block:  # the workers are busy for long enough that too many could be asked for
            time.sleep(0.1)
        return block

    results = decode_in_order(blocks(), decode, workers=2)
    assert (next(results), next(results)) == (0, 1)
    assert pulled == [0, 1, 2, 3]
    results.close()


def test_nothing_is_pulled_before_the_first_result_is_wanted():
    pulled = []
    results = decode_in_order((pulled.append(number) for number in range(3)), str)
    assert pulled == []
    results.close()


def test_a_single_block_is_decoded_without_a_thread():
    decoded_by = list(decode_in_order([1], lambda _: threading.current_thread()))
    assert decoded_by == [threading.current_thread()]


def test_the_first_result_does_not_wait_for_the_second_block():
    def blocks() -> Iterator[int]:
        yield 1
        raise AssertionError("the second block was asked for")

    results = decode_in_order(blocks(), str)
    assert next(results) == "1"
    results.close()


def test_an_error_of_the_decoder_surfaces_after_the_results_before_it():
    def decode(block: int) -> int:
        if block == 3:
            raise ValueError("block 3 is bad")
        return block

    results = decode_in_order(range(9), decode)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="block 3 is bad"):
        next(results)


def test_an_error_of_the_source_surfaces_after_the_results_before_it():
    def blocks() -> Iterator[int]:
        yield from range(4)
        raise ConnectionResetError("the peer went away")

    results = decode_in_order(blocks(), int)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ConnectionResetError):
        next(results)


@pytest.mark.parametrize("end", ["exhausted", "closed", "failed", "collected"])
def test_no_thread_outlives_the_stream(end: str):
    before = set(pool_threads())

    def decode(block: int) -> int:
        if end == "failed" and block == 5:
            raise ValueError("bad")
        return block

    results = decode_in_order(range(8), decode)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    if end == "exhausted":
        assert list(results) == [3, 4, 5, 6, 7]
    elif end == "closed":
        results.close()
    elif end == "failed":
        with pytest.raises(ValueError, match="bad"):
            list(results)
    del results
    gc.collect()
    assert set(pool_threads()) == before


def test_closing_early_waits_for_the_block_under_way_and_drops_those_that_wait():
    begun: list[int] = []
    release = threading.Event()

    def decode(block: int) -> int:
        begun.append(block)
        if block > 1:
            release.wait(DEADLINE_SECS)
        return block

    results = decode_in_order(range(50), decode, workers=1)
    assert next(results) == 0
    assert next(results) == 1
    closer = threading.Thread(target=results.close)
    release.set()
    closer.start()
    closer.join(DEADLINE_SECS)
    assert not closer.is_alive()
    wait_until(lambda: not pool_threads())
    assert len(begun) <= 4


def test_fewer_than_one_worker_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        decode_in_order([1], str, workers=0)
