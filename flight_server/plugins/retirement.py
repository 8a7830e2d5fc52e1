"""Generations whose last lease has ended: their memory is given back, and what keeps one alive all the same is named."""

from __future__ import annotations

import gc
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import structlog

from flight_server.plugins.audit import AuditLog, Transition
from flight_server.plugins.deployment import Deployment
from flight_server.plugins.generation import Generation
from flight_server.plugins.pins import Canary, forget_loggers, pinned_by

# A full collection stops every thread for some tens of milliseconds: many retirements share one.
COLLECT_SECS = 2.0
#: How long code may outlive its last lease before it is asked what holds it: streams unwind, threads end.
PINNED_SECS = 5.0
#: How often those that something holds are asked again.
RECHECK_SECS = 60.0
_UNSEEN = "something that Python does not show, such as what codecs.register keeps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """A generation that is gone, but for what ``canaries`` still see of it. ``left`` is what its load left behind."""

    number: int
    deployment: Deployment
    name: str
    code: str
    sha256: str
    since: float
    at: float
    canaries: tuple[weakref.ref[Canary], ...] = ()
    left: tuple[str, ...] = ()
    pinned_by: tuple[str, ...] = field(default=())

    @property
    def is_alive(self) -> bool:
        """Whether anything can still reach its code."""
        return any(canary() is not None for canary in self.canaries)


class Retirement:
    """Takes in retired generations from any thread; ``sweep`` is for one."""

    def __init__(
        self, audit: AuditLog, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._audit = audit
        self._clock = clock
        self._wall = wall
        self._arrived: deque[Retired] = deque()
        self._watched: dict[int, Retired] = {}
        self._is_due = False
        self._collected_at = clock()
        self._log = structlog.get_logger("flight_server.plugins")

    def begin(self, generation: Generation, deployment: Deployment) -> None:
        """Take in a generation. This may run inside a garbage collection: it only takes note."""
        self._arrived.append(
            Retired(
                number=generation.number,
                deployment=replace(deployment, active=None, previous=None),  # its bytes are let go
                name=generation.metadata.name,
                code=generation.code_name,
                sha256=generation.source.sha256,
                since=self._clock(),
                at=self._wall(),
                canaries=generation.canaries,
                left=generation.left,
            )
        )

    def pinned(self) -> tuple[Retired, ...]:
        """Return those whose code is kept alive, with what keeps it."""
        return tuple(each for each in self._watched.copy().values() if each.pinned_by and each.is_alive)

    def sweep(self) -> None:
        """Tell the audit log of new ones, give memory back now and then, and look once at each that does not go.

        The code of a plugin is full of reference cycles, and Python's own collector may let dozens of dead generations
        pile up before it looks at them.
        """
        self._take_in()
        now = self._clock()
        overdue = [each for each in self._watched.values() if not each.pinned_by and now - each.since >= PINNED_SECS]
        wait_secs = COLLECT_SECS if self._is_due or overdue else RECHECK_SECS
        if not self._watched or now - self._collected_at < wait_secs:
            return
        self._is_due = False
        self._collected_at = now
        with _collected():
            for gone in [number for number, each in self._watched.items() if not each.is_alive]:
                del self._watched[gone]
            # One at a time: to look takes tens of milliseconds in which nothing else runs.
            for each in [each for each in overdue if each.is_alive][:1]:
                self._look_at(each)

    def _take_in(self) -> None:
        while self._arrived:
            each = self._arrived.popleft()
            self._is_due = True
            self._watched[each.number] = each
            forget_loggers(each.code)
            self._audit.note(
                Transition(
                    event="retired",
                    plugin=each.name,
                    file=each.deployment.file,
                    from_generation=each.number,
                    sha256=each.sha256,
                    at=each.at,
                )
            )

    def _look_at(self, retired: Retired) -> None:
        held = pinned_by(retired.code, retired.canaries) + retired.left
        self._watched[retired.number] = found = replace(retired, pinned_by=held or (_UNSEEN,))
        self._log.warning(
            "the code of a replaced plugin stays in memory: something holds it",
            plugin=found.name,
            file=found.deployment.file,
            generation=found.number,
            pinned_by=list(found.pinned_by),
        )


@contextmanager
def _collected() -> Iterator[None]:
    """Collect garbage, also among what ``gc.freeze`` set aside: the plugins of the start are in there."""
    was_frozen = gc.get_freeze_count() > 0
    gc.unfreeze()
    gc.collect()
    try:
        yield
    finally:
        if was_frozen:
            gc.freeze()
