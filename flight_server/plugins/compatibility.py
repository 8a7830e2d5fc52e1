"""Whether a plugin was written for this server's contract: its ``api`` range against the contract's version."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["strict", "semver", "off"]
Version: TypeAlias = tuple[int, int]

_CLAUSE = re.compile(r"(>=|<=|==|!=|>|<)\s*(\d+)(?:\.(\d+))?(?:\.\d+)?", re.ASCII)
_COMPARE: Mapping[str, Callable[[Version, Version], bool]] = MappingProxyType(
    {">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt}
)


def is_compatible(api: str, version: Version, mode: Mode) -> bool:
    """Hold the range ``api`` (``>=1,<2``) against the contract's ``version``.

    ``strict`` takes it to the letter. ``semver`` also takes a plugin that was written for an earlier minor version of the
    same major one, which later ones only add to: ``==1.0`` runs on 1.3. ``off`` takes all.
    Raises ``ValueError`` when ``api`` is no range.
    """
    clauses = _parsed(api)
    if mode == "off":
        return True
    major, minor = version
    tried = [version] if mode == "strict" else [(major, earlier) for earlier in range(minor + 1)]
    return any(all(_COMPARE[sign](each, bound) for sign, bound in clauses) for each in tried)


def _parsed(api: str) -> list[tuple[str, Version]]:
    clauses = []
    for text in api.split(","):
        match = _CLAUSE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{api!r:.80} is no range of versions, such as '>=1,<2'")
        sign, major, minor = match.groups()
        clauses.append((sign, (int(major), int(minor or 0))))
    return clauses
