"""What must be done so that what is loaded follows from what lies in the folder: a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Scanned:
    """The folder: digests of the files at rest; files that came, changed or went a moment ago; files that are being written."""

    still: Mapping[str, str]
    moving: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Load:
    """Load the bytes of ``file``."""

    file: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Undeploy what ``file`` brought: it is gone."""

    file: str


Action: TypeAlias = Load | Remove


def plan(scanned: Scanned, tried: Mapping[str, str]) -> tuple[Action, ...]:
    """Return what to do, given the digest that was last tried of each file, whether it loaded or not.

    The same bytes are never tried twice: bytes that failed once are left alone until they change. While a file that is
    new is still moving nothing is removed: it may be the other half of a rename, and its plugin must not be gone between.
    One that somebody has open for writing is no such half, and waits alone: it may be open for hours.
    """
    loads = tuple(Load(file) for file, digest in sorted(scanned.still.items()) if tried.get(file) != digest)
    if scanned.moving - tried.keys():
        return loads
    present = scanned.still.keys() | scanned.moving | scanned.written
    return loads + tuple(Remove(file) for file in sorted(tried.keys() - present))
