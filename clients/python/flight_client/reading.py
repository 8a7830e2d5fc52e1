"""Reading what a server sends: each read is given up when nothing comes, and can be ended by another thread."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyarrow as pa
from pyarrow import flight

from flight_client.cancelling import Cancel
from flight_client.errors import Cancelled, DeadlineExceeded, FlightClientError, translated
from flight_client.watchdog import Wait, Watchdog


class Reading:
    """The reader of one call. ``turn`` is for calls that wait for the caller's source too (see ``Watchdog``)."""

    def __init__(
        self,
        reader: flight.FlightStreamReader,
        watchdog: Watchdog,
        cancel: Cancel,
        turn: Callable[[], float] | None = None,
    ) -> None:
        self._reader = reader
        self._watchdog = watchdog
        self._turn = turn
        self._stopped = False
        self._take_back = cancel.add(self.stop)

    def schema(self) -> pa.Schema:
        """Return the schema, as soon as it is there."""
        with self._watchdog.waiting(self._reader.cancel, self._turn) as wait:
            try:
                with translated():
                    return self._reader.schema
            except FlightClientError as error:
                raise self._reason(error, wait) from None

    def read(self) -> pa.RecordBatch:
        """Return the next batch; raise ``StopIteration`` when there is none and the server says that this is all."""
        with self._watchdog.waiting(self._reader.cancel, self._turn) as wait:
            try:
                with translated():
                    while (batch := self._reader.read_chunk().data) is None:
                        wait.since = time.monotonic()  # a message that carries metadata only
                    return batch
            except FlightClientError as error:
                raise self._reason(error, wait) from None

    def stop(self) -> None:
        """End the call: whoever reads gets ``Cancelled``, the server is told."""
        self._stopped = True
        self._reader.cancel()

    def let_go(self) -> None:
        """Forget about the caller's ``Cancel``; at the end, whatever that was."""
        self._take_back()

    def _reason(self, error: FlightClientError, wait: Wait) -> FlightClientError:
        if error.id:  # the server's own word
            return error
        if wait.expired:
            return DeadlineExceeded(f"the server sent nothing for {self._watchdog.seconds:g} seconds")
        return Cancelled("the stream was closed while it was read") if self._stopped else error
