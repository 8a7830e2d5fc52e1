"""Finding the end of a JSON value in text that may end too early, in linear time, without reading the value."""

from __future__ import annotations

import re
from typing import NamedTuple

from format_plugins.json_text.faults import RecordError

#: The parser of records ends at about a thousand levels; nothing that it could read is refused here.
_MOST_DEPTH = 1_000
_BLANKS = re.compile(rb"[ \t\r\n]*+")
# Up to the next bracket outside of strings. Possessive: it never steps back, so hostile text costs what other text does.
_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+[{}\[\]]', re.DOTALL)


class Found(NamedTuple):
    """How far a scan came: behind the value when ``depth`` is 0, else where it can go on once there is more text."""

    position: int
    depth: int


def skip_blanks(data: bytes, position: int) -> int:
    """Return the position of the first byte at or after ``position`` that is no white space."""
    found = _BLANKS.match(data, position)
    return found.end() if found else position


def element_end(data: bytes, position: int, depth: int = 0) -> Found:
    """Find the end of the object or array that begins at ``position``, or go on ``depth`` levels inside of it.

    Brackets are counted, not matched: a parser judges the value. Raises ``RecordError`` when it is nested absurdly.
    """
    while True:
        bracket = _BRACKET.match(data, position)
        if bracket is None:
            return Found(position, depth)
        position = bracket.end()
        depth += 1 if data[position - 1] in b"{[" else -1
        if depth == 0:
            return Found(position, 0)
        if depth > _MOST_DEPTH:
            raise RecordError(f"a value is nested deeper than {_MOST_DEPTH:,} levels", option="max_depth")
