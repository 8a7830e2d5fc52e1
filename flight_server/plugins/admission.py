"""From a plugin's bytes to what becomes of them: may they run, do they load, and may they serve under their name."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from flight_server.plugins.audit import AuditLog, Event, Transition
from flight_server.plugins.failure import Failure
from flight_server.plugins.generation import Generation
from flight_server.plugins.loader import Loader
from flight_server.plugins.policy import AllowList
from flight_server.plugins.scanner import claimed_name
from flight_server.plugins.source import Source, Unreadable


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the bytes with the digest ``sha256``, and how many milliseconds that took."""

    result: Generation | Failure
    sha256: str
    took_ms: float


class Admission:
    """Lets plugins in, for any thread. ``allow`` may be replaced."""

    def __init__(
        self, loader: Loader, audit: AuditLog, allow: AllowList, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.allow = allow
        self._loader = loader
        self._audit = audit
        self._clock = clock
        self._untried: dict[Path, str] = {}  # digests of bytes that could not be tried: they come again and again
        self._log = structlog.get_logger("flight_server.plugins")

    def admit(self, source: Source | Unreadable, *, ships: bool = False) -> Outcome:
        """Load a plugin that does not serve yet. What ``ships`` is not held against the list of what is allowed.

        Whatever goes wrong on the way is an outcome, too: one plugin keeps neither another nor the server from starting.
        """
        begun = self._clock()
        try:
            result = self._admitted(source, ships=ships)
        except Exception:  # noqa: BLE001 - logged, with its traceback
            self._log.exception("a fault of the server kept a plugin out", file=source.file)
            result = Failure(sentence=f"{source.file}: a fault of the server kept it out", again=True)
        if isinstance(result, Failure) and result.again:
            self._untried[source.path] = source.sha256
        else:
            self._untried.pop(source.path, None)
        return Outcome(result, source.sha256, round((self._clock() - begun) * 1000, 1))

    def _admitted(self, source: Source | Unreadable, *, ships: bool) -> Generation | Failure:
        if isinstance(source, Unreadable):
            return Failure(sentence=source.sentence)
        is_first = self._untried.get(source.path) != source.sha256
        if is_first:
            self._note("discovered", source, ships=ships)
        if not ships and (refusal := self.allow.refusal(source)) is not None:
            return Failure(sentence=refusal)
        if is_first:
            self._note("verified", source, ships=ships)
        loaded = self._loader.load(source)
        if isinstance(loaded, Failure):
            return loaded
        name = loaded.metadata.name
        if not ships and (refusal := self.allow.refusal_of_name(source, name)) is not None:
            metadata = loaded.metadata
            loaded.discard()
            return Failure(sentence=refusal, metadata=metadata)
        self._note("tried", source, ships=ships, plugin=name, generation=loaded.number)
        return loaded

    def _note(
        self, event: Event, source: Source, *, ships: bool, plugin: str | None = None, generation: int | None = None
    ) -> None:
        if not ships:
            name = plugin or (source.file if source.is_package else claimed_name(source.file))
            step = Transition(event=event, plugin=name, file=source.file, to_generation=generation, sha256=source.sha256)
            self._audit.note(step)
