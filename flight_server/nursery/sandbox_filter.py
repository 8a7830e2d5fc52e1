"""seccomp: a program in the kernel that looks at every system call of a process, and refuses some (Linux 3.5 and later)."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import socket
import struct
from collections.abc import Iterable, Sequence

from flight_server.nursery import system
from flight_server.nursery.sandbox_calls import CLONE3, EXAMINED, REFUSED, REFUSED_ALWAYS, UNKNOWN_FROM, Numbers

# Instructions (linux/bpf_common.h): load a word, compare, jump, and, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
# What a call looks like, in bytes: its number, its machine, its arguments of eight bytes (linux/seccomp.h).
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_REFUSE, _UNKNOWN = _ERRNO | _EPERM, _ERRNO | _ENOSYS
_FILTER_MODE = 2
# linux/seccomp.h: the call that asks whether a filter may return an error.
_SECCOMP, _GET_ACTION_AVAIL = {"x86_64": 317, "aarch64": 277}, 2

#: linux/audit.h
_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
# linux/sched.h, linux/net.h, asm-generic/fcntl.h, asm-generic/sockios.h
_CLONE_THREAD = 0x00010000
_SOCK_TYPE_MASK = 0xF
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = fcntl.F_SETOWN, 10, 15
_F_SETLEASE, _F_NOTIFY = 1024, 1026
_FIOSETOWN, _SIOCSPGRP = 0x8901, 0x8902

Program = bytes
_Steps = Sequence[bytes]


def is_available() -> bool:
    """Return whether the kernel has filters, and this machine's calls are known here."""
    machine = platform.machine()
    if machine not in _MACHINES:
        return False
    try:
        system.call(_SECCOMP[machine], _GET_ACTION_AVAIL, 0, ctypes.byref(ctypes.c_uint32(_ERRNO)))
    except OSError:
        return False
    return True


def against_processes(machine: str) -> Program:
    """Return the program that lets a process make threads, but no processes, nor escape its limits and its parent.

    A limit of the number of processes (``RLIMIT_NPROC``) is none: it counts all that the user runs anywhere, threads
    included, and root is free of it.
    """
    refused = [number for name in REFUSED_ALWAYS if (number := _number(REFUSED[name], machine)) is not None]
    return b"".join(
        [
            *_beginning(machine),
            *_when(_AT_LEAST, _X32, [_return(_REFUSE)]),
            *(step for number in refused for step in _when(_EQUAL, number, [_return(_REFUSE)])),
            *_examine("clone", machine, _clone()),
            *_examine("prctl", machine, _pact()),
            _return(_ALLOW),
        ]
    )


def against_all(machine: str, *, pid: int, guard_truncation: bool) -> Program:
    """Return the program of the sandbox for the process ``pid``.

    ``guard_truncation`` is for kernels whose Landlock cannot: what may be read could be cut to nothing.
    """
    own = _first_is(pid)
    examined = {
        "clone": _clone(),
        "kill": own,
        "tkill": own,
        "tgkill": own,
        "rt_sigqueueinfo": own,
        "rt_tgsigqueueinfo": own,
        "sched_setaffinity": _first_is(0, pid),
        "socketpair": _socketpair(),
        # Nobody else is told by a signal that a descriptor is ready, or is held up by a lease; no folder is watched.
        "fcntl": _none_of(1, (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE, _F_NOTIFY)),
        "ioctl": _none_of(1, (_FIOSETOWN, _SIOCSPGRP)),
        "prctl": _pact(),
        # Limits can be read, nobody's be set.
        "prlimit64": [*_load(2), *_unless_zero(), *_load(2, high=True), *_unless_zero(), _return(_ALLOW)],
    }
    if guard_truncation:
        refused = [_return(_REFUSE)]
        examined |= {
            "truncate": refused,
            "open": _no_reader_that_truncates(1),
            "openat": _no_reader_that_truncates(2),
            "openat2": [_return(_UNKNOWN)],  # its flags lie in memory
        }
    numbers = sorted(number for each in REFUSED.values() if (number := _number(each, machine)) is not None)
    return b"".join(
        [
            *_beginning(machine),
            *_when(_AT_LEAST, UNKNOWN_FROM, [_return(_UNKNOWN)]),
            *(step for name, steps in examined.items() for step in _examine(name, machine, steps)),
            *(step for number in numbers for step in _when(_EQUAL, number, [_return(_REFUSE)])),
            _return(_ALLOW),
        ]
    )


def install(program: Program) -> None:
    """Put this thread, and what it starts, under ``program``; there is no way back. Raises ``OSError``."""
    code = ctypes.create_string_buffer(program)
    listing = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    system.prctl(system.PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(listing))


def _beginning(machine: str) -> _Steps:
    """Refuse calls of other machines, and load the number; libc goes back to clone when it is told that clone3 is unknown."""
    return [
        _step(_LOAD, _MACHINE_AT),
        *_unless(_EQUAL, _MACHINES[machine], [_return(_REFUSE)]),
        _step(_LOAD, _NUMBER_AT),
        *_when(_EQUAL, CLONE3, [_return(_UNKNOWN)]),
    ]


def _examine(name: str, machine: str, steps: _Steps) -> _Steps:
    """Take ``steps``, which end with a return, when the call is ``name``."""
    number = _number(EXAMINED[name], machine)
    return [] if number is None else _when(_EQUAL, number, steps)


def _clone() -> _Steps:
    return [*_load(0), *_when(_ANY_BIT, _CLONE_THREAD, [_return(_ALLOW)]), _return(_REFUSE)]


def _pact() -> _Steps:
    """Refuse to end the pact with the parent: it is for good."""
    return _none_of(0, (system.PR_SET_DEATH_SIGNAL,))


def _first_is(*values: int) -> _Steps:
    allowed = (step for value in values for step in _when(_EQUAL, value, [_return(_ALLOW)]))
    return [*_load(0), *allowed, _return(_REFUSE)]


def _none_of(argument: int, values: Iterable[int]) -> _Steps:
    refused = (step for value in values for step in _when(_EQUAL, value, [_return(_REFUSE)]))
    return [*_load(argument), *refused, _return(_ALLOW)]


def _socketpair() -> _Steps:
    """Allow two ends of a stream, as event loops have them: a datagram can be sent to any address."""
    return [
        *_load(0),
        *_unless(_EQUAL, socket.AF_UNIX, [_return(_REFUSE)]),
        *_load(1),
        _step(_AND, _SOCK_TYPE_MASK),
        *_unless(_EQUAL, socket.SOCK_STREAM, [_return(_REFUSE)]),
        _return(_ALLOW),
    ]


def _no_reader_that_truncates(argument: int) -> _Steps:
    reader = [_step(_AND, os.O_TRUNC | os.O_ACCMODE), *_when(_EQUAL, os.O_TRUNC, [_return(_REFUSE)])]
    return [*_load(argument), *reader, _return(_ALLOW)]


def _unless_zero() -> _Steps:
    return _unless(_EQUAL, 0, [_return(_REFUSE)])


def _load(argument: int, *, high: bool = False) -> _Steps:
    """Load an argument's lower half, which is all of it for what the kernel takes as an int."""
    return [_step(_LOAD, _ARGUMENTS_AT + 8 * argument + 4 * high)]


def _when(comparison: int, operand: int, steps: _Steps) -> _Steps:
    return [_step(comparison, operand, otherwise=len(steps)), *steps]


def _unless(comparison: int, operand: int, steps: _Steps) -> _Steps:
    return [_step(comparison, operand, skip=len(steps)), *steps]


def _return(answer: int) -> bytes:
    return _step(_RETURN, answer)


def _step(code: int, operand: int, *, skip: int = 0, otherwise: int = 0) -> bytes:
    """Return one instruction; a comparison skips ``skip`` instructions when it holds, and ``otherwise`` when not."""
    return struct.pack("=HBBI", code, skip, otherwise, operand)


def _number(numbers: Numbers, machine: str) -> int | None:
    return numbers[0 if machine == "x86_64" else 1]
