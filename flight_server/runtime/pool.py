"""All children that run plugins: how many there may be, which of them wait for work, and when they end."""

from __future__ import annotations

import copy
import gc
import threading
import time
from collections.abc import Callable
from functools import partial

import structlog

from flight_server.config import PluginsConfig
from flight_server.errors import Busy
from flight_server.nursery.nursery import Nursery
from flight_server.plugins.generation import Generation
from flight_server.plugins.loader import Rules
from flight_server.plugins.passed import Passed
from flight_server.plugins.source import Source
from flight_server.plugins.trial import question_of
from flight_server.runtime.crew import Crew
from flight_server.runtime.errands import Errand, Errands
from flight_server.runtime.frames import Setup
from flight_server.runtime.member import Member
from flight_server.runtime.turn import Bounds

#: How long a stream waits for a child when all are at work.
WAIT_SECS = 5.0
#: How often it is looked for children that are not needed.
_TICK_SECS = 0.5
#: A child that has had nothing to do for so long gives its memory back.
_REST_SECS = 1.0
#: A child is not used again after so many streams, when it has grown by so much, or has used this part of its time.
_STREAMS = 1000
_GROWN_BYTES = 128 << 20
_PART_OF_TIME = 0.1


class Pool:
    """Lends children to crews, from any thread. One of each crew's waits for work, forked ahead."""

    def __init__(
        self, nursery: Nursery, config: PluginsConfig, *, batch_bytes: int, on_crash: Callable[[int, str], object]
    ) -> None:
        self.bounds = Bounds(config.limits.batch_timeout_secs, batch_bytes)
        self.load_timeout_secs = config.load_timeout_secs
        self._nursery = nursery
        self._config = config
        self._on_crash = on_crash
        self._changed = threading.Condition()
        self._crews: set[Crew] = set()
        self._count = 0
        self._is_stopped = True
        self._errands = self._reports = Errands("nobody's")
        self._log = structlog.get_logger("flight_server.runtime")

    @property
    def children(self) -> int:
        """How many children there are."""
        return self._count

    def start(self) -> None:
        """Begin; before it, and after ``stop``, there are no children to be had."""
        self._errands = Errands("plugin-children", tick=self._tick, tick_secs=_TICK_SECS)
        # A crash may lead to a load, which takes its time.
        self._reports = Errands("plugin-crashes")
        self._is_stopped = False
        self._errands.start()
        self._reports.start()

    def stop(self) -> None:
        """End all children."""
        # Streams that were left in a cycle of garbage let go of their children when that is collected, or never.
        gc.collect()
        with self._changed:
            self._is_stopped = True
            crews = list(self._crews)
            self._changed.notify_all()
        for crew in crews:
            self.ask(partial(self.disband, crew))
        self._errands.stop()
        self._reports.stop()

    def generation(self, source: Source, number: int, rules: Rules, passed: Passed) -> Generation:
        """Make the generation of a plugin that passed its trial; its first child is on its way."""
        options = copy.deepcopy(rules.options_of(passed.metadata.name))
        crew = Crew(number, passed, Setup(question_of(source, number, rules), options, self.bounds.batch_bytes), self)
        with self._changed:
            self._crews.add(crew)
        self.ask(partial(self._keep_one, crew))
        return Generation(number=number, metadata=passed.metadata, source=source, code=crew)

    def hire(self, crew: Crew) -> Member:
        """Return a child of ``crew``; raises ``Busy`` when none gets free within some seconds."""
        deadline = time.monotonic() + WAIT_SECS
        with self._changed:
            while (member := self._idle(crew)) is None and not self._reserved(crew):
                left = deadline - time.monotonic()
                if self._is_stopped:
                    raise Busy("the processes for plugins have ended: the server stops")
                if left <= 0:
                    raise Busy(f"all {self._config.max_children} processes for plugins (plugins.max_children) are at work")
                self._changed.wait(left)
            crew.at_work += 1
        if member is None:
            try:
                member = self._forked(crew)
            except BaseException:
                with self._changed:
                    crew.at_work -= 1
                    self._free()
                raise
        self.ask(partial(self._keep_one, crew))
        return member

    def take_back(self, crew: Crew, member: Member) -> None:
        """Take in a child that can be used again, or end it if it was used enough."""
        member.streams += 1
        cpu_secs = self._config.limits.cpu_secs * _PART_OF_TIME
        is_worn = member.is_worn(streams=_STREAMS, grown_bytes=_GROWN_BYTES, cpu_secs=cpu_secs)
        with self._changed:
            if not (is_worn or crew.is_over or self._is_stopped):
                crew.at_work -= 1
                member.begin_idling()
                crew.is_kept_ahead = True
                crew.idle.append(member)
                self._changed.notify()
                return
        self.dismiss(crew, member)

    def dismiss(self, crew: Crew, member: Member) -> None:
        """End a child that is at work."""
        with self._changed:
            crew.at_work -= 1
            self._end(member)

    def disband(self, crew: Crew) -> None:
        """End the children of ``crew`` that wait for work, and have no more of them forked ahead."""
        with self._changed:
            self._crews.discard(crew)
            while crew.idle:
                self._end(crew.idle.pop())

    def ask(self, errand: Errand) -> None:
        """Have something done soon, by a thread of the pool's."""
        self._errands.ask(errand)

    def report(self, generation: int, reason: str) -> None:
        """Have a crash noted; returns at once."""
        self._reports.ask(partial(self._on_crash, generation, reason))

    def _idle(self, crew: Crew) -> Member | None:
        while crew.idle:
            member = crew.idle.pop()
            if member.is_well:
                member.is_resting = False
                return member
            self._log.warning("a child process ended while it had nothing to do", plugin=crew.plugin, generation=crew.number)
            self._end(member)
        return None

    def _reserved(self, crew: Crew) -> bool:
        """Take the place of one more child, or of one that waits for the work of others."""
        if self._is_stopped:
            return False
        if self._count >= self._config.max_children:
            others = [each for each in self._crews if each.idle and each is not crew]
            if not others:
                return False
            longest = max(others, key=lambda each: (len(each.idle), -each.idle[0].idle_since))
            self._end(longest.idle.popleft())
        self._count += 1
        return True

    def _keep_one(self, crew: Crew) -> None:
        """Fork a child ahead, if none waits for work."""
        with self._changed:
            is_wanted = crew in self._crews and crew.is_kept_ahead and not crew.idle and not self._is_stopped
            if not is_wanted or self._count >= self._config.max_children:
                return
            self._count += 1
        try:
            member = self._forked(crew)
        except BaseException as error:
            with self._changed:
                self._free()
            if isinstance(error, Busy):  # the next stream will be told
                return
            raise
        with self._changed:
            if crew in self._crews and not self._is_stopped:
                crew.idle.appendleft(member)
                self._changed.notify()
            else:
                self._end(member)

    def _forked(self, crew: Crew) -> Member:
        child = self._nursery.child("serve", plugin=crew.plugin, limits=self._config.limits)
        try:
            member = Member(child)
        except BaseException:
            child.close()
            raise
        member.set_up(crew.setup)
        return member

    def _end(self, member: Member) -> None:
        member.close()
        self._free()

    def _free(self) -> None:
        self._count -= 1
        self._changed.notify()

    def _tick(self) -> None:
        with self._changed:
            for crew in self._crews:
                for member in list(crew.idle):
                    if self._is_over(crew, member):
                        crew.idle.remove(member)
                        self._end(member)
                if not crew.idle:
                    self.ask(partial(self._keep_one, crew))

    def _is_over(self, crew: Crew, member: Member) -> bool:
        """Say whether a child that has nothing to do is to be ended; one that has not, for long, lets go of its memory."""
        is_well = member.is_well
        if not is_well or member.is_late(self.load_timeout_secs) or member.is_restless():
            what = "worked on while" if is_well else "ended while"
            self._log.warning(f"a child process {what} it had nothing to do", plugin=crew.plugin, generation=crew.number)
            # The next one that is forked ahead would do the same, again and again: not before one has served a stream.
            crew.is_kept_ahead = member.streams > 0
            return True
        idle_secs = time.monotonic() - member.idle_since
        # What has worked has grown by it: one that waits for long is a new one.
        if idle_secs > self._config.child_idle_secs and (member.streams or len(crew.idle) > 1):
            return True
        if idle_secs > _REST_SECS:
            member.rest()
        return False
