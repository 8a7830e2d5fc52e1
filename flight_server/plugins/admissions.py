"""Plugins on their way in: several are let in at a time, each in a thread of its own, so that none waits for one that hangs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from flight_server.plugins.admission import Outcome
from flight_server.plugins.generation import Generation
from flight_server.plugins.source import Source, Unreadable

#: Each is a process that works; more of them would only take turns.
AT_A_TIME = 4
#: How long the end of the server waits for those that are under way.
END_SECS = 2.0


@dataclass(eq=False, slots=True)
class Ticket:
    """One plugin on its way in, found by the look of the number ``look``; ``outcome`` is None until it is known."""

    source: Source | Unreadable
    look: int
    outcome: Outcome | None = None
    is_dropped: bool = False


class Admissions:
    """For one thread at a time; ``wake`` is called by another one whenever an outcome is known."""

    def __init__(self, admit: Callable[[Source | Unreadable], Outcome], *, at_a_time: int = AT_A_TIME) -> None:
        self.wake: Callable[[], None] = _sleep_on
        self._admit = admit
        self._at_a_time = at_a_time
        self._tickets: dict[str, Ticket] = {}
        self._queue: deque[Ticket] = deque()
        self._working = 0
        self._changed = threading.Condition()

    @property
    def tickets(self) -> Mapping[str, Ticket]:
        """What is under way, and what has come through and was not taken yet, by keys."""
        return self._tickets

    def begin(self, key: str, source: Source | Unreadable, look: int) -> None:
        """Let a plugin in; what was on its way under the same key is not."""
        self.drop([key])
        ticket = self._tickets[key] = Ticket(source, look)
        with self._changed:
            self._queue.append(ticket)
            if self._working == self._at_a_time:
                return
            self._working += 1
        threading.Thread(target=self._work, name="plugin-admission", daemon=True).start()

    def take(self, key: str) -> Outcome:
        """Return an outcome that is known, and forget the ticket."""
        outcome = self._tickets.pop(key).outcome
        if outcome is None:
            raise RuntimeError("the plugin is still on its way")
        return outcome

    def drop(self, keys: Iterable[str]) -> None:
        """Want these no more: their outcomes are discarded when they are known."""
        for key in keys:
            ticket = self._tickets.pop(key, None)
            if ticket is not None:
                with self._changed:
                    ticket.is_dropped = True
                _discard(ticket.outcome)

    def close(self) -> None:
        """Want nothing any more, and give what is under way a moment to end."""
        self.drop(list(self._tickets))
        deadline = time.monotonic() + END_SECS
        with self._changed:
            self._changed.wait_for(lambda: self._working == 0, deadline - time.monotonic())

    def _work(self) -> None:
        while (ticket := self._next()) is not None:
            outcome = self._admit(ticket.source)
            with self._changed:
                ticket.outcome = outcome
                is_dropped = ticket.is_dropped
            if is_dropped:
                _discard(outcome)
            else:
                self.wake()

    def _next(self) -> Ticket | None:
        with self._changed:
            while self._queue:
                ticket = self._queue.popleft()
                if not ticket.is_dropped:
                    return ticket
            self._working -= 1
            self._changed.notify_all()
            return None


def _sleep_on() -> None:
    """Wake nobody."""


def _discard(outcome: Outcome | None) -> None:
    if outcome is not None and isinstance(outcome.result, Generation):
        outcome.result.discard()
