"""What Linux offers a process against itself, and Python does not: asked for through ``prctl(2)``."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Mapping
from types import MappingProxyType

_SET_DEATH_SIGNAL, _SET_NAME, _SET_SECCOMP, _SET_NO_NEW_PRIVILEGES = 1, 15, 22, 38
_FILTER = 2
_CLONE_THREAD = 0x00010000

# Instructions of the filter's machine (linux/filter.h, linux/seccomp.h).
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _MACHINE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_X32 = 0x40000000

#: By machine: its audit number, then the numbers of clone and of the calls that only ever make processes.
_CALLS: Mapping[str, tuple[int, int, tuple[int, ...]]] = MappingProxyType(
    {"x86_64": (0xC000003E, 56, (57, 58)), "aarch64": (0xC00000B7, 220, ())}
)
_CLONE3 = 435


def die_with(parent: int) -> bool:
    """Have this process killed when the thread that made it ends. Return False when ``parent`` is gone already."""
    _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    return os.getppid() == parent


def call_yourself(name: str) -> None:
    """Set the name that ``ps`` and ``top`` show, of at most 15 characters."""
    _prctl(_SET_NAME, ctypes.c_char_p(name.encode()))


def refuse_processes() -> bool:
    """Let this process and its threads make threads, but no processes; there is no way back. Return whether it is in force.

    A limit of the number of processes (``RLIMIT_NPROC``) is none: it counts all that the user runs anywhere, threads
    included, and root is free of it.
    """
    if platform.machine() not in _CALLS:
        return False
    machine, clone, makers = _CALLS[platform.machine()]
    refused, unknown = _ERRNO | _EPERM, _ERRNO | _ENOSYS
    program = [
        _step(_LOAD, _MACHINE_AT),
        _step(_EQUAL, machine, skip=1),
        _step(_RETURN, refused),
        _step(_LOAD, _NUMBER_AT),
        *(line for number in makers for line in (_step(_EQUAL, number, otherwise=1), _step(_RETURN, refused))),
        # Its flags lie in memory, where a filter cannot look; told that it is unknown, libc goes back to clone.
        *(_step(_EQUAL, _CLONE3, otherwise=1), _step(_RETURN, unknown)),
        *(_step(_AT_LEAST, _X32, otherwise=1), _step(_RETURN, refused)),
        *(_step(_EQUAL, clone, skip=1), _step(_RETURN, _ALLOW)),
        _step(_LOAD, _FIRST_ARGUMENT_AT),
        *(_step(_ANY_BIT, _CLONE_THREAD, otherwise=1), _step(_RETURN, _ALLOW)),
        _step(_RETURN, refused),
    ]
    code = ctypes.create_string_buffer(b"".join(program))
    listing = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    return _prctl(_SET_NO_NEW_PRIVILEGES, 1) and _prctl(_SET_SECCOMP, _FILTER, ctypes.byref(listing))


def _step(code: int, operand: int, *, skip: int = 0, otherwise: int = 0) -> bytes:
    """Return one instruction; a comparison skips ``skip`` instructions when it holds, and ``otherwise`` when not."""
    return struct.pack("=HBBI", code, skip, otherwise, operand)


def _prctl(what: int, *arguments: object) -> bool:
    four = [each if not isinstance(each, int) else ctypes.c_ulong(each) for each in (*arguments, 0, 0, 0, 0)[:4]]
    return bool(ctypes.CDLL(None, use_errno=True).prctl(what, *four) == 0)
