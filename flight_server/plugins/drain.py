"""Generations that have been superseded and that streams still hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from flight_server.plugins.deployment import Deployment
from flight_server.plugins.generation import Generation


@dataclass(frozen=True, slots=True)
class Draining:
    """One of them, the file that it came from, and when it was superseded."""

    generation: Generation
    deployment: Deployment
    since: float


class Drain:
    """Takes in superseded generations; safe for threads. ``retire`` is given each that nobody holds any more."""

    def __init__(
        self,
        timeout_secs: float,
        *,
        retire: Callable[[Generation, Deployment], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout_secs = timeout_secs
        self._retire = retire
        self._clock = clock
        self._draining: dict[int, Draining] = {}
        self._reported: set[int] = set()

    def begin(self, generation: Generation, deployment: Deployment) -> None:
        """Supersede ``generation``; it is gone from here when its last lease is released."""
        self._draining[generation.number] = Draining(generation, deployment, self._clock())
        generation.supersede(self._farewell)

    def waiting(self) -> tuple[Draining, ...]:
        """Return what is still held."""
        return tuple(self._draining.copy().values())

    def sweep(self) -> None:
        """Report, once, what streams hold for too long."""
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

    def _farewell(self, generation: Generation) -> None:
        drained = self._draining.pop(generation.number, None)
        self._reported.discard(generation.number)
        if drained is not None:
            self._retire(generation, drained.deployment)
