"""What a client sends in a put or an exchange: record batches, validated and counted, and the word that ends them."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyarrow import flight

from flight_server import payload
from flight_server.config import LimitsConfig
from flight_server.errors import BadPayload, BadRequest, IncompletePut, LimitExceeded
from flight_server.validation import Validation
from flight_server.wire import Abort, Commit, control_message
from format_plugins.slicing import MAX_BATCH_ROWS, data_bytes

#: An empty message looks to pyarrow like the end of the stream, and what follows it would be lost without a word: the
#: end is believed only when it is there this many times in a row.
_ENDS_IN_A_ROW = 3


class Incoming:
    """A client's stream, read once, in the thread of the call that it belongs to.

    ``rows`` counts rows of data (for a native stream), ``bytes`` and ``chunks`` what arrived (for a payload stream the
    document's bytes and the rows that carried it).
    """

    def __init__(self, reader: flight.MetadataRecordBatchReader, limits: LimitsConfig) -> None:
        self._reader = reader
        self._limits = limits
        self.schema: pa.Schema = _schema(reader)
        if len(self.schema) > limits.columns:
            raise LimitExceeded(f"the stream has {len(self.schema):,} columns; limits.columns allows {limits.columns:,}")
        self.commit: Commit | None = None
        self.rows = self.bytes = self.chunks = 0
        self._validation = Validation()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the record batches of a native stream."""
        for batch, size in self._validated():
            self.bytes += size
            yield batch

    def document(self) -> Iterator[pa.Buffer]:
        """Yield the chunks of a payload stream."""
        for batch, _ in self._validated():
            chunk = payload.chunk_of(batch)
            self.bytes += chunk.size
            self.chunks += batch.num_rows
            yield chunk

    def drain(self) -> None:
        """Read to the end and forget: an answer before the client has sent all would look to it like a broken line.

        Raises ``IncompletePut`` when the client aborts: it need not end its side after that.
        """
        ends = 0
        while ends < _ENDS_IN_A_ROW:
            if (chunk := self._read()) is None:
                ends += 1
                continue
            ends = 0
            if chunk.data is None:
                self._take(chunk.app_metadata)

    def check_figures(self, *, rows: int, document: bool) -> None:
        """Hold the client's commit figures, when it gave any, against what arrived; raise ``IncompletePut``."""
        if self.commit is None:
            return
        arrived = {"rows": rows, "bytes": self.bytes, "chunks": self.chunks} if document else {"rows": rows}
        for name, count in arrived.items():
            said = getattr(self.commit, name)
            if said is not None and said != count:
                raise IncompletePut(f"the client committed {said:,} {name}, {count:,} arrived; nothing was stored")

    def _validated(self) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Yield each batch with its size in bytes."""
        while (batch := self._next()) is not None:
            self._check_rows(batch)
            try:
                # Offsets that point out of their buffers kill whoever follows them: nobody does before this.
                self._validation.check(batch)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise BadPayload(
                    f"record batch {self.rows:,} rows in is not valid Arrow data: {error}", row=self.rows
                ) from None
            if (size := data_bytes(batch)) > self._limits.batch_bytes:
                raise LimitExceeded(
                    f"a record batch has {size:,} bytes; limits.batch_bytes allows {self._limits.batch_bytes:,}: "
                    "send smaller batches"
                )
            self.rows += batch.num_rows
            yield batch, size

    def _check_rows(self, batch: pa.RecordBatch) -> None:
        # Before all else: columns of nulls, or none, take no bytes, and Arrow cannot write what is longer.
        if batch.num_rows > MAX_BATCH_ROWS:
            raise LimitExceeded(
                f"a record batch has {batch.num_rows:,} rows; {MAX_BATCH_ROWS:,} are the most: send smaller ones"
            )

    def _next(self) -> pa.RecordBatch | None:
        """Return the next batch with data; take in control messages on the way."""
        ends = 0
        while True:
            if (chunk := self._read()) is None:
                ends += 1
                if ends == _ENDS_IN_A_ROW:
                    return None
                continue
            if ends:
                raise BadRequest("the stream holds an empty message, after which clients' libraries lose data")
            if self.commit is not None:
                raise BadRequest("something follows the commit message, which must be the last")
            if chunk.data is not None:
                return chunk.data
            self._take(chunk.app_metadata)

    def _read(self) -> flight.FlightStreamChunk | None:
        """Return the next message, None for what may be the end."""
        try:
            return self._reader.read_chunk()
        except StopIteration:
            return None
        except (pa.ArrowException, OSError) as error:
            raise BadPayload(f"the stream of record batches cannot be read: {error}") from None

    def _take(self, body: pa.Buffer | None) -> None:
        message = control_message(b"" if body is None else body.to_pybytes())
        if isinstance(message, Abort):
            raise IncompletePut(f"aborted by the client: {message.why:.200}")
        self.commit = message


def _schema(reader: flight.MetadataRecordBatchReader) -> pa.Schema:
    try:
        return reader.schema
    except (pa.ArrowException, OSError, StopIteration) as error:
        raise BadRequest(f"the stream has no readable Arrow schema: {error}") from None
