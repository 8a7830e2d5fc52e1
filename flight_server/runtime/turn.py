"""One stream's turn with a child: frames to and fro in the thread of the stream, and nothing that comes is believed."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pyarrow as pa

from flight_server.caller import Caller
from flight_server.errors import IncompletePut, PluginFailed, PluginTimeout
from flight_server.plugins.failure import SENTENCE_CHARS, TRACEBACK_CHARS
from flight_server.runtime.failing import is_harmless
from flight_server.runtime.feeding import Input
from flight_server.runtime.frames import Credit, Ended, Failed, Frame, Open, Opened, Part, Read, Want, Write
from flight_server.runtime.link import LinkError
from flight_server.runtime.member import Member
from flight_server.runtime.ring import SLOT_BYTES, SLOTS
from flight_server.runtime.units import unit_bytes
from format_plugins.streams import copy_bytes

#: An input that took longer than this may take long again.
_QUICK_SECS = 0.005
#: How often it is asked whether the client is still there.
_ATTENTION_SECS = 0.25


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a child may let a stream wait, in seconds, and the longest record batch, in bytes."""

    timeout_secs: float
    batch_bytes: int


class Turn:
    """``begin`` once the codec is opened, then ``unit`` until it returns None. Whatever it raises ends the turn.

    Raises ``LinkClosed`` and ``LinkError`` for a child that has ended or talks nonsense, ``PluginTimeout`` for one that
    is silent, ``Refusal`` for what it says went wrong, and whatever the input raises.
    """

    def __init__(self, member: Member, bounds: Bounds, caller: Caller) -> None:
        self._link = member.link
        self._ring = member.ring
        self._bounds = bounds
        self.member = member
        self.caller = caller
        self._free = list(range(SLOTS))
        self._input: Input | None = None
        self._has_input = False
        # Never when the caller may wait for the outcome of what it has sent before it sends more.
        self._runs_ahead = not caller.feeds
        self._is_quick = True
        self._wanted: int | None = None
        #: How many wishes in a row have met with what was given before they came.
        self._crossed = 0
        self._unit: pa.Buffer | None = None
        self._filled = 0
        self._waited = 0.0
        #: Since when all that comes are record batches without rows, and nothing is taken in.
        self._barren_since: float | None = None
        self._looked_at = time.monotonic()
        #: Whether the child can serve another stream, and whether the codec is made and not used.
        self.is_over = self.is_fresh = False
        self.has_rest = False
        #: What the child does, for when it does it no more; and what its author may want to read then.
        self.doing = "while it was imported"
        self.trace = ""
        self._waits_for = "answer"

    def load(self, secs: float) -> None:
        """Wait until the child has loaded its plugin, and have what it prints from now on logged as the caller's."""
        try:
            failure = self.member.load(secs).failure
        except TimeoutError:
            why = f"the plugin was not loaded within {secs:g} s (plugins.load_timeout_secs)"
            self.member.child.kill(why, with_last_words=True)
            raise PluginTimeout(why) from None
        if failure is not None:
            self.trace = failure.traceback[-TRACEBACK_CHARS:]
            raise PluginFailed(f"the plugin does not load any more: {failure.sentence[:SENTENCE_CHARS]}")
        self.member.child.tag(call=self.caller.call, call_id=self.caller.id)

    def open(self, options: bytes) -> None:
        """Have the child make the codec."""
        self.doing = "in create_format"
        self._link.send(Open(options))
        if not isinstance(self._frame(), Opened):
            raise LinkError("another word than was asked for")
        self.is_fresh = True

    def begin(self, order: Read | Write, source: Input) -> None:
        """Have the child decode or encode what ``source`` has."""
        self.doing, self._waits_for = ("in read_batches", "batch") if isinstance(order, Read) else ("in write_batches", "bytes")
        self._input, self._has_input, self.is_fresh = source, True, False
        self._waited = 0.0
        self._link.send(order)

    def unit(self) -> pa.Buffer | None:
        """Return the next unit of what the child makes, in memory that it cannot reach; None at the end."""
        while True:
            frame = self._frame()
            if isinstance(frame, Part):
                if (unit := self._taken(frame)) is not None:
                    return unit
            elif isinstance(frame, Want):
                self._want(frame.size)
            elif isinstance(frame, Credit):
                if frame.slot in self._free or not 0 <= frame.slot < SLOTS:
                    raise LinkError("a slot back that it had not")
                self._free.append(frame.slot)
            elif isinstance(frame, Ended) and self._unit is None and self._input is not None:
                self.is_over, self.has_rest = True, frame.has_rest
                return None
            else:
                raise LinkError("a word in the wrong place")

    def note_rows(self, rows: int) -> None:
        """Take note of how many rows a unit had: who sends none for as long as it may be silent is as late."""
        if rows:
            self._barren_since = None
            return
        now = time.monotonic()
        self._barren_since = self._barren_since or now
        if now - self._barren_since >= self._bounds.timeout_secs:
            raise self._late()

    def _want(self, size: int) -> None:
        """Take note of what the child wants; it may have crossed with what it was given before it asked."""
        self._crossed += self._wanted is not None or not self._has_input
        if size < 0 or self._input is None or self._crossed > (SLOTS if self._runs_ahead else 0):
            raise LinkError("a wish for input that there is not")
        if self._has_input:
            self._wanted = max(size, self._wanted or 0)

    @property
    def _may_run_ahead(self) -> bool:
        """Whether the child may be given more than it has asked for: nothing that is ready shall wait for the input."""
        return self._runs_ahead and self._has_input and self._is_quick

    def _frame(self) -> Frame:
        """Return the child's next frame; feed it while it waits for that."""
        while True:
            frame: Frame | None = self._link.receive(0)
            if frame is None:
                if self._free and (self._wanted is not None or self._may_run_ahead):
                    self._feed(self._wanted)
                    continue
                frame = self._awaited()
            self._check_patience()
            if frame is None:
                continue
            if isinstance(frame, Failed):
                self.is_over, self.trace = is_harmless(frame), frame.trace[-TRACEBACK_CHARS:]
                raise Refusal(frame)
            return frame

    def _awaited(self) -> Frame | None:
        """Wait for the child, which has all that it asked for."""
        began = time.monotonic()
        left = self._bounds.timeout_secs - self._waited
        frame: Frame | None = self._link.receive(min(left, _ATTENTION_SECS))
        self._waited += time.monotonic() - began
        return frame

    def _check_patience(self) -> None:
        """Go on no longer than the child may take without taking anything in or giving anything out, or the client stays."""
        if self._waited >= self._bounds.timeout_secs:
            raise self._late()
        now = time.monotonic()
        if now - self._looked_at >= _ATTENTION_SECS:
            self._looked_at = now
            if self.caller.has_gone():
                raise IncompletePut("the client has gone before the end")

    def _feed(self, wanted: int | None) -> None:
        """Put what the child waits for into one slot, or what it will ask for next; the input's time is not the child's."""
        if self._input is None:
            raise LinkError("a wish for input that there is not")
        slot = self._free.pop()
        began = time.monotonic()
        filled = self._input.fill(self._ring.slot("in", slot), self._input.ahead_bytes if wanted is None else wanted)
        self._is_quick = time.monotonic() - began < _QUICK_SECS
        self._has_input = not filled.is_last
        self._crossed = 0
        self._wanted = None if filled.is_enough else max((wanted or 0) - filled.size, 0)
        self._link.send(Part(slot, filled.size, filled.total, filled.is_last, filled.start))
        self._waited, self._barren_since = 0.0, None

    def _taken(self, part: Part) -> pa.Buffer | None:
        """Copy a part out of the ring; return the unit that it completes."""
        if self._unit is None:
            if not 0 < part.total <= unit_bytes(self._bounds.batch_bytes):
                raise LinkError("a unit that is too long, or has no length")
            self._unit, self._filled = pa.allocate_buffer(part.total), 0
        elif part.total:
            raise LinkError("a unit within a unit")
        end = part.start + part.size
        fits = 0 < part.size <= self._unit.size - self._filled and 0 <= part.start < end <= SLOT_BYTES
        if not fits or not 0 <= part.slot < SLOTS or part.last:
            raise LinkError("a part that does not fit")
        target = memoryview(self._unit)[self._filled : self._filled + part.size]
        copy_bytes(self._ring.slot("out", part.slot)[part.start : end], target)
        self._link.send(Credit(part.slot))
        self._filled += part.size
        if self._filled < self._unit.size:
            return None
        unit, self._unit = self._unit, None
        self._waited = 0.0
        return unit

    def _late(self) -> PluginTimeout:
        secs = f"{self._bounds.timeout_secs:g} s (plugins.limits.batch_timeout_secs)"
        self.member.child.kill(f"no {self._waits_for} for {secs}", with_last_words=True)
        return PluginTimeout(f"no {self._waits_for} for {secs}")


class Refusal(Exception):
    """The child says what went wrong."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed
