"""Sending a source: all of it and then the word that it is whole, or the word that it is to be forgotten."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa
from pyarrow import flight

from flight_client.errors import FlightClientError, from_flight, translated
from flight_client.sources import Source


class Sending:
    """One source on its way. ``failure`` is what the source itself raised, as opposed to the line or the server."""

    def __init__(self, writer: flight.FlightStreamWriter, source: Source) -> None:
        self.failure: BaseException | None = None
        self._writer = writer
        self._source = source
        self._turn = time.monotonic()

    def turn(self) -> float:
        """Return since when it is the server's turn, on the monotonic clock; infinity while it is the source's."""
        return self._turn

    def run(self) -> None:
        """Write all of the source, commit it with its figures, and end the stream.

        Whatever goes wrong is told to the server, which then keeps nothing, and raised: an exception of the source as it
        is, a failure of the line or the server as a ``FlightClientError``.
        """
        try:
            self._write_all()
        except BaseException as error:
            # The end of a stream alone would look like success. The server ends the call at that word. So does the reader
            # then, by itself: to end our side here too would be twice at once, over which gRPC ends the process.
            with suppress(pa.ArrowException, OSError):
                self._writer.write_metadata(pa.py_buffer(abort_message(error)))
            raise

    def _write_all(self) -> None:
        batches = self._source.batches()
        while True:
            self._turn = math.inf
            try:
                batch = next(batches, None)
            except BaseException as error:
                self.failure = error
                raise
            finally:
                self._turn = time.monotonic()
            if batch is None:
                break
            with translated():
                self._writer.write_batch(batch)
        with translated():
            self._writer.write_metadata(pa.py_buffer(message({"commit": self._source.figures()})))
            self._writer.done_writing()


def abort_message(error: BaseException) -> bytes:
    """Return the word that what was sent is to be forgotten."""
    return message({"abort": f"{type(error).__name__}: {error}"[:200]})


def close(writer: flight.FlightStreamWriter) -> FlightClientError | None:
    """Close the stream, after all that the server sent was read; return the error that the call ended with, if any."""
    try:
        writer.close()
    except (pa.ArrowException, OSError) as error:
        # Made, not raised: its traceback would keep the frames of its callers, and with them the source, alive.
        return from_flight(error)
    return None


def more_telling(ended_with: FlightClientError | None, noticed: FlightClientError) -> FlightClientError:
    """Choose between what a call ended with and the failure that was noticed before: the server's own word is better."""
    return ended_with if ended_with is not None and ended_with.id else noticed


def message(members: Mapping[str, Any]) -> bytes:
    """Return a JSON object as it goes out; members that are None are left out."""
    return json.dumps({key: value for key, value in members.items() if value is not None}, separators=(",", ":")).encode()
