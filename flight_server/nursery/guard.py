"""What no limit of the kernel bounds for one process, looked at while it runs: how many threads it has."""

from __future__ import annotations

from pathlib import Path

#: Many times what engines start on a large machine. The kernel has a number for each thread, of 32,768 at times, from which
#: the server's own are taken too; its limit of them (``RLIMIT_NPROC``) is for all that a user runs, and none for root.
MOST_THREADS = 1024
_THREADS_AT = 17  # in /proc/PID/stat, behind the name


def excess(pid: int) -> str | None:
    """Say what a process has too much of, None if nothing, or if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return f"it had more than {MOST_THREADS:,} threads" if int(fields[_THREADS_AT]) > MOST_THREADS else None
