"""Which segments open snapshots still need."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection, Iterator

#: A snapshot is looked up in milliseconds; one that takes longer delays only the sweep.
_POLL_SECS = 0.002


class Lease:
    """The segments of one open snapshot."""

    def __init__(self) -> None:
        self.segments: frozenset[int] = frozenset()


class Leases:
    """All open snapshots."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opening: set[Lease] = set()
        self._held: set[Lease] = set()

    def __len__(self) -> int:
        return len(self._held)

    @contextlib.contextmanager
    def opening(self) -> Iterator[Lease]:
        """Look up a snapshot's segments inside this block, and set them; the lease is then held until ``release``."""
        lease = Lease()
        with self._lock:
            self._opening.add(lease)
        try:
            yield lease
            with self._lock:
                self._held.add(lease)
        finally:
            with self._lock:
                self._opening.discard(lease)

    def release(self, lease: Lease) -> None:
        """Let go of a snapshot's segments, once or more."""
        with self._lock:
            self._held.discard(lease)

    def held(self) -> Collection[int]:
        """Return all segments that are leased, counting every snapshot whose look-up had begun before this call."""
        with self._lock:
            before = set(self._opening)
        while True:
            with self._lock:
                if not before & self._opening:
                    return frozenset().union(*(lease.segments for lease in self._held))
            time.sleep(_POLL_SECS)
