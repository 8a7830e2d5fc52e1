"""How the process keeps its memory small over a long life: what was used for one stream is used for the next."""

from __future__ import annotations

import ctypes

import pyarrow as pa

#: glibc's names in ``mallopt``, and their values: at most so many heaps; what is smaller comes from them, and not from the
#: kernel for itself; so much that lies idle at their ends is kept; by so much they grow.
_HEAPS = {-8: 2, -3: 32 << 20, -1: 32 << 20, -2: 4 << 20}


def keep_small() -> None:
    """Set up the allocators; before threads are started.

    gRPC runs each call in a thread of its own, and glibc gives each thread a heap: what a stream of large messages leaves
    in them is not given back for a long time. Arrow's own memory is kept by jemalloc, which gives back what lies idle.
    Measured with a mixture of all formats, again and again: a third less in the long run, and no slower.

    What a message of 2 MiB arrives in is freed and wanted again a moment later. Left to itself, glibc gives it back to the
    kernel in between, which makes it anew, page by page: a quarter of the processor's time of a native put.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
        for name, value in _HEAPS.items():
            mallopt(name, value)
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    except (AttributeError, NotImplementedError):  # another C library, or a pyarrow without jemalloc: the defaults do
        return
