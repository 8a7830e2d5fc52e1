"""How a child process ended, in an operator's words."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Literal, TypeAlias

from flight_server.config import PluginLimits

#: ended: by itself. crashed: by a signal that the server did not send. killed: by the server, for a reason.
#: memory, cpu: at a limit. lost: with the prepared parent, or with the nursery.
Kind: TypeAlias = Literal["ended", "crashed", "killed", "memory", "cpu", "lost"]

#: The code that a child ends with when a ``MemoryError`` went through its task.
OUT_OF_MEMORY = 117
#: Who dies of a signal while it holds more of its memory than this has most likely died of a failed allocation.
_FULL = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """``sentence`` follows the child's name: "was killed by SIGSEGV". ``output`` is the last of its standard error.

    ``code`` is the exit code, None after a signal; ``signal`` the signal's number, None after an exit.
    ``peak_bytes`` is the most memory that was resident, ``cpu_secs`` the processor time used.
    """

    kind: Kind
    sentence: str
    code: int | None = None
    signal: int | None = None
    peak_bytes: int = 0
    cpu_secs: float = 0.0
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """What the system says of a child that has ended: its status as ``wait(2)`` gives it, and what it used."""

    status: int
    peak_bytes: int
    cpu_secs: float


def ending(death: Death, limits: PluginLimits, *, killed_for: str | None, output: str) -> Ending:
    """Put a death in words; ``killed_for`` is why the server killed the child, if it did."""
    code = os.waitstatus_to_exitcode(death.status)
    # What had ended by itself before it could be killed is told as it was.
    was_killed = killed_for is not None and -code in {signal.SIGKILL, signal.SIGABRT}
    kind, sentence = _killed(killed_for) if was_killed else _judged(death, code, limits)
    return Ending(
        kind=kind,
        sentence=sentence,
        code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        peak_bytes=death.peak_bytes,
        cpu_secs=death.cpu_secs,
        output=output,
    )


def lost(why: str, output: str = "") -> Ending:
    """Return the ending of a child that was taken along by its parent's."""
    return Ending(kind="lost", sentence=f"was killed: {why}", output=output)


def _killed(why: str | None) -> tuple[Kind, str]:
    return "killed", f"was killed: {why}" if why else "was killed by the server"


def _judged(death: Death, code: int, limits: PluginLimits) -> tuple[Kind, str]:
    if code == OUT_OF_MEMORY:
        return "memory", f"ran out of memory ({_memory(limits)})"
    if code >= 0:
        return "ended", f"ended with code {code}" if code else "ended without an answer"
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and death.cpu_secs >= limits.cpu_secs):
        return "cpu", f"used up its {limits.cpu_secs:g} s of processor time (plugins.limits.cpu_secs)"
    name = _named(-code)
    if code == -signal.SIGKILL:
        return "crashed", f"was killed by {name}, which the server did not send; perhaps the machine is short of memory"
    if death.peak_bytes >= limits.memory_bytes * _FULL:
        return "memory", f"was killed by {name}, most likely out of memory ({_memory(limits)})"
    return "crashed", f"was killed by {name}"


def _memory(limits: PluginLimits) -> str:
    return f"plugins.limits.memory_bytes allows {limits.memory_bytes:,} bytes"


def _named(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
