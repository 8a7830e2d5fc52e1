"""Record batches on their way to a client: through Arrow's own readers where nothing has to be done to them."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyarrow import flight

from flight_server.boundary import guarded_stream


def stream(schema: pa.Schema, batches: Iterator[pa.RecordBatch], call: str) -> flight.FlightDataStream:
    """Return a stream of Python-made batches; an error on the way reaches the client whole.

    A ``RecordBatchStream`` over a Python iterator would lose the error's extra_info, and a ``GeneratorStream`` of record
    batches breaks on dictionaries, which it sends only with tables.
    """
    guard = guarded_stream(batches, call)
    if _has_dictionary(schema):
        return flight.GeneratorStream(schema, (pa.Table.from_batches([batch]) for batch in guard if batch.num_rows))
    return flight.GeneratorStream(schema, guard)


def _has_dictionary(schema: pa.Schema) -> bool:
    return any(_holds_dictionary(field.type) for field in schema)


def _holds_dictionary(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _holds_dictionary(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return True
    return any(_holds_dictionary(kind.field(index).type) for index in range(kind.num_fields))
