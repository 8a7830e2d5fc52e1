"""What somebody may have meant by a name that is unknown."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable

#: Longer names are not compared: the time that it takes grows with the square of their length, and they may be hostile.
_MOST_CHARS = 128
#: So many names are looked at: a stream may have thousands of columns.
_MOST_NAMES = 1000


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of ``names`` that looks most like ``name``, or None when none looks like it."""
    if len(name) > _MOST_CHARS:
        return None
    near_in_length = (each for each in names if len(each) <= _MOST_CHARS)
    found = difflib.get_close_matches(name.lower(), itertools.islice(near_in_length, _MOST_NAMES), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown ``name``: ``"; did you mean 'csv'?"``, or nothing."""
    near = nearest(name, names)
    return f"; did you mean {near!r}?" if near else ""
