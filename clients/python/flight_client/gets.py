"""A get: opened again while nothing was given out, and taken up where it broke off when its version is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyarrow import flight

from flight_client.cancelling import Cancel
from flight_client.errand import Errand
from flight_client.errors import FlightClientError, translated
from flight_client.line import Line
from flight_client.reading import Reading
from flight_client.sending import message


class Get:
    """The record batches of one do_get, or of several that make up one.

    ``resumes`` says that the request names a version and asks for rows: then a version being what it is for good, the
    rest can be asked for by ``offset``. Without it, only a get that has given out nothing is made again.
    """

    def __init__(self, line: Line, request: Mapping[str, Any], *, resumes: bool, cancel: Cancel) -> None:
        self._line = line
        self._request = dict(request)
        self._resumes = resumes
        self._cancel = cancel.linked()  # closing the stream ends this call alone
        self._tries = line.tries(self._cancel)
        self._rows = self._batches = 0
        self._fresh = True  # nothing was given out since the stream was opened the last time
        try:
            self._reading = self._opened()
            self.schema = self._reading.schema()
        except BaseException:
            self._cancel.unlink()
            raise

    def read(self) -> pa.RecordBatch:
        """Return the next batch, or raise ``StopIteration``."""
        while True:
            try:
                batch = self._reading.read()
            except FlightClientError as error:
                self._again(error)
                continue
            self._batches += 1
            self._rows += batch.num_rows
            self._fresh = False
            return batch

    def stop(self) -> None:
        """End the call, from any thread."""
        self._cancel.cancel()

    def finish(self, noticed: FlightClientError | None) -> FlightClientError | None:
        """Let go of everything."""
        self._reading.let_go()
        self._cancel.unlink()
        return noticed

    def _again(self, error: FlightClientError) -> None:
        """Open the rest of the stream, or raise why it is not to be had."""
        if self._batches and not self._resumes:
            raise error
        if not self._fresh:
            self._tries = self._line.tries(self._cancel)
        self._tries.again(error, heard=self._line.heard)
        reading = self._opened()
        if not reading.schema().equals(self.schema, check_metadata=True):
            reading.stop()
            reading.let_go()
            raise error  # another version has become the newest, and the caller was told of this one's schema
        self._reading.let_go()
        self._reading = reading
        self._fresh = True

    def _opened(self) -> Reading:
        while True:
            try:
                return self._open()
            except FlightClientError as error:
                self._tries.again(error, heard=self._line.heard)

    def _open(self) -> Reading:
        errand = Errand(self._call, lambda reader: reader.cancel())
        try:
            reader = errand.result(self._line.hands, self._line.idle_timeout, self._cancel)
        except FlightClientError as error:
            self._line.heard = self._line.heard or bool(error.id)
            raise
        self._line.heard = True
        return Reading(reader, self._line.watchdog, self._cancel)

    def _call(self) -> flight.FlightStreamReader:
        request = dict(self._request)
        if self._rows:  # never so without a version
            request["offset"] = (request.get("offset") or 0) + self._rows
            if (limit := request.get("limit")) is not None:
                request["limit"] = limit - self._rows
        with translated():
            return self._line.flight.do_get(flight.Ticket(message(request)), self._line.options())
