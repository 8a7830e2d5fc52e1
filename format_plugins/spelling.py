"""What somebody may have meant by a name that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Longer names are not compared: the time that it takes grows with the square of their length, and they may be hostile.
_MOST_CHARS = 128


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of ``names`` that looks most like ``name``, or None when none looks like it."""
    if len(name) > _MOST_CHARS:
        return None
    found = difflib.get_close_matches(name.lower(), [each for each in names if len(each) <= _MOST_CHARS], n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown ``name``: ``"; did you mean 'csv'?"``, or nothing."""
    near = nearest(name, names)
    return f"; did you mean {near!r}?" if near else ""
