"""Named places where a test makes the server die, fail or wait: every durable step has one.

``FLIGHT_FAILPOINTS="store.segment.fsynced=kill,store.commit.begun=raise:ENOSPC@3,store.put.staged=sleep:0.2"`` kills the
process there, raises the named ``OSError`` at the third time, waits for 0.2 seconds. Without the variable a failpoint
costs one look into an empty mapping.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from format_plugins.spelling import did_you_mean

VARIABLE = "FLIGHT_FAILPOINTS"

#: Every failpoint, in the order in which a put, the upkeep and a start pass them.
NAMES = (
    "store.put.staged",  # a file has been made in staging/
    "store.put.written",  # record batches have been written to it
    "store.segment.written",  # the stream is complete, not yet on the disk
    "store.segment.fsync",  # standing in for the fsync of a segment's file: raise here is its failure
    "store.segment.fsynced",
    "store.commit.taken",  # the committer has taken a group of changes
    "store.segment.rename",
    "store.segment.renamed",
    "store.folder.fsync",
    "store.folder.fsynced",
    "store.commit.begun",  # the catalogue's transaction is open
    "store.commit.inserted",  # one change is in it
    "store.commit.commit",  # all are, and it is about to be made durable
    "store.commit.committed",  # durable, not yet acknowledged
    "store.drop.started",
    "store.compact.started",
    "store.compact.written",
    "store.compact.committed",
    "store.sweep.expired",
    "store.sweep.forgotten",  # rows of the catalogue are gone, the files are still there
    "store.sweep.unlinked",
    "store.open.locked",
    "store.open.swept",
)


class FailpointRaised(Exception):
    """What ``raise`` without an error's name raises: a fault that nobody expects."""


@dataclass(slots=True)
class _Action:
    kind: Literal["kill", "raise", "sleep"]
    argument: str
    at: int | None  # the how-manieth hit acts; every one when None
    hits: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, name: str) -> None:
        with self.lock:
            self.hits += 1
            if self.at is not None and self.hits != self.at:
                return
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.kind == "sleep":
            time.sleep(float(self.argument))
        elif self.argument:
            raise OSError(getattr(errno, self.argument), f"failpoint {name}")
        else:
            raise FailpointRaised(name)


class Failpoints:
    """The failpoints that are switched on; none, unless a test says so."""

    def __init__(self, spec: str = "") -> None:
        """Read ``name=kill|raise[:ERRNO]|sleep:secs[@nth]``, separated by commas; raises ``ValueError`` for anything else."""
        self._actions: dict[str, _Action] = dict(_parsed(item) for item in spec.split(",") if item.strip())

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Failpoints:
        """Return the failpoints that the variable ``FLIGHT_FAILPOINTS`` switches on."""
        return cls(environ.get(VARIABLE, ""))

    def hit(self, name: str) -> None:
        """Pass the failpoint ``name``: do nothing, unless it is switched on."""
        action = self._actions.get(name)
        if action is not None:
            action.run(name)


def _parsed(item: str) -> tuple[str, _Action]:
    name, equals, text = item.strip().partition("=")
    text, _, nth = text.partition("@")
    kind, _, argument = text.partition(":")
    if name not in NAMES:
        raise ValueError(f"{VARIABLE}: there is no failpoint {name!r}{did_you_mean(name, NAMES)}")
    if not equals or kind not in ("kill", "raise", "sleep") or (nth and not nth.isdecimal()):
        raise ValueError(
            f"{VARIABLE}: {item.strip()!r} is not name=kill, raise, raise:ERRNO or sleep:secs, with @n for the n-th time"
        )
    if kind == "raise" and argument and not isinstance(getattr(errno, argument, None), int):
        raise ValueError(f"{VARIABLE}: {argument!r} is not the name of an error number")
    if kind == "sleep":
        float(argument)
    return name, _Action(cast(Literal["kill", "raise", "sleep"], kind), argument, int(nth) if nth else None)
