"""What became of one plugin file: what serves from it, what was tried last, and what could be put back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal, TypeAlias, get_args

from flight_server.plugins.admission import Outcome
from flight_server.plugins.failure import Failure
from flight_server.plugins.generation import Generation
from flight_server.plugins.scanner import claimed_name
from flight_server.plugins.source import Source

#: It ships; pip installed it; or it lies in the plugin folder, or wherever an operator loaded it from.
Origin: TypeAlias = Literal["builtin", "installed", "folder"]
Held: TypeAlias = Literal["rolled back", "quarantined"] | None

_SHA256_CHARS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One file's record; replaced, never changed.

    ``tried`` is the digest last tried, ``active`` the last good generation, ``previous`` the bytes of the one before it,
    and ``failure`` says why the bytes last tried do not serve. ``held`` says why other bytes than the file's serve although
    the file's loaded, until the file changes. ``followed`` files come and go with the plugin folder.
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
    load_ms: float | None = None
    held: Held = None

    @property
    def rank(self) -> int:
        """Where it stands by its origin: what ships comes first, then what is installed, then files."""
        return get_args(Origin).index(self.origin)

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
        return claimed_name(PurePath(self.file).name) if self.active is None else self.active.metadata.name

    @property
    def tried_sha256(self) -> str | None:
        """The hash of the bytes last tried, None when they could not be read."""
        return self.tried if len(self.tried) == _SHA256_CHARS else None

    def tried_with(self, outcome: Outcome) -> Deployment:
        """Return the record after a load: a failure leaves what serves as it is."""
        tried = replace(self, tried=outcome.sha256, load_ms=outcome.took_ms, held=None)
        if isinstance(outcome.result, Failure):
            # That the same bytes cannot be tried yet is one failure, however often that is found out.
            waits = outcome.result.again and self.failure is not None and self.failure.again and self.tried == outcome.sha256
            return replace(tried, failure=outcome.result, failures=self.failures + (not waits))
        return replace(tried.put(outcome.result), failure=None)

    def put(self, generation: Generation) -> Deployment:
        """Return the record with ``generation`` serving; the bytes that it replaces can be put back."""
        previous = self.previous
        if self.active is not None and self.active.source.sha256 != generation.source.sha256:
            previous = self.active.source
        return replace(self, active=generation, previous=previous, loads=self.loads + 1)

    def revoked(self, why: str) -> Deployment:
        """Return the record of bytes that serve and may not any more."""
        metadata = self.active.metadata if self.active else None
        failure = Failure(sentence=why, metadata=metadata)
        return replace(self, active=None, failure=failure, failures=self.failures + 1, held=None)
