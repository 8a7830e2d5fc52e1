"""The first steps of a child process: its own descriptors and signals, its limits, and its pact with its parent."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from flight_server.config import PluginLimits
from flight_server.nursery import system
from flight_server.nursery.ending import OUT_OF_MEMORY
from flight_server.nursery.sandbox import Sandbox

Task: TypeAlias = Callable[[socket.socket], None]

#: The whole address space may be this many times as large as the memory: what is shared is no data, yet is memory.
_ADDRESSES = 4
_STARTS = frozenset({"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"})
_CONNECTION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What holds for a child: its limits, the folder that is its own, and the sandbox that all children go into."""

    limits: PluginLimits
    spool: str
    sandbox: Sandbox


def live(task: Task, bounds: Bounds, descriptors: Sequence[int], *, parent: int) -> None:
    """Be a child: run ``task`` within ``bounds``, and end. Never returns.

    ``descriptors`` are the connection, standard output and standard error.
    """
    code = 1
    try:
        if system.die_with(parent):
            connection = _settle(descriptors)
            _confine(bounds)
            task(connection)
            code = 0
    except MemoryError:
        code = OUT_OF_MEMORY
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException as error:  # noqa: BLE001 - the last who can say so
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        # Nothing else that Python does at an end: threads of a plugin could keep it from ending.
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)


def _settle(descriptors: Sequence[int]) -> socket.socket:
    """Keep the child's own descriptors and no others, and take signals as a new process does."""
    os.setpgid(0, 0)  # what it may start after all is found, and killed with it
    nothing = os.open(os.devnull, os.O_RDONLY)
    # First out of the way of the numbers that they shall have.
    for number, descriptor in enumerate([os.dup(each) for each in (nothing, *descriptors[1:], descriptors[0])]):
        os.dup2(descriptor, number, inheritable=number < _CONNECTION)
    os.closerange(_CONNECTION + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # Stays ignored: SIGTERM, which a service manager sends to every process of a server that shall drain.
    faulthandler.enable(file=2, all_threads=False)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # the interpreter's own, a TextIOWrapper
    return socket.socket(fileno=_CONNECTION)


def _confine(bounds: Bounds) -> None:
    limits = bounds.limits
    system.call_yourself("flight-plugin")
    # Should the machine run short of memory, then not at the cost of the server.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    # Data is what is written and not shared: neither the address space that allocators and threads reserve and do not
    # use, which is a multiple of it, nor files and memory that are mapped to be handed over.
    _limit(resource.RLIMIT_DATA, limits.memory_bytes)
    _limit(resource.RLIMIT_AS, limits.memory_bytes * _ADDRESSES)
    _limit(resource.RLIMIT_CPU, limits.cpu_secs, grace=1)
    _limit(resource.RLIMIT_NOFILE, limits.open_files)
    _limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    tempfile.tempdir = os.environ["TMPDIR"] = os.environ["HOME"] = bounds.spool
    bounds.sandbox.enter(bounds.spool)
    sys.addaudithook(_refuse_start)


def _limit(what: int, value: int, *, grace: int = 0) -> None:
    """Lower a limit; one that the machine has set lower stays."""
    present = [each for each in resource.getrlimit(what) if each != resource.RLIM_INFINITY]
    resource.setrlimit(what, (min([value, *present]), min([value + grace, *present])))


def _refuse_start(event: str, _arguments: object) -> None:
    # The kernel refuses it anyway; this says so in words, at the line that tried.
    if event in _STARTS:
        raise PermissionError("a plugin may not start processes")
