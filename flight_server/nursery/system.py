"""What Linux offers a process for and against itself, and Python does not."""

from __future__ import annotations

import ctypes
import os
import signal

# linux/prctl.h
PR_SET_DEATH_SIGNAL, PR_SET_NAME, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVILEGES = 1, 15, 22, 38

# linux/capability.h: the version of the structs below, and the capabilities to read, and to write, what file modes forbid.
_CAPABILITY_VERSION = 0x20080522
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1 << 1, 1 << 2


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def die_with(parent: int) -> bool:
    """Have this process killed when the thread that made it ends. Return False when ``parent`` is gone already."""
    prctl(PR_SET_DEATH_SIGNAL, signal.SIGKILL)
    return os.getppid() == parent


def call_yourself(name: str) -> None:
    """Set the name that ``ps`` and ``top`` show, of at most 15 characters."""
    prctl(PR_SET_NAME, ctypes.c_char_p(name.encode()))


def gain_nothing() -> None:
    """Let no program that this process may execute have more rights than it; the kernel asks this before it confines one."""
    prctl(PR_SET_NO_NEW_PRIVILEGES, 1)


def drop_capabilities() -> None:
    """Give up all that root may beyond others, save to pass by file modes: the interpreter may be another account's.

    Which files that goes for is Landlock's to say.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _Header(_CAPABILITY_VERSION, 0), (_Data * 2)()
    _check(libc.capget(ctypes.byref(header), data))
    kept = data[0].permitted & (_CAP_DAC_OVERRIDE | _CAP_DAC_READ_SEARCH)
    data[0], data[1] = _Data(kept, kept, 0), _Data(0, 0, 0)
    _check(libc.capset(ctypes.byref(header), data))


def prctl(what: int, *arguments: object) -> None:
    """Call ``prctl(2)``. Raises ``OSError``."""
    four = [each if not isinstance(each, int) else ctypes.c_ulong(each) for each in (*arguments, 0, 0, 0, 0)[:4]]
    _check(ctypes.CDLL(None, use_errno=True).prctl(what, *four))


def call(number: int, *arguments: object) -> int:
    """Make the system call ``number``, for which libc has no function. Raises ``OSError``."""
    words = [each if not isinstance(each, int) else ctypes.c_long(each) for each in arguments]
    return _check(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *words))


def _check(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
