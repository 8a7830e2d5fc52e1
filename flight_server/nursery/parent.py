"""The prepared parent: a process that has imported what children need, and forks one whenever the server orders it.

It is a process of its own because nothing forks well that has gRPC's threads in it. It imports no gRPC, serves one
control socket from one thread, and ends when that socket does, with all of its children.
"""

from __future__ import annotations

import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec
import pyarrow as pa

from flight_server.nursery import birth, system
from flight_server.nursery.messages import MESSAGE_BYTES, Born, Ended, Order, Ready, Refused, Report
from flight_server.nursery.sandbox import Protection, Sandbox

#: Imported once for all children, so that a child shares their memory and need not wait for them.
_PREPARED = (
    "format_plugins.blocks",
    "format_plugins.contract",
    "format_plugins.options",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
)
#: What an order carries: the connection, standard output, standard error.
_DESCRIPTORS = 3
#: Each thread has a stack, which counts as memory whether it is used or not.
_MOST_THREADS = 4


class Parent:
    """Takes orders at ``control`` until it ends; ``tasks`` are the functions by their names."""

    def __init__(self, control: socket.socket, tasks: Mapping[str, birth.Task], sandbox: Sandbox) -> None:
        self._control = control
        self._tasks = tasks
        self._sandbox = sandbox
        self._pid = os.getpid()
        self._orders = msgspec.json.Decoder(Order)
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._children: dict[int, tuple[int, int]] = {}  # by the descriptor of the process: the order's id, and the pid

    def serve(self) -> None:
        """Fork children and report their ends; return when the server has gone."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._report(Ready())
            while True:
                for descriptor, _ in self._poll.poll():
                    if descriptor in self._children:
                        self._bury(descriptor)
                    elif not self._take_order():
                        return

    def end(self) -> None:
        """Kill every child."""
        for _, pid in self._children.values():
            _kill(pid)

    def _take_order(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, _DESCRIPTORS)
        if not message:
            return False
        order = self._orders.decode(message)
        try:
            self._fork(order, descriptors)
        except (OSError, KeyError) as error:
            self._report(Refused(id=order.id, why=str(error)))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _fork(self, order: Order, descriptors: Sequence[int]) -> None:
        task = self._tasks[order.task]
        pid = os.fork()
        if pid == 0:
            bounds = birth.Bounds(limits=order.limits, spool=order.spool, sandbox=self._sandbox)
            birth.live(task, bounds, descriptors, parent=self._pid)
        # Nobody else waits for it, so until then the number is the child's.
        try:
            process = os.pidfd_open(pid)
        except OSError:
            _kill(pid)
            os.waitpid(pid, 0)
            raise
        self._children[process] = (order.id, pid)
        self._poll.register(process, select.POLLIN)
        self._report(Born(id=order.id, pid=pid), process)

    def _bury(self, process: int) -> None:
        identity, pid = self._children.pop(process)
        _kill(pid)  # what is left of its process group
        _, status, used = os.wait4(pid, 0)
        self._poll.unregister(process)
        os.close(process)
        cpu_secs = used.ru_utime + used.ru_stime
        self._report(Ended(id=identity, status=status, peak_bytes=used.ru_maxrss << 10, cpu_secs=cpu_secs))

    def _report(self, report: Report, *descriptors: int) -> None:
        socket.send_fds(self._control, [msgspec.json.encode(report)], descriptors)


def _kill(pid: int) -> None:
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def prepared(names: Mapping[str, str]) -> dict[str, birth.Task]:
    """Import what children need; return the tasks' functions, given as ``module:function``."""
    for module in _PREPARED:
        importlib.import_module(module)
    places = {name: place.partition(":") for name, place in names.items()}
    return {name: getattr(importlib.import_module(module), function) for name, (module, _, function) in places.items()}


def main(arguments: Sequence[str]) -> None:
    """Serve the control socket ``arguments[0]`` of the server ``arguments[1]``.

    ``arguments[2]`` is the protection of children in JSON; then come tasks, ``name=module:function``.
    """
    # A service manager tells every process of a server to stop; the server drains, and needs its children for it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not system.die_with(int(arguments[1])):
        return
    system.call_yourself("flight-nursery")
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    tasks = prepared(dict(each.split("=", 1) for each in arguments[3:]))
    sandbox = Sandbox(msgspec.json.decode(arguments[2], type=Protection))
    pa.set_cpu_count(min(pa.cpu_count(), _MOST_THREADS))
    # Python warns of threads that a fork leaves behind: the one here is of Arrow's allocator, which knows how to fork.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.collect()
    gc.freeze()  # a collection in a child would write to, and so copy, all that it shares
    parent = Parent(control, tasks, sandbox)
    parent.serve()
    parent.end()


if __name__ == "__main__":
    main(sys.argv[1:])
