"""The sandbox of child processes: what of it this machine has, and how a child goes into it."""

from __future__ import annotations

import errno
import os
import platform
import sys
from dataclasses import dataclass
from typing import Literal, TypeAlias

from flight_server.nursery import sandbox_files, sandbox_filter, system
from flight_server.nursery.sandbox_files import OWN, READ, Grant
from flight_server.nursery.sandbox_paths import readable

#: auto: what the machine has. require: all of it, or the server does not start. off: none; limits are in force always.
Mode: TypeAlias = Literal["auto", "require", "off"]

#: In a child's environment: what is in force there.
VARIABLE = "FLIGHT_PLUGIN_SANDBOX"
_DENIALS = frozenset({errno.EPERM, errno.EACCES})


@dataclass(frozen=True, slots=True)
class Protection:
    """What is in force for children: the version of Landlock's interface, 0 for none, and whether calls are filtered."""

    mode: Mode
    landlock: int
    filter: bool

    @classmethod
    def of(cls, mode: Mode) -> Protection:
        """Ask the kernel what it has, unless ``mode`` is to use none of it."""
        if mode == "off":
            return cls(mode, 0, filter=False)
        return cls(mode, sandbox_files.version(), sandbox_filter.is_available())

    @property
    def objection(self) -> str | None:
        """Why the server must not start, a sentence, if what is required is not there."""
        if self.mode != "require" or not self.missing:
            return None
        machine = f"Linux {platform.release()} on {platform.machine()}"
        return f"plugins.sandbox is 'require', and this machine ({machine}) lacks {' and '.join(self.missing)}"

    @property
    def in_force(self) -> tuple[str, ...]:
        """What holds, and by what."""
        if self.mode == "off":
            return ()
        landlock = [f"files: Landlock {self.landlock}"] if self.landlock else []
        if not self.filter:
            landlock += ["TCP: Landlock"] if self.landlock >= sandbox_files.TCP_SINCE else []
            landlock += ["signals: Landlock"] if self.landlock >= sandbox_files.SIGNALS_SINCE else []
            return tuple(landlock)
        both = "Landlock and seccomp" if self.landlock >= sandbox_files.SIGNALS_SINCE else "seccomp"
        return (*landlock, "network: seccomp", "processes: seccomp", f"signals: {both}")

    @property
    def missing(self) -> tuple[str, ...]:
        """What does not hold because the kernel lacks it."""
        if self.mode == "off":
            return ()
        landlock = "Landlock, which bounds files (in Linux since 5.13, if it is enabled at boot: lsm=landlock)"
        seccomp = "seccomp filters for this machine, which bound network, processes and signals"
        return tuple(what for what, has in ((landlock, self.landlock), (seccomp, self.filter)) if not has)

    def as_dict(self) -> dict[str, object]:
        """Return it as the status tells it."""
        return {"mode": self.mode, "in_force": list(self.in_force), "missing": list(self.missing)}


class Sandbox:
    """Made once, by the prepared parent, which does what can be done before there is a child."""

    def __init__(self, protection: Protection) -> None:
        self._protection = protection
        self._machine = platform.machine()
        self._grants, self._listed = readable() if protection.landlock else ([], [])

    def enter(self, spool: str) -> None:
        """Confine this process, which has one thread; ``spool`` is the folder that is its own. Raises ``OSError``.

        Even without a sandbox no processes can be made, where the kernel has filters.
        """
        protection = self._protection
        if protection.mode == "off" and not sandbox_filter.is_available():
            return
        system.gain_nothing()
        if protection.mode != "off":
            os.environ[VARIABLE] = "; ".join(protection.in_force)
            system.drop_capabilities()
        if protection.landlock:
            # What may not be listed any more is found nevertheless.
            sys.path_importer_cache.update((each.folder, each) for each in self._listed)
            # A child's own entry in /proc cannot be granted before there is one.
            own = [Grant(spool, OWN), Grant("/proc/self", READ)]
            sandbox_files.confine(protection.landlock, [*self._grants, *own])
        if protection.filter:
            guard = 0 < protection.landlock < sandbox_files.TRUNCATION_SINCE
            sandbox_filter.install(sandbox_filter.against_all(self._machine, pid=os.getpid(), guard_truncation=guard))
        elif protection.mode == "off":
            sandbox_filter.install(sandbox_filter.against_processes(self._machine))


def refusal(error: BaseException) -> str:
    """Say that it was the sandbox, in a sentence that follows the error's own, when ``error`` is a denial within it."""
    if os.environ.get(VARIABLE) and isinstance(error, OSError) and error.errno in _DENIALS:
        return "the sandbox refuses files outside the plugin's own folder, the network, and other processes: plugins.sandbox"
    return ""
