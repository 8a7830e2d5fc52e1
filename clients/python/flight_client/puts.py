"""A put: what was asked, what is sent, and the answer that says that it is stored."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pyarrow as pa
from pyarrow import flight

from flight_client.errors import FlightClientError, Unavailable, translated
from flight_client.results import Progress, PutResult
from flight_client.sending import Sending, close, message, more_telling
from flight_client.sources import Source

OnProgress: TypeAlias = Callable[[Progress], None]


def put(
    connection: flight.FlightClient, request: Mapping[str, Any], source: Source, on_progress: OnProgress | None
) -> PutResult:
    """Send ``source`` and return the server's answer.

    When anything is raised nothing is stored, with one exception: ``NoAnswer`` may come after the commit message has
    gone out, and then ``put_status`` tells.
    """
    with translated():
        writer, reader = connection.do_put(flight.FlightDescriptor.for_command(message(request)), source.schema)
    answers = _Answers(reader, on_progress)  # type: ignore[arg-type]  # the stubs name another reader
    sending = Sending(writer, source, between=answers.take)
    try:
        sending.run()
        answers.take_all()
    except FlightClientError as error:
        ended_with = answers.finish(writer)
        raise (error if error is sending.failure else more_telling(ended_with, error)) from None
    except BaseException:
        answers.finish(writer)
        raise
    ended_with = answers.finish(writer)
    if ended_with is not None:
        raise ended_with
    if answers.last is None:
        raise Unavailable("the server ended the call without an answer")
    return PutResult.of(answers.last)


class _Answers:
    """What the server says during a put, read in a thread of its own so that neither side waits for the other."""

    def __init__(self, reader: flight.FlightMetadataReader, on_progress: OnProgress | None) -> None:
        self.last: dict[str, Any] | None = None
        self._reader = reader
        self._on_progress = on_progress
        self._arrived: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="put answers", daemon=True)
        self._thread.start()

    def take(self) -> None:
        """Take in what has arrived, without waiting."""
        while not self._arrived.empty():
            self._handle(self._arrived.get())

    def take_all(self) -> None:
        """Take in all that arrives until the server has ended."""
        while not self._ended:
            self._handle(self._arrived.get())

    def finish(self, writer: flight.FlightStreamWriter) -> FlightClientError | None:
        """Wait for the server's end and return the error that it ended with, if any."""
        # A writer that is closed while a thread still reads waits for ever: the thread first.
        self._thread.join()
        return close(writer)

    def _handle(self, answer: dict[str, Any] | None) -> None:
        if answer is None:
            self._ended = True
        elif "progress" not in answer:
            self.last = answer
        elif self._on_progress is not None:
            figures = answer["progress"]
            self._on_progress(Progress(rows=figures["rows"], bytes=figures["bytes"]))

    def _read(self) -> None:
        try:
            while (answer := self._reader.read()) is not None:
                self._arrived.put(json.loads(answer.to_pybytes()))
        except (pa.ArrowException, OSError, ValueError):
            pass  # what the call ended with is told again when the writer is closed
        finally:
            self._arrived.put(None)
