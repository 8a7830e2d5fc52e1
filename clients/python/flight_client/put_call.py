"""One do_put, carried out in a thread of its own: whoever gives it the batches can always stop waiting."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import flight

from flight_client.cancelling import Cancel
from flight_client.errors import DeadlineExceeded, FlightClientError, Unavailable, translated
from flight_client.line import Line
from flight_client.results import Progress
from flight_client.sending import abort_message, close, message, more_telling

#: How long an aborted put is waited for: the server's word that it has let go comes at once, or the server does not.
ABORT_SECS = 5.0
#: A put that takes longer has a second thread, which takes the server's progress messages off its hands.
_LONG_SECS = 1.0


class CallFailed(Exception):
    """The call failed, as opposed to the source or the callback, whose exceptions come as they are."""

    def __init__(self, error: FlightClientError, *, committed: bool, moved: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.committed = committed  # the commit message may have gone out: only the server knows
        self.moved = moved  # the server took in a part


class PutCall:
    """A put under way. ``send``, ``commit`` and ``result`` raise ``CallFailed``; ``abort`` is for whatever else happens.

    Batches are handed over one at a time, so that no more than two are held.
    """

    def __init__(
        self, line: Line, request: Mapping[str, Any], *, cancel: Cancel, on_progress: Callable[[Progress], None] | None
    ) -> None:
        self._committed = self._moved = False
        self._line = line
        self._request = request
        self._cancel = cancel
        self._on_progress = on_progress
        self._changed = threading.Condition()
        self._next: pa.RecordBatch | bytes | None = None  # bytes are the last message
        self._told: Progress | None = None
        self._answer: dict[str, Any] | None = None
        self._failure: BaseException | None = None
        self._answers: _Answers | None = None
        self._over = False
        self._active = time.monotonic()
        self._take_back = cancel.add(self._wake)

    def start(self, schema: pa.Schema) -> None:
        """Begin the call."""
        self._line.hands.do(lambda: self._run(schema))

    def send(self, batch: pa.RecordBatch) -> None:
        """Hand over a batch, as soon as the one before is on its way."""
        self._hand_over(batch)

    def commit(self, figures: Mapping[str, int]) -> None:
        """Say that this was all."""
        self._committed = True
        self._hand_over(message({"commit": figures}))

    def result(self) -> dict[str, Any]:
        """Return the server's answer, which means that all is stored."""
        self._wait(lambda: False)
        if self._answer is None:
            raise self._failed(Unavailable("the server ended the call without an answer"))
        return self._answer

    def abort(self, error: BaseException, *, wait: bool) -> None:
        """Have the server forget what was sent, and ``wait`` a moment for its word: a frozen server does not answer."""
        with self._changed:
            self._next = abort_message(error)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._over, ABORT_SECS if wait else 0)

    def let_go(self) -> None:
        """Forget about the caller's ``Cancel``."""
        self._take_back()

    def _hand_over(self, item: pa.RecordBatch | bytes) -> None:
        self._active = time.monotonic()  # what passed before was the source's time
        self._wait(lambda: self._next is None)
        with self._changed:
            self._next = item
            self._changed.notify_all()

    def _wait(self, true: Callable[[], bool]) -> None:
        """Wait until ``true``, or until the call is over; tell the caller of the progress meanwhile."""
        while True:
            with self._changed:
                if self._told is None and not true() and not self._over:
                    self._cancel.check()
                    self._pause(self._left())
                told, self._told = self._told, None
                done = true() or self._over
            if told is not None and self._on_progress is not None:
                self._on_progress(told)
            if self._failure is not None:
                raise self._failed(self._failure)
            if done:
                self._cancel.check()
                return

    def _left(self) -> float | None:
        if self._line.idle_timeout is None:
            return None
        left = self._active + self._line.idle_timeout - time.monotonic()
        if left <= 0:
            raise self._failed(DeadlineExceeded(f"the server took in nothing for {self._line.idle_timeout:g} seconds"))
        return left

    def _failed(self, error: BaseException) -> BaseException:
        if not isinstance(error, FlightClientError):
            return error  # such as one of the function that makes the token
        return CallFailed(error, committed=self._committed, moved=self._moved)

    def _pause(self, seconds: float | None) -> None:
        """Wait for a change; see to it that what the server says is heard when the put takes long."""
        self._changed.wait(seconds if self._answers is None else self._answers.sooner(seconds))
        if self._answers is not None:
            self._answers.start_if_due()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # What follows runs in the call's own thread.

    def _run(self, schema: pa.Schema) -> None:
        failure: BaseException | None = None
        try:
            with translated():
                descriptor = flight.FlightDescriptor.for_command(message(self._request))
                writer, reader = self._line.flight.do_put(descriptor, schema, self._line.options())
            self._line.heard = True
            answers = _Answers(reader, self._hear, self._changed)  # type: ignore[arg-type]  # the stubs name another reader
            with self._changed:
                self._answers = answers
            failure = self._carry(writer, answers)
        except BaseException as error:  # noqa: BLE001 - raised again where the put is waited for
            failure = error.with_traceback(None)
        with self._changed:
            self._failure, self._over, self._next = failure, True, None
            self._changed.notify_all()

    def _carry(self, writer: flight.FlightStreamWriter, answers: _Answers) -> FlightClientError | None:
        noticed: FlightClientError | None = None
        try:
            with translated():
                self._write_all(writer)
        except FlightClientError as error:
            noticed = error.with_traceback(None)
        answers.read_to_end()
        # A writer that is closed while a thread still reads waits for ever.
        ended_with = close(writer)
        return ended_with if noticed is None else more_telling(ended_with, noticed)

    def _write_all(self, writer: flight.FlightStreamWriter) -> None:
        while True:
            item = self._taken()
            if isinstance(item, bytes):
                writer.write_metadata(pa.py_buffer(item))
                writer.done_writing()
                return
            writer.write_batch(item)
            self._active = time.monotonic()
            self._moved = True

    def _taken(self) -> pa.RecordBatch | bytes:
        with self._changed:
            while self._next is None:
                self._pause(None)
            item, self._next = self._next, None
            self._changed.notify_all()
            return item

    def _hear(self, answer: Mapping[str, Any]) -> None:
        with self._changed:
            self._active = time.monotonic()
            if "progress" in answer:
                self._told = Progress(rows=answer["progress"]["rows"], bytes=answer["progress"]["bytes"])
            else:
                self._answer = dict(answer)
            self._changed.notify_all()


class _Answers:
    """What the server says during a put: read by the put's thread in the end, by one of its own when it takes long."""

    def __init__(
        self, reader: flight.FlightMetadataReader, hear: Callable[[Mapping[str, Any]], None], lock: threading.Condition
    ) -> None:
        self._reader = reader
        self._hear = hear
        self._lock = lock
        self._due = time.monotonic() + _LONG_SECS
        self._thread: threading.Thread | None = None

    def sooner(self, seconds: float | None) -> float | None:
        """Return ``seconds``, or how long it is until the thread is due when that is less. The lock is held."""
        if self._due == math.inf:
            return seconds
        due = max(self._due - time.monotonic(), 0)
        return due if seconds is None else min(due, seconds)

    def start_if_due(self) -> None:
        """Start the thread when it is time. The lock is held."""
        if time.monotonic() >= self._due:
            self._due = math.inf
            self._thread = threading.Thread(target=self._read, name="put answers", daemon=True)
            self._thread.start()

    def read_to_end(self) -> None:
        """Read until the server has ended."""
        with self._lock:
            self._due = math.inf
        if self._thread is None:
            self._read()
        else:
            self._thread.join()

    def _read(self) -> None:
        try:
            while (answer := self._reader.read()) is not None:
                self._hear(json.loads(answer.to_pybytes()))
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
            pass  # what the call ended with is told again when the writer is closed
