"""The environment of child processes: what they need of the server's, and none of its secrets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

#: Where programs, libraries, languages and time zones are.
_KEPT = frozenset({"PATH", "LD_LIBRARY_PATH", "LANG", "LANGUAGE", "TZ", "TZDIR", "OMP_NUM_THREADS"})
_KEPT_OF_PYTHON = frozenset(
    {
        "PYTHONHOME",
        "PYTHONUTF8",
        "PYTHONIOENCODING",
        "PYTHONHASHSEED",
        "PYTHONNOUSERSITE",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPYCACHEPREFIX",
        "PYTHONWARNINGS",
        "PYTHONDEVMODE",
    }
)
#: The second is how the coverage of tests is measured in processes that they start.
_KEPT_BEGINNINGS = ("LC_", "COVERAGE_")

#: Memory is libc's, Arrow's too: what a process asked for is near to what it holds, where others' reserves would count
#: against its limit, and what one record batch needed serves the next. Fetching it anew from the system for each would
#: cost more than many a plugin does. What lies idle is given back when a child has nothing to do.
_ALLOCATORS = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "MALLOC_TOP_PAD_": str(4 << 20),
}


def environment(own: Mapping[str, str], path: Iterable[str]) -> dict[str, str]:
    """Return the environment of the prepared parent, and so of its children.

    ``own`` is the server's, ``path`` its ``sys.path``: what the server finds, a child finds in the same place, and nothing
    beside it.
    """
    kept = {name: value for name, value in own.items() if name in _KEPT | _KEPT_OF_PYTHON or name.startswith(_KEPT_BEGINNINGS)}
    found = os.pathsep.join(os.path.abspath(each) for each in path)  # noqa: PTH100 - an empty one is the present folder
    return {**kept, **_ALLOCATORS, "PYTHONPATH": found}
