"""An exchange: a source goes in, in a thread of its own, while the converted stream is read."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import pyarrow as pa
from pyarrow import flight

from flight_client.cancelling import Cancel
from flight_client.errand import Errand
from flight_client.errors import FlightClientError, translated
from flight_client.line import Line
from flight_client.reading import Reading
from flight_client.sending import Sending, close, message, more_telling
from flight_client.sources import Source, opened

#: How long a write may take to notice that its call is over.
_GRACE_SECS = 1.0
#: How long reading waits for a short source to be sent. The reader ends the stream when the call fails, and if the sender ends
#: it in the same microseconds, gRPC ends the process. What is refused is refused at the start, where short sources end.
_HEAD_START_SECS = 0.01


class Exchange:
    """The record batches that come back while ``source`` is sent; the source is used in another thread, to the end.

    An exception of the source ends the stream with that exception: what came back before is no whole answer.
    """

    def __init__(self, line: Line, request: Mapping[str, Any], source: Any, cancel: Cancel) -> None:  # noqa: ANN401 - what put takes
        with ExitStack() as stack:
            what = stack.enter_context(opened(source))
            # A server that takes a connection and says nothing holds up who opens a call.
            errand = Errand(lambda: _call(line, request), lambda streams: streams[1].cancel())
            writer, reader = errand.result(line.hands, line.idle_timeout, cancel)
            self._feeder = _Feeder(writer, what, stack.pop_all())
        self._feeder.wait(_HEAD_START_SECS)
        self._reading = Reading(reader, line.watchdog, cancel, turn=self._feeder.sending.turn)
        try:
            self.schema: pa.Schema = self._reading.schema()
        except FlightClientError as error:
            failure = self.finish(error)
            raise (failure or error) from None
        line.heard = True

    def read(self) -> pa.RecordBatch:
        """Return the next batch, or raise ``StopIteration``."""
        return self._reading.read()

    def stop(self) -> None:
        """End the call, from any thread."""
        self._reading.stop()

    def finish(self, noticed: FlightClientError | None) -> BaseException | None:
        """Wait for the source's thread, and return what went wrong, if anything did."""
        self._reading.let_go()
        return self._feeder.finish(noticed)


def _call(line: Line, request: Mapping[str, Any]) -> tuple[flight.FlightStreamWriter, flight.FlightStreamReader]:
    with translated():
        return line.flight.do_exchange(flight.FlightDescriptor.for_command(message(request)), line.options())


class _Feeder:
    """The thread that sends."""

    def __init__(self, writer: flight.FlightStreamWriter, source: Source, held: ExitStack) -> None:
        self._writer = writer
        self._source = source
        self._held = held
        self.sending = Sending(writer, source)
        self._thread = threading.Thread(target=self._send, name="exchange source", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Return when all is sent, or after some time."""
        self._thread.join(seconds)

    def finish(self, noticed: FlightClientError | None) -> BaseException | None:
        """Wait for the thread to end; return what went wrong: with the source, with the call, or as it was noticed.

        A write that is stuck in a full line to a frozen server ends with the line, even if the call was cancelled: that
        one is not waited for.
        """
        self._thread.join(_GRACE_SECS)
        while self._thread.is_alive():
            if time.monotonic() - self.sending.turn() > _GRACE_SECS:
                return noticed
            self._thread.join(_GRACE_SECS)
        ended_with = close(self._writer)
        if self.sending.failure is not None:
            return self.sending.failure
        return ended_with if noticed is None else more_telling(ended_with, noticed)

    def _send(self) -> None:
        try:
            with self._held, translated():
                self._writer.begin(self._source.schema)
                self.sending.run()
        except BaseException:  # noqa: BLE001, S110 - the source's is kept, the call's reaches the reader
            pass
