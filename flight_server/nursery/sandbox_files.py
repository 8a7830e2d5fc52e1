"""Landlock: a process lets go of every file, TCP port and signal that no rule grants it (Linux 5.13 and later)."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flight_server.nursery import system

# asm-generic/unistd.h: the same numbers on every machine.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
# linux/landlock.h
_ASK_VERSION = 1 << 0
_RULE_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_CHAR, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = (1 << bit for bit in range(6, 13))
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_ABSTRACT_UNIX_SOCKET, _SIGNAL = 1 << 0, 1 << 1

#: What each version of the interface knows beyond those before it, of files, of the network, and of other processes.
_KNOWN: Mapping[int, tuple[int, int, int]] = MappingProxyType(
    {
        1: (_MAKE_SYM * 2 - 1, 0, 0),  # all from _EXECUTE to _MAKE_SYM
        2: (_REFER, 0, 0),
        3: (_TRUNCATE, 0, 0),
        4: (0, _BIND_TCP | _CONNECT_TCP, 0),
        5: (_IOCTL_DEV, 0, 0),
        6: (0, 0, _ABSTRACT_UNIX_SOCKET | _SIGNAL),
    }
)
#: From these versions on it bounds what it is named after.
TRUNCATION_SINCE, TCP_SINCE, SIGNALS_SINCE = 3, 4, 6

#: What may be granted of a file that is no folder.
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
READ = _READ_FILE | _READ_DIR
#: No sockets and no devices, and nothing in it is executed.
OWN = (
    READ | _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_FIFO | _MAKE_SYM | _REFER
)  # fmt: skip
USE = _READ_FILE | _WRITE_FILE


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("granted", ctypes.c_uint64), ("parent", ctypes.c_int32))


#: The struct was shorter before version 4, and version 6.
_SIZES = ((SIGNALS_SINCE, 24), (TCP_SINCE, 16), (0, 8))


@dataclass(frozen=True, slots=True)
class Grant:
    """``rights`` on the file ``path``, or on the folder and all beneath it."""

    path: str
    rights: int


def version() -> int:
    """Return the version of the interface that the kernel has; 0 when it has none, or it was not enabled at boot."""
    try:
        return system.call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def confine(version: int, grants: Iterable[Grant]) -> None:
    """Give up all that ``version`` of the interface knows and no grant names; there is no way back. Raises ``OSError``.

    It holds for this thread and what it starts. What is open already stays so; of what is not there nothing is granted.
    """
    known = [_KNOWN[each] for each in sorted(_KNOWN) if each <= version]
    rules = _Ruleset(*(sum(column) for column in zip(*known, strict=True)))
    size = next(size for since, size in _SIZES if version >= since)
    ruleset = system.call(_CREATE_RULESET, ctypes.byref(rules), size, 0)
    try:
        for grant in grants:
            _add(ruleset, grant, rules.files)
        system.call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _add(ruleset: int, grant: Grant, known: int) -> None:
    try:
        place = os.open(grant.path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        is_folder = stat.S_ISDIR(os.fstat(place).st_mode)
        rights = grant.rights & known & (-1 if is_folder else _OF_FILES)
        system.call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(_PathBeneath(rights, place)), 0)
    finally:
        os.close(place)
