"""When a plugin has crashed too often: a rule about times, and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable


class Quarantine:
    """Says when something has crashed ``crashes`` times within ``secs`` seconds; never, when ``crashes`` is 0."""

    def __init__(self, crashes: int, secs: float) -> None:
        self._crashes = crashes
        self._secs = secs
        self._seen: dict[Hashable, deque[float]] = {}

    @property
    def rule(self) -> str:
        """The rule in words."""
        return f"{self._crashes} times within {self._secs:g} seconds"

    def note(self, what: Hashable, now: float) -> bool:
        """Take note of a crash at ``now``, and say whether it was one too many; then ``what`` begins anew."""
        if self._crashes <= 0:
            return False
        self._seen = {each: times for each, times in self._seen.items() if now - times[-1] < self._secs}
        times = self._seen.setdefault(what, deque(maxlen=self._crashes))
        times.append(now)
        if len(times) < self._crashes or now - times[0] >= self._secs:
            return False
        del self._seen[what]
        return True
