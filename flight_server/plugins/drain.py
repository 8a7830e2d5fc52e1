"""Generations that have been superseded and that streams still hold."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from flight_server.plugins.deployment import Deployment
from flight_server.plugins.generation import Generation

# A full collection stops every thread for some tens of milliseconds: many retirements share one.
COLLECT_SECS = 2.0


@dataclass(frozen=True, slots=True)
class Draining:
    """One of them, the file that it came from, and when it was superseded."""

    generation: Generation
    deployment: Deployment
    since: float


class Drain:
    """Takes in superseded generations; safe for threads."""

    def __init__(self, timeout_secs: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_secs = timeout_secs
        self._clock = clock
        self._draining: dict[int, Draining] = {}
        self._reported: set[int] = set()
        self._retired = False
        self._collected_at = clock()

    def begin(self, generation: Generation, deployment: Deployment) -> None:
        """Supersede ``generation``; it is gone from here when its last lease is released."""
        self._draining[generation.number] = Draining(generation, deployment, self._clock())
        generation.supersede(self._farewell)

    def waiting(self) -> tuple[Draining, ...]:
        """Return what is still held."""
        return tuple(self._draining.copy().values())

    def sweep(self) -> None:
        """Report what streams hold for too long, and now and then give back the memory of what was retired.

        The code of a plugin is full of reference cycles, and Python's own collector may let dozens of dead generations
        pile up before it looks at them.
        """
        now = self._clock()
        for each in self.waiting():
            number = each.generation.number
            if now - each.since >= self._timeout_secs and number not in self._reported:
                self._reported.add(number)
                structlog.get_logger("flight_server.plugins").warning(
                    "streams still hold a replaced plugin",
                    plugin=each.generation.metadata.name,
                    generation=number,
                    leases=each.generation.leases,
                    held_secs=round(now - each.since, 1),
                )
        if self._retired and now - self._collected_at >= COLLECT_SECS:
            self._retired = False
            self._collected_at = now
            gc.collect()

    def _farewell(self, generation: Generation) -> None:
        self._draining.pop(generation.number, None)
        self._reported.discard(generation.number)
        self._retired = True
