"""Whether somebody has a file open for writing, asked of the kernel."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from pathlib import Path


def is_being_written(path: Path) -> bool:
    """Say whether any process has ``path`` open for writing or mapped writable.

    A read lease is refused while there is a writer. Where leases cannot be had (another account's file, file systems
    without them, systems other than Linux) the answer is False: nothing is known, and only time tells.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # Whoever opens the file in the microseconds of the lease makes the kernel signal it, and the usual signal for that
        # ends a process that does not expect it. This one is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False
