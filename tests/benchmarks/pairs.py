"""Measuring several ways of doing the same in turn, A B C A B C, so that a machine that changes its speed changes all."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is wanted ``of`` a row, of its ``ratio`` or of the figure that is ``ours``: at least, or at most, so much."""

    of: str
    least: float | None = None
    most: float | None = None

    @property
    def words(self):
        bound = f">= {self.least:g}" if self.most is None else f"<= {self.most:g}"
        return f"{self.of} {bound}"

    def met(self, row):
        """Whether ``row`` reaches it."""
        figure = getattr(row, self.of)
        return figure >= self.least if self.most is None else figure <= self.most


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is compared: ``amount`` of ``unit`` a second, of ours ``against`` something else that does the same."""

    part: str
    name: str
    against: str
    amount: float
    unit: str = "MB/s"
    target: Target | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison: medians, and the median of the pairs' ratios with its quartiles.

    A ``ratio`` above 1 means that ours is better, whether more is better (MB/s) or less (ms). ``peak_mb`` is the highest
    resident memory of this project's server. A row that could not be measured says why in ``skipped``.
    """

    part: str
    name: str
    against: str
    unit: str
    ours: float | None = None
    theirs: float | None = None
    ratio: float | None = None
    quartiles: tuple[float, float] | None = None
    pairs: int = 0
    target: str | None = None
    met: bool | None = None
    peak_mb: float | None = None
    skipped: str | None = None

    def held_to(self, target):
        """Return the row with its verdict."""
        return self if target is None else replace(self, target=target.words, met=target.met(self))


def timed(action: Callable[[], object]):
    """Seconds that ``action`` takes."""
    gc.collect()
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def compare(ours, others, *, server, pairs):
    """Yield a row for each ``(case, action)`` of ``others``, after a warm-up of all."""
    ours()
    for _, action in others:
        action()
    server.reset_peak()
    rounds = [(timed(ours), *(timed(action) for _, action in others)) for _ in range(pairs)]
    for position, (case, _) in enumerate(others, 1):
        found = [(case.amount / one[0], case.amount / one[position]) for one in rounds]
        yield of_pairs(case, found, peak_mb=server.peak_mb())


def of_pairs(case, found, *, peak_mb, less_is_better=False):
    """Return the row of the figures ``(ours, theirs)`` that were measured in pairs."""
    ratios = [theirs / ours if less_is_better else ours / theirs for ours, theirs in found]
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    row = Row(
        part=case.part,
        name=case.name,
        against=case.against,
        unit=case.unit,
        ours=statistics.median(ours for ours, _ in found),
        theirs=statistics.median(theirs for _, theirs in found),
        ratio=statistics.median(ratios),
        quartiles=(low, high),
        pairs=len(found),
        peak_mb=peak_mb,
    )
    return row.held_to(case.target)
