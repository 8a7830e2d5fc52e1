"""The children of one generation, as that generation's code: who wants a codec gets it from one of them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import structlog

from flight_server.caller import Caller
from flight_server.config import Runtime
from flight_server.errors import Busy, PluginCrashed, PluginFault, PluginTimeout
from flight_server.plugins.passed import Passed
from flight_server.plugins.trial import last_words
from flight_server.runtime.codec import RemoteCodec
from flight_server.runtime.errands import Errand
from flight_server.runtime.failing import raised
from flight_server.runtime.frames import Setup
from flight_server.runtime.link import LinkClosed, LinkError
from flight_server.runtime.member import Member
from flight_server.runtime.turn import Bounds, Refusal, Turn
from format_plugins.contract import DataFormat

#: Endings that are the plugin's own doing. What reaches a limit may do so because of the data.
_CRASHES = frozenset({"crashed", "ended"})


class Employer(Protocol):
    """Who has the children of all crews."""

    bounds: Bounds
    load_timeout_secs: float

    def hire(self, crew: Crew) -> Member:
        """Return a child that nobody uses. Raises ``Busy``."""
        ...

    def take_back(self, crew: Crew, member: Member) -> None:
        """Take in a child that can be used again."""
        ...

    def dismiss(self, crew: Crew, member: Member) -> None:
        """End a child."""
        ...

    def disband(self, crew: Crew) -> None:
        """End the children that have nothing to do, and have no more of them."""
        ...

    def ask(self, errand: Errand) -> None:
        """Have something done soon, by another thread."""
        ...

    def report(self, generation: int, reason: str) -> None:
        """Take note of a crash; returns at once."""
        ...


class Crew:
    """The ``Code`` of a generation that runs in child processes. ``idle`` and ``is_kept_ahead`` are the employer's."""

    runtime: Runtime = "process"

    def __init__(self, number: int, passed: Passed, setup: Setup, employer: Employer) -> None:
        self.number = number
        self.plugin = passed.metadata.name
        self.setup = setup
        self.name = f"{self.plugin}@{number}"
        self.shown_as: tuple[str, ...] = (f"{self.name}.", f"{self.name}/")
        self.options = passed.options
        self.idle: deque[Member] = deque()
        self.is_kept_ahead = True
        self.at_work = 0
        self.crashes = 0
        self.is_over = False
        self._employer = employer
        self._log = structlog.get_logger("flight_server.plugins")

    @property
    def children(self) -> int:
        """How many processes run it now."""
        return self.at_work + len(self.idle)

    def create_format(self, options: Mapping[str, object] | None, caller: Caller) -> RemoteCodec:
        """Have a child make the codec of one stream."""
        return RemoteCodec(self, json.dumps(dict(options or {})).encode(), caller)

    def turn(self, options: bytes, caller: Caller) -> Turn:
        """Have a child make a codec with ``options``, JSON.

        Raises ``Busy``, ``OptionError``, ``FormatError``, and ``PluginFault`` for what is the plugin's own fault.
        """
        turn = Turn(self._employer.hire(self), self._employer.bounds, caller)
        try:
            turn.load(self._employer.load_timeout_secs)
            turn.open(options)
        except BaseException as error:
            instead = self.settle(turn, error)
            if instead is None:
                raise
            raise instead from None
        return turn

    def let_go(self, codec: DataFormat) -> None:
        """Have the child of a codec that was not used taken back."""
        if isinstance(codec, RemoteCodec):
            codec.close()

    def supersede(self) -> None:
        """Keep no child for streams that will not come."""
        self._employer.ask(partial(self._employer.disband, self))

    def close(self) -> None:
        """End what is left; nobody holds the generation any more."""
        self.is_over = True
        self._employer.ask(partial(self._employer.disband, self))

    def settle(self, turn: Turn, error: BaseException | None) -> Exception | None:
        """Take the child of a turn back, or end it; return what to raise instead of ``error``, None for the same."""
        if turn.is_over:
            self._employer.take_back(self, turn.member)
            return raised(error.failed, self.plugin) if isinstance(error, Refusal) else None
        instead = self._judged(turn, error)
        self._employer.dismiss(self, turn.member)
        if isinstance(instead or error, PluginFault):
            self._tell(turn, instead or error)
        return instead

    def leave(self, turn: Turn) -> None:
        """Have the child of a turn taken back, or ended; called anywhere."""
        self._employer.ask(partial(self._left, turn))

    def _left(self, turn: Turn) -> None:
        if turn.is_fresh:
            self._employer.take_back(self, turn.member)
        else:
            self._employer.dismiss(self, turn.member)

    def _judged(self, turn: Turn, error: BaseException | None) -> Exception | None:
        if isinstance(error, Refusal):
            return raised(error.failed, self.plugin)
        if isinstance(error, PluginTimeout):
            error.detail = {"format": self.plugin, "generation": self.number}
        if isinstance(error, LinkError):
            turn.member.child.kill()
            return self._crashed(turn, f"sent the server {error}")
        if not isinstance(error, LinkClosed):
            return None
        ending = turn.member.ending()
        if ending.kind == "lost":
            return Busy(f"the process of the plugin {self.plugin!r} {ending.sentence}; try again")
        return self._crashed(turn, ending.sentence, counts=ending.kind in _CRASHES)

    def _crashed(self, turn: Turn, sentence: str, *, counts: bool = True) -> PluginCrashed:
        self.crashes += 1
        reason = f"{self.plugin!r} {sentence} {turn.doing} (generation {self.number})"
        if counts:
            self._employer.report(self.number, reason)
        return PluginCrashed(reason, format=self.plugin, generation=self.number)

    def _tell(self, turn: Turn, error: Any) -> None:  # noqa: ANN401 - a plugin's fault
        trace = turn.trace
        if not trace and isinstance(error, PluginCrashed | PluginTimeout):
            trace = last_words(turn.member.ending().output)
        fields = {"plugin": self.plugin, "generation": self.number, "call": turn.caller.call, "call_id": turn.caller.id}
        shown = {**fields, "exception": trace} if trace else fields
        self._log.error("a plugin failed in its process", reason=str(error), **shown)
