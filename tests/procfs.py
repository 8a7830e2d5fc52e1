"""What ``/proc`` says about processes, any of which may end while it is asked."""

import contextlib
import os
import threading
from pathlib import Path


def _fields(pid):
    """The fields of ``stat`` behind the name, which may have blanks and parentheses itself."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def is_alive(pid):
    """Whether a process runs: neither gone nor a zombie."""
    try:
        return _fields(pid)[0] not in {"Z", "X"}
    except OSError:
        return False


def used_secs(pid):
    """The processor time of a process, of its own and for the system; none of one that is gone."""
    with contextlib.suppress(OSError):
        fields = _fields(pid)
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def descriptors(pid):
    """How many descriptors a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def in_use():
    """The threads and descriptors of this process.

    Those of before need not be there later: what other tests left goes when it is collected. ``in_use() <= before`` says
    that nothing was left behind.
    """
    links = set()
    for place in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of this look
            links.add((place.name, str(place.readlink())))
    return links | {thread.native_id for thread in threading.enumerate()}


def children_of(pid):
    """The processes that ``pid`` started, and those that they did.

    The kernel's own lists of children leave some out while others end, so all processes are asked for their parent.
    """
    parents = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):  # it has just ended
                parents[int(place.name)] = int(_fields(place.name)[1])
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents.items() if its_parent == parent]
    return found[1:]


def plugin_processes(pid):
    """Those of them that run plugins, and do run."""
    return [child for child in children_of(pid) if _name(child) == "flight-plugin" and is_alive(child)]


def _name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
