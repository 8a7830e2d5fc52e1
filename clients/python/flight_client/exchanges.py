"""An exchange: a source goes in, in a thread of its own, while the converted stream is read."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from pyarrow import flight

from flight_client.errors import FlightClientError, translated
from flight_client.sending import Sending, close, message, more_telling
from flight_client.sources import Source, opened
from flight_client.streams import Stream


def exchange(connection: flight.FlightClient, request: Mapping[str, Any], source: Any) -> Stream:  # noqa: ANN401 - what put takes
    """Begin to send ``source`` and return what comes back; the source is used in another thread, to the stream's end.

    An exception of the source ends the stream with that exception: what came back before is no whole answer.
    """
    with ExitStack() as stack:
        what = stack.enter_context(opened(source))
        with translated():
            writer, reader = connection.do_exchange(flight.FlightDescriptor.for_command(message(request)))
        feeder = _Feeder(writer, what, stack.pop_all())
    return Stream(reader, feeder)


class _Feeder:
    """The thread that sends."""

    def __init__(self, writer: flight.FlightStreamWriter, source: Source, held: ExitStack) -> None:
        self._writer = writer
        self._source = source
        self._held = held
        self._sending = Sending(writer, source)
        self._thread = threading.Thread(target=self._send, name="exchange source", daemon=True)
        self._thread.start()

    def finish(self, noticed: FlightClientError | None) -> BaseException | None:
        """Wait for the thread to end; return what went wrong: with the source, with the call, or as it was noticed."""
        self._thread.join()
        ended_with = close(self._writer)
        if self._sending.failure is not None:
            return self._sending.failure
        return ended_with if noticed is None else more_telling(ended_with, noticed)

    def _send(self) -> None:
        try:
            with self._held, translated():
                self._writer.begin(self._source.schema)
                self._sending.run()
        except BaseException:  # noqa: BLE001, S110 - the source's is kept, the call's reaches the reader
            pass
