"""Group commit: one thread writes the catalogue, and changes that are ready together share its fsyncs.

A file is moved to its place and its folder is made durable before the transaction that names it; the transaction is
durable before anyone hears of it. A change that cannot be made fails alone; a fault of the disk fails the group, and each
change of it is then tried by itself, unless an fsync was at fault: what an fsync said no to is never acknowledged.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from flight_server.errors import ServerError, ShuttingDown
from flight_server.failpoints import Failpoints
from flight_server.store.catalog import Catalog
from flight_server.store.faults import is_full, translated
from flight_server.store.ledger import Ledger
from flight_server.store.segments import SegmentFolder

T = TypeVar("T")

#: Changes in one transaction, at most.
GROUP_LIMIT = 256


class _SyncFailed(Exception):
    """The disk refused to make a group durable; ``nothing_written`` when the catalogue's transaction had not ended."""

    def __init__(self, cause: Exception, *, nothing_written: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.nothing_written = nothing_written


@dataclass(frozen=True, slots=True)
class _Change:
    apply: Callable[[Ledger], Any]
    file: str | None  # a staged file that the change places
    unwanted: Callable[[Any], bool]  # whether the result leaves the file without use
    done: Future[Any] = field(default_factory=Future)


class Committer:
    """Makes changes durable, in the order in which they come."""

    def __init__(self, catalog: Catalog, folder: SegmentFolder, failpoints: Failpoints) -> None:
        self._folder = folder
        self._failpoints = failpoints
        self._log = structlog.get_logger("flight_server.store")
        self._catalog = catalog
        self._db = catalog.connect()
        self._ledger = Ledger(self._db, catalog)
        self._lock = threading.Lock()  # held to put into the queue, so that nothing comes after the end
        self._open = True
        self._queue: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-committer", daemon=True)
        self._thread.start()

    def commit(
        self, apply: Callable[[Ledger], T], *, file: str | None = None, unwanted: Callable[[T], bool] = lambda _: False
    ) -> T:
        """Make one change and return its result when it is durable.

        ``file`` names a staged file that the change places; it is gone afterwards if the change fails or ``unwanted`` says
        so of its result. Raises what ``apply`` refuses with, ``StorageFull``, ``ShuttingDown`` or ``Internal``.
        """
        change = _Change(apply, file, unwanted)
        with self._lock:
            if not self._open:
                raise ShuttingDown("the store is closing")
            self._queue.put(change)
        try:
            return change.done.result()  # type: ignore[no-any-return] # a future of any change
        finally:
            del change  # the traceback of its failure holds this frame

    def close(self) -> None:
        """Finish what was asked for, and stop."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._queue.put(None)
        self._thread.join()
        self._db.close()

    def _run(self) -> None:
        running = True
        while running:
            group: list[_Change | None] = [self._queue.get()]
            while len(group) < GROUP_LIMIT and not self._queue.empty():
                group.append(self._queue.get())
            running = None not in group
            self._commit([change for change in group if change is not None])
            del group  # not held while the thread waits for the next one: puts are in it

    def _commit(self, group: list[_Change]) -> None:
        files = [change.file for change in group if change.file is not None]
        try:
            self._place(files)
            outcome = self._write(group)
            self._make_durable()
        except Exception as error:  # noqa: BLE001 - the committer outlives every fault; its clients hear of each
            self._roll_back()
            if len(group) > 1 and not isinstance(error, _SyncFailed):
                for change in group:
                    self._commit([change])
                return
            self._fail(group, error, files)
        else:
            self._answer(outcome)

    def _place(self, files: list[str]) -> None:
        self._failpoints.hit("store.commit.taken")
        self._folder.place(files)
        try:
            self._folder.sync(files)
        except OSError as error:
            raise _SyncFailed(error, nothing_written=True) from error

    def _write(self, group: list[_Change]) -> list[tuple[_Change, Any]]:
        """Apply each change in one transaction; a refusal belongs to its change alone, and takes the place of its result."""
        self._db.execute("BEGIN IMMEDIATE")
        self._failpoints.hit("store.commit.begun")
        outcome: list[tuple[_Change, Any]] = []
        for change in group:
            try:
                outcome.append((change, change.apply(self._ledger)))
            except ServerError as refusal:
                outcome.append((change, refusal.with_traceback(None)))  # a traceback holds this frame, and all changes in it
            self._failpoints.hit("store.commit.inserted")
        return outcome

    def _make_durable(self) -> None:
        try:
            self._failpoints.hit("store.commit.commit")
            self._db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            if is_full(error):
                raise
            raise _SyncFailed(error, nothing_written=False) from error

    def _roll_back(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._log.error("The catalogue could not be rolled back; it is opened again.", error=repr(error))
            self._db.close()
            self._db = self._catalog.connect()
            self._ledger = Ledger(self._db, self._catalog)

    def _fail(self, group: list[_Change], error: Exception, files: list[str]) -> None:
        cause = error.cause if isinstance(error, _SyncFailed) else error
        # A transaction that only failed to be synced may still be there after a crash: it must find its files then.
        if not isinstance(error, _SyncFailed) or error.nothing_written:
            self._folder.withdraw(files)
        self._log.error("A change could not be made durable.", changes=len(group), error=repr(cause))
        for change in group:
            change.done.set_exception(translated(cause))

    def _answer(self, outcome: list[tuple[_Change, Any]]) -> None:
        self._failpoints.hit("store.commit.committed")
        for change, result in outcome:
            failed = isinstance(result, ServerError)
            if change.file is not None and (failed or change.unwanted(result)):
                self._folder.withdraw([change.file])
            if failed:
                change.done.set_exception(result)
            else:
                change.done.set_result(result)
