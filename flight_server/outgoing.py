"""Record batches on their way to a client: through Arrow's own readers where nothing has to be done to them."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyarrow import flight

from flight_server.boundary import guarded_stream
from format_plugins.kinds import holds


def stream(schema: pa.Schema, batches: Iterator[pa.RecordBatch], call: str) -> flight.FlightDataStream:
    """Return a stream of Python-made batches; an error on the way reaches the client whole.

    A ``RecordBatchStream`` over a Python iterator would lose the error's extra_info, and a ``GeneratorStream`` of record
    batches breaks on dictionaries, which it sends only with tables.
    """
    guard = guarded_stream(batches, call)
    if any(holds(kind, pa.types.is_dictionary) for kind in schema.types):
        return flight.GeneratorStream(schema, (pa.Table.from_batches([batch]) for batch in guard if batch.num_rows))
    return flight.GeneratorStream(schema, guard)
