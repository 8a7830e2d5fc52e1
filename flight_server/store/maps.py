"""Segments' files mapped for reading, and their pages let go of while they are read.

Mapped pages count as the server's memory until somebody unmaps them, and a C++ reader tells nobody how far it is. So a
thread looks now and then: when the maps are large together, it gives all their pages back to the kernel. The pages stay
in the kernel's cache; one that is still needed is simply mapped again.
"""

from __future__ import annotations

import mmap
import threading
import weakref

import pyarrow as pa

#: Maps that are smaller than this together keep their pages.
KEEP_BYTES = 32 << 20
#: How often pages are let go of. At 5 GB/s a reader maps 50 MB in between.
INTERVAL_SECS = 0.01


class Maps:
    """The maps that readers use; readers of one segment share one. A map goes with the last batch that points into it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._maps: weakref.WeakValueDictionary[int, mmap.mmap] = weakref.WeakValueDictionary()
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-trimmer", daemon=True)
        self._thread.start()

    def buffer(self, segment_id: int, descriptor: int, size: int) -> pa.Buffer:
        """Return a segment's bytes; the descriptor may be closed then."""
        with self._lock:
            found = self._maps.get(segment_id)
            if found is None:
                found = self._maps[segment_id] = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
        self._wanted.set()
        return pa.py_buffer(found)

    def mapped_bytes(self) -> int:
        """Return the bytes that are mapped, whether they are in memory or not."""
        return sum(len(each) for each in self._alive())

    def close(self) -> None:
        """Stop letting go of pages; the maps live as long as their readers."""
        self._stop.set()
        self._wanted.set()
        self._thread.join()

    def _alive(self) -> list[mmap.mmap]:
        with self._lock:
            return list(self._maps.values())

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wanted.wait()
            self._wanted.clear()
            while not self._stop.wait(INTERVAL_SECS) and self._trim():
                pass

    def _trim(self) -> bool:
        """Let go of all pages if they may be many; return whether to look again soon."""
        alive = self._alive()
        if sum(len(each) for each in alive) <= KEEP_BYTES:
            return False
        for each in alive:
            each.madvise(mmap.MADV_DONTNEED)
        return True
