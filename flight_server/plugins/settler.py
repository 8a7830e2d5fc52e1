"""Which files have been still for long enough to be read: one that is being copied, or gone for a blink, is left alone."""

from __future__ import annotations

from collections.abc import Mapping

from flight_server.plugins.scanner import Signature


class Settler:
    """Remembers since when each file looks as it looks. Not safe for threads; times are seconds of one clock."""

    def __init__(self, settle_secs: float) -> None:
        self._settle_secs = settle_secs
        self._seen: dict[str, tuple[Signature, float]] = {}  # an empty signature: it is gone

    def observe(self, found: Mapping[str, Signature], now: float) -> frozenset[str]:
        """Take in a scan, and return the files that came, changed or went less than the settle time ago."""
        for file in self._seen.keys() | found.keys():
            signature = found.get(file, ())
            if file not in self._seen or self._seen[file][0] != signature:
                self._seen[file] = (signature, now)
        moving = {file for file, (_, since) in self._seen.items() if now - since < self._settle_secs}
        for file in [file for file, (signature, _) in self._seen.items() if not signature and file not in moving]:
            del self._seen[file]
        return frozenset(moving)

    def disturb(self, file: str, now: float) -> None:
        """Take note that ``file`` changed under its reader."""
        if file in self._seen:
            self._seen[file] = (self._seen[file][0], now)

    def due(self, now: float) -> float | None:
        """Return in how many seconds from ``now``, the time of the last scan, the next moving file may be still.

        None when none moves.
        """
        left = [since + self._settle_secs - now for _, since in self._seen.values()]
        return min((secs for secs in left if secs > 0), default=None)
