"""Having the kernel write to the disk while there is more to come, so that the fsync at the end has little to wait for."""

from __future__ import annotations

import ctypes
from typing import Any

#: How much is written between two words to the kernel: it goes to the disk in one piece, and holds up nobody for long.
STRIDE_BYTES = 4 << 20
#: Linux' name for "begin, and do not wait".
_SYNC_FILE_RANGE_WRITE = 2


def begin(descriptor: int, start: int, size: int) -> None:
    """Have ``size`` bytes of a file, from ``start`` on, go to the disk; nothing is durable before an fsync.

    That one also tells of what could not be written: this tells nothing, and does nothing where there is no such call.
    """
    if _sync_file_range is not None:
        _sync_file_range(descriptor, start, size, _SYNC_FILE_RANGE_WRITE)


def _found() -> Any:  # noqa: ANN401 - a function of C
    try:
        function = ctypes.CDLL(None).sync_file_range
    except (AttributeError, OSError, TypeError):  # macOS and others
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return function


_sync_file_range = _found()
