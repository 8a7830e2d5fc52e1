"""Digests held against the stored bytes, once for each segment's file after a start."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable

import xxhash

#: Large, because each piece costs two hand-overs of the interpreter lock.
_READ_BYTES = 8 << 20


class Verifier:
    """Remembers which files were read whole and found as they were written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._good: set[int] = set()
        self._running: dict[int, threading.Lock] = {}

    def check_file(self, segment_id: int, descriptor: int, size: int, digest: bytes) -> None:
        """Raise ``ValueError`` unless the file has exactly ``size`` bytes of that xxh3_128.

        The size is looked at each time, the bytes the first time; others who open the same segment wait for that.
        """
        found = os.fstat(descriptor).st_size
        if found != size:
            raise ValueError(f"segment {segment_id} has {found:,} bytes instead of {size:,}")
        with self._lock:
            if segment_id in self._good:
                return
            running = self._running.setdefault(segment_id, threading.Lock())
        with running:
            if segment_id not in self._good:
                _check(segment_id, _digest_of(descriptor, size), digest)
            with self._lock:
                self._good.add(segment_id)
                self._running.pop(segment_id, None)

    def check_bytes(self, segment_id: int, data: bytes, digest: bytes) -> None:
        """Raise ``ValueError`` unless the bytes have that xxh3_128; few enough to look at each time."""
        _check(segment_id, xxhash.xxh3_128_digest(data), digest)

    def forget(self, segment_ids: Iterable[int]) -> None:
        """Let go of segments that are gone."""
        with self._lock:
            self._good.difference_update(segment_ids)


def _check(segment_id: int, found: bytes, digest: bytes) -> None:
    if found != digest:
        raise ValueError(f"segment {segment_id} has the digest {found.hex()} instead of {digest.hex()}")


def _digest_of(descriptor: int, size: int) -> bytes:
    """Read with pread, not through a map: a page that the disk cannot read is an error then, not a signal."""
    digest = xxhash.xxh3_128()
    buffer = memoryview(bytearray(_READ_BYTES))
    position = 0
    while position < size:
        count = os.preadv(descriptor, [buffer], position)
        if count == 0:
            raise ValueError(f"the file ends at {position:,} of {size:,} bytes")
        digest.update(buffer[:count])
        position += count
    return digest.digest()
