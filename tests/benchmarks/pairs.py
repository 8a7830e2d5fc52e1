"""Measuring two ways of doing the same in turn, A B A B, so that a machine that changes its speed changes both."""

import gc
import statistics
import time
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is compared: ``amount`` of ``unit`` a second, of ours ``against`` something; ``target`` is for the ratio."""

    name: str
    against: str
    amount: float
    unit: str = "MB/s"
    target: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison. A ``ratio`` above 1 means that ours is better; a ``target`` in ms is for ours, others for the ratio."""

    name: str
    ours: float
    theirs: float
    unit: str
    against: str
    ratio: float
    pairs: int
    target: float | None = None
    peak_mb: float | None = None


def timed(action):
    """Seconds that ``action`` takes."""
    gc.collect()
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def compare(case, ours, theirs, *, server, pairs):
    """Run both in turn after a warm-up of each; figures are medians, and so is the ratio of the pairs."""
    ours()
    theirs()
    server.reset_peak()
    found = [(timed(ours), timed(theirs)) for _ in range(pairs)]
    return Row(
        name=case.name,
        ours=case.amount / statistics.median(one for one, _ in found),
        theirs=case.amount / statistics.median(two for _, two in found),
        unit=case.unit,
        against=case.against,
        ratio=statistics.median(two / one for one, two in found),
        pairs=pairs,
        target=case.target,
        peak_mb=server.peak_mb(),
    )
