"""A put on its way: rows are written aside, and become a version all at once or not at all."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self

import pyarrow as pa

from flight_server.errors import IncompletePut, SchemaMismatch, Unsupported
from flight_server.store.commits import Committer
from flight_server.store.faults import translated
from flight_server.store.fitting import Fit
from flight_server.store.ledger import Put
from flight_server.store.records import Mode, Receipt
from flight_server.store.writing import SegmentWriter


class StagedPut:
    """Rows of one put. Leaving its block without ``commit`` discards them; so does ``discard``, from any thread."""

    def __init__(  # noqa: PLR0913 - made in one place
        self,
        *,
        dataset: str,
        mode: Mode,
        put_id: str | None,
        schema: pa.Schema,
        fit: Fit | None,
        writer: SegmentWriter,
        committer: Committer,
        clock: Callable[[], float],
    ) -> None:
        self.rows = 0
        self.bytes = 0
        self._dataset = dataset
        self._mode: Mode = mode
        self._put_id = put_id
        self._schema = schema
        self._fit = fit
        self._writer = writer
        self._committer = committer
        self._clock = clock
        self._lock = threading.Lock()  # this put's alone: a discard waits for the batch that is being written
        self.ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.discard()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a validated batch. Raises ``SchemaMismatch``, ``StorageFull``, and ``IncompletePut`` after a discard."""
        with self._lock:
            self._check_open()
            fitted = batch if self._fit is None else self._fit.apply(batch)
            if not fitted.schema.equals(self._schema):
                raise SchemaMismatch("a record batch has not the schema that its stream announced")
            with _faults():
                self._writer.write(fitted)
            self.rows = self._writer.rows
            self.bytes = self._writer.bytes

    def commit(self, details: Mapping[str, object]) -> Receipt:
        """Make the rows a version, durably, and return its receipt; or that of an earlier put of the same ``put_id``.

        ``details`` must be JSON's; they are kept with the put_id. Raises ``DatasetExists``, ``SchemaMismatch``,
        ``StorageFull``, ``Internal``: nothing was stored then.
        """
        with self._lock:
            self._check_open()
            self.ended = True
            try:
                return self._committed(dict(details))
            finally:
                self._writer.discard()

    def discard(self) -> None:
        """Leave nothing behind of what is not committed."""
        with self._lock:
            if not self.ended:
                self.ended = True
                self._writer.discard()

    def _committed(self, details: dict[str, object]) -> Receipt:
        with _faults():
            sealed = self._writer.seal()
        self.bytes = self._writer.bytes
        put = Put(
            dataset=self._dataset,
            mode=self._mode,
            put_id=self._put_id,
            schema=self._schema,
            sealed=sealed,
            bytes=self.bytes,
            details=details,
        )
        return self._committer.commit(
            lambda ledger: ledger.put(put, self._clock()),
            file=sealed.file if sealed else None,
            unwanted=lambda receipt: receipt.replayed,
        )

    def _check_open(self) -> None:
        if self.ended:
            raise IncompletePut("the put has ended already: it was committed or discarded")


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    """Say what the disk, or Arrow, refused in the client's terms."""
    try:
        yield
    except OSError as error:
        raise translated(error) from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Unsupported(f"these rows cannot be stored: {error}") from error
