"""When plugins are tried again that could not be tried: soon, and then less and less often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

FIRST_SECS, LAST_SECS = 1.0, 30.0
#: What takes long to find out, and prints each time where it hangs, is found out less often: in a thirtieth of the time.
_LONGEST_SHARE = 1 / 30

#: A file, and the digest of its bytes: other bytes are another thing, which begins anew.
Tried: TypeAlias = tuple[str, str]


class Retries:
    """Remembers since when it is asked about something. Not safe for threads; times are seconds of one clock."""

    def __init__(self) -> None:
        self._next: dict[Tried, tuple[float, float]] = {}  # when, and how long after the time before

    def due(self, wanted: Mapping[Tried, float], now: float) -> set[Tried]:
        """Return those that are to be tried now, and forget what is not ``wanted`` any more.

        ``wanted`` says how many seconds the last try of each took.
        """
        self._next = {each: self._next.get(each, (now + FIRST_SECS, FIRST_SECS)) for each in wanted}
        due = {each for each, (at, _) in self._next.items() if at <= now}
        for each in due:
            pause = min(self._next[each][1] * 2, max(LAST_SECS, wanted[each] / _LONGEST_SHARE))
            self._next[each] = (now + pause, pause)
        return due

    def due_secs(self, now: float) -> float | None:
        """Return in how many seconds the next one is due; None when none is."""
        return min((max(at - now, 0) for at, _ in self._next.values()), default=None)
