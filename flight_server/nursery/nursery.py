"""Where the server gets its child processes from: a prepared parent is kept running, and every child followed to its end."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

import msgspec
import structlog

from flight_server.config import PluginLimits
from flight_server.errors import Busy
from flight_server.nursery.child import Child, ChildLost
from flight_server.nursery.messages import Order
from flight_server.nursery.sandbox import Mode, Protection
from flight_server.nursery.spool import Spools
from flight_server.nursery.tasks import TASKS
from flight_server.nursery.watch import Watch

#: How long a child may take to be born, the start of a new parent included.
BIRTH_SECS = 30.0
#: How often a child is ordered again when the parent ended before it was born.
_TRIES = 3
#: A parent that ends early is started again after this long, then after twice as long, up to the last.
_FIRST_PAUSE_SECS, _LAST_PAUSE_SECS = 0.05, 5.0


class Nursery:
    """Forks children for any thread between ``start`` and ``stop``. The server itself is never forked.

    One thread of its own starts the parent, reads what it and the children say, and starts it again when it ends. That
    thread lives as long as the nursery: the pact that kills the parent with the server is with the thread that made it.
    ``protection`` is what of the sandbox is in force for every child.
    """

    def __init__(self, tasks: Mapping[str, str] = TASKS, *, sandbox: Mode = "auto") -> None:
        self.protection = Protection.of(sandbox)
        self._tasks = tasks
        self._spools = Spools()
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._watch: Watch | None = None
        self._ready = False
        self._children: dict[int, Child] = {}
        self._begun = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._log = structlog.get_logger("flight_server.nursery")

    @property
    def pid(self) -> int | None:
        """The prepared parent's process, None when there is none at this moment."""
        watch = self._watch
        return None if watch is None else watch.process.pid

    @property
    def children(self) -> int:
        """How many children run now."""
        return len(self._children)

    def start(self) -> None:
        """Start the prepared parent, and return while it is importing. Call it before the server starts gRPC.

        A second time nothing happens. Raises ``OSError`` when there can be no folder for temporary files.
        """
        if self._thread is not None:
            return
        self._spools.open()
        self._stopping.clear()
        self._begun.clear()
        self._thread = threading.Thread(target=self._run, name="nursery", daemon=True)
        self._thread.start()
        self._begun.wait(BIRTH_SECS)

    def stop(self) -> None:
        """End the parent and every child; return when they have gone. A second time, or unstarted, nothing happens."""
        with self._changed:
            self._stopping.set()
            if self._watch is not None:
                self._watch.end()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._thread = None
        self._spools.close()

    def child(self, task: str, *, plugin: str, limits: PluginLimits) -> Child:
        """Fork a child that runs ``task`` within ``limits``; ``plugin`` is what the log calls it by.

        Takes about 10 ms. Raises ``Busy`` when none can be had: the nursery is stopped, or the machine refuses.
        """
        deadline = time.monotonic() + BIRTH_SECS
        why = "the process that forks them does not answer"
        for _ in range(_TRIES):
            child = self._ordered(task, plugin, limits, deadline)
            try:
                child.birth(max(deadline - time.monotonic(), 0))
            except ChildLost as error:
                why = str(error)
                child.close()
            except TimeoutError:
                child.close()
                break
            else:
                return child
        raise Busy(f"no child process can be had: {why}")

    def _ordered(self, task: str, plugin: str, limits: PluginLimits, deadline: float) -> Child:
        number = next(self._numbers)
        try:
            spool = self._spools.make(number)
        except OSError as error:
            why = f"it can have no folder: {error.strerror}" if self._thread is not None else "the nursery is not running"
            raise Busy(f"no child process can be had: {why}") from None
        ours, theirs = socket.socketpair()
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        child = Child(ours, limits, (out, err), self._log.bind(plugin=plugin, task=task), spool=spool)
        order = Order(id=number, task=task, limits=limits, spool=str(spool.path))
        try:
            with self._changed:
                left = max(deadline - time.monotonic(), 0)
                self._changed.wait_for(lambda: self._ready or self._thread is None or self._stopping.is_set(), left)
                if self._watch is None or not self._ready or self._stopping.is_set():
                    child.was_lost("the nursery is not running" if left else "the process that forks them does not start")
                    return child
                self._children[order.id] = child
                # Should the parent have gone, the nursery's thread finds out and tells the child so.
                with suppress(BrokenPipeError, ConnectionResetError):
                    ends = [theirs.fileno(), out_end, err_end]
                    socket.send_fds(self._watch.control, [msgspec.json.encode(order)], ends)
        finally:
            theirs.close()
            os.close(out_end)
            os.close(err_end)
        return child

    def _run(self) -> None:
        pause = _FIRST_PAUSE_SECS
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._follow(Watch(self._tasks, self.protection, self._children, self._log))
            except Exception:  # noqa: BLE001 - logged, with its traceback; the next parent follows
                self._log.exception("the prepared parent of children cannot be followed")
                self._begun.set()
            if time.monotonic() - began > _LAST_PAUSE_SECS:
                pause = _FIRST_PAUSE_SECS
            self._stopping.wait(pause)
            pause = min(pause * 2, _LAST_PAUSE_SECS)

    def _follow(self, watch: Watch) -> None:
        """See one parent through its life, and tell the children that it leaves behind."""
        with self._changed:
            self._watch = watch
            if self._stopping.is_set():
                watch.end()
        self._begun.set()
        try:
            watch.follow(self._take_orders)
        finally:
            with self._changed:
                self._watch, self._ready = None, False
            stopping = self._stopping.is_set()
            why = "the server stops" if stopping else "the process that it was forked from has ended"
            for number in list(self._children):
                child = self._children.pop(number)
                watch.forget(child)
                child.was_lost(why)
            code = watch.close()
            if not stopping:
                self._log.error("the prepared parent of children has ended; it is started again", code=code)

    def _take_orders(self) -> None:
        with self._changed:
            self._ready = True
            self._changed.notify_all()
