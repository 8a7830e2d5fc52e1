"""A plugin's codec as the server sees it, while the plugin itself runs in a child process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, Self, TypeVar

import pyarrow as pa

from flight_server.caller import Caller
from flight_server.errors import BadPayload
from flight_server.runtime.feeding import BatchInput, DocumentInput, Input
from flight_server.runtime.frames import Read, Write
from flight_server.runtime.link import LinkError
from flight_server.runtime.turn import Turn
from flight_server.runtime.units import UnitReader, UnitWriter
from format_plugins.streams import ByteStream

T = TypeVar("T")


class Lender(Protocol):
    """Who lends the child of a turn, and takes it back."""

    def turn(self, options: bytes, caller: Caller) -> Turn:
        """Have a child make a codec with these options, JSON. Raises what ``Lease.create_format`` does."""
        ...

    def settle(self, turn: Turn, error: BaseException | None) -> BaseException | None:
        """Take the child back, or end it, as the turn went; return what is to be raised instead of ``error``."""
        ...

    def leave(self, turn: Turn) -> None:
        """Take note that nobody goes on with a turn; called anywhere, a garbage collection included."""
        ...


class RemoteCodec:
    """A ``DataFormat`` for one stream. What the plugin cannot do, its capabilities say.

    Its child has made the codec when this is made. A second stream, if there is one, has a child of its own.
    """

    def __init__(self, lender: Lender, options: bytes, caller: Caller) -> None:
        self._lender = lender
        self._options = options
        self._caller = caller
        self._turn: Turn | None = None
        self._turn = lender.turn(options, caller)

    def read_batches(self, data: Any) -> pa.RecordBatchReader:  # noqa: ANN401 - a buffer
        """Decode a whole document."""
        return self.read_batches_from_stream(None, ByteStream([data]))

    def read_batches_from_stream(self, schema: pa.Schema | None, stream: ByteStream) -> pa.RecordBatchReader:
        """Decode a document; returns when its schema is known."""
        hint = None if schema is None else schema.serialize().to_pybytes()
        batches = RemoteBatches(self._stream(), Read(hint, stream.spool_limit_bytes, stream.name), stream)
        return pa.RecordBatchReader.from_batches(batches.schema, batches)

    def write_batches(self, batches: pa.RecordBatchReader) -> Iterator[pa.Buffer]:
        """Encode record batches; yields buffers of this process's own memory."""
        writer = UnitWriter(batches.schema)
        with self._stream() as stream:
            stream.begin(Write(writer.schema.to_pybytes()), BatchInput(batches, writer))
            while (unit := stream.unit()) is not None:
                yield unit

    def close(self) -> None:
        """Give the child back, if the codec was not used."""
        turn, self._turn = self._turn, None
        if turn is not None:
            self._lender.leave(turn)

    def _stream(self) -> RemoteStream:
        turn, self._turn = self._turn, None
        return RemoteStream(self._lender, turn or self._lender.turn(self._options, self._caller))

    def __del__(self) -> None:
        self.close()


class RemoteStream:
    """One stream in a child, which is lent until the stream ends, fails, or is left: a context manager that leaves it."""

    def __init__(self, lender: Lender, turn: Turn) -> None:
        self._lender = lender
        self._turn: Turn | None = turn
        #: Whether the document went on behind its end.
        self.has_rest = False

    def begin(self, order: Read | Write, source: Input) -> None:
        """Have the child begin."""
        self._step(lambda turn: turn.begin(order, source))

    def unit(self) -> pa.Buffer | None:
        """Return the next unit of output; None at the end, and after it."""
        return self._step(lambda turn: turn.unit())

    def arrow(self, make: Callable[[pa.Buffer], T]) -> T | None:
        """Return what ``make`` makes of the next unit; that it cannot is the child's fault."""

        def step(turn: Turn) -> T | None:
            if (unit := turn.unit()) is None:
                return None
            try:
                made = make(unit)
            except Exception as error:  # noqa: BLE001 - whatever it is that hostile bytes bring about
                raise LinkError(f"what is no Arrow data: {error}") from None
            if isinstance(made, pa.RecordBatch):
                turn.note_rows(made.num_rows)
            return made

        return self._step(step)

    def leave(self) -> None:
        """Go on no more."""
        turn, self._turn = self._turn, None
        if turn is not None:
            self._lender.leave(turn)

    def _step(self, step: Callable[[Turn], T]) -> T | None:
        turn = self._turn
        if turn is None:
            return None
        try:
            made = step(turn)
        except BaseException as error:
            self._turn = None
            instead = self._lender.settle(turn, error)
            if instead is None:
                raise
            raise instead from None
        if turn.is_over:
            self._turn, self.has_rest = None, turn.has_rest
            self._lender.settle(turn, None)
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def __del__(self) -> None:
        self.leave()


class RemoteBatches:
    """The record batches of a document: an iterator that knows their schema."""

    def __init__(self, stream: RemoteStream, order: Read, source: ByteStream) -> None:
        self._stream = stream
        stream.begin(order, DocumentInput(source))
        reader = stream.arrow(UnitReader)
        if reader is None:
            raise BadPayload("the document ended before its schema")
        self._reader = reader

    @property
    def schema(self) -> pa.Schema:
        """The schema of every batch."""
        return self._reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        batch = self._stream.arrow(self._reader.batch)
        if batch is not None:
            return batch
        if self._stream.has_rest:
            raise BadPayload("there are bytes after the end of the document")
        raise StopIteration
