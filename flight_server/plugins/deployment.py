"""What became of one plugin file: what serves from it, what was tried last, and what could be put back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal, TypeAlias

from flight_server.plugins.failure import Failure
from flight_server.plugins.generation import Generation
from flight_server.plugins.source import Source

Origin: TypeAlias = Literal["builtin", "folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One file's record; replaced, never changed.

    ``tried`` is the digest last tried, ``active`` the last good generation, ``previous`` the bytes of the one before it,
    and ``failure`` says why the bytes last tried do not serve. ``followed`` files come and go with the plugin folder.
    """

    file: str
    origin: Origin
    followed: bool = False
    tried: str = ""
    active: Generation | None = None
    previous: Source | None = None
    failure: Failure | None = None
    loads: int = 0
    failures: int = 0

    @property
    def name(self) -> str:
        """The plugin's name, or as long as it could not say, the file's."""
        if self.active is not None:
            return self.active.metadata.name
        return self.claimed

    @property
    def claimed(self) -> str:
        """The name that the bytes last tried ask for, as far as they could say."""
        if self.failure is not None and self.failure.metadata is not None:
            return self.failure.metadata.name
        return PurePath(self.file).stem if self.active is None else self.active.metadata.name

    def tried_with(self, outcome: Generation | Failure, digest: str) -> Deployment:
        """Return the record after a load of ``digest``: a failure leaves what serves as it is."""
        if isinstance(outcome, Failure):
            return replace(self, tried=digest, failure=outcome, failures=self.failures + 1)
        return replace(self.put(outcome), tried=digest, failure=None)

    def put(self, generation: Generation) -> Deployment:
        """Return the record with ``generation`` serving; the bytes that it replaces can be put back."""
        previous = self.previous
        if self.active is not None and self.active.source.sha256 != generation.source.sha256:
            previous = self.active.source
        return replace(self, active=generation, previous=previous, loads=self.loads + 1)
