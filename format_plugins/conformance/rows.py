"""Rows that nearly every format carries: numbers, texts and truths, with nulls among them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa

NULLS = 0.1
HALF = 0.5


def random_rows(count: int, seed: int) -> pa.Table:
    """Return ``count`` rows; the same ones for the same ``seed``. Texts have quotes, commas and line ends in them."""
    chance = random.Random(seed)  # noqa: S311 - the same rows each time

    def some(make: Callable[[], Any]) -> list[Any]:
        return [None if chance.random() < NULLS else make() for _ in range(count)]

    return pa.table(
        {
            "number": pa.array(some(lambda: chance.randrange(-(10**12), 10**12)), pa.int64()),
            "ratio": pa.array(some(lambda: chance.random() * 1000), pa.float64()),
            "text": pa.array(some(lambda: f'item "{chance.randrange(1 << 40):x}", line\n{chance.random()}'), pa.string()),
            "flag": pa.array(some(lambda: chance.random() < HALF), pa.bool_()),
        }
    )


def repeated(rows: pa.Table, times: int) -> pa.Table:
    """Return ``rows`` over and over, in one record batch."""
    return pa.concat_tables([rows] * times).combine_chunks()


def copied(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a record batch that shares no memory with ``batch``."""
    halves = [batch.slice(0, batch.num_rows // 2), batch.slice(batch.num_rows // 2)]
    return pa.Table.from_batches(halves).combine_chunks().to_batches()[0]
