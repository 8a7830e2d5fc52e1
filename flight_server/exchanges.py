"""An exchange: what comes in is converted and goes out, in bounded memory, and nothing is kept."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager

import pyarrow as pa
from pyarrow import flight

from flight_server import wire
from flight_server.address import address_of
from flight_server.errors import IncompletePut
from flight_server.host import Host, Writer, refuse_extras_of_native
from flight_server.incoming import Incoming
from flight_server.inputs import Input
from flight_server.plugins.registry import Lease
from flight_server.selection import Selection, limited
from flight_server.wire import NATIVE, Side
from format_plugins.slicing import sliced


def exchange(
    host: Host,
    context: flight.ServerCallContext,
    descriptor: flight.FlightDescriptor,
    reader: flight.MetadataRecordBatchReader,
    writer: flight.MetadataRecordBatchWriter,
) -> None:
    """Carry out do_exchange; an error in the input ends the output with that error, never with a short document."""
    request = wire.exchange_request(address_of(descriptor))
    with ExitStack() as stack:
        formats = dict.fromkeys(side.format for side in (request.target, request.source) if side.format != NATIVE)
        # Together: a plugin that is replaced in this moment must not read as one generation and write as the next.
        leases = host.registry.lease_together(formats)
        for lease in leases.values():
            stack.enter_context(lease)
        sink = _sink(host, request.target, leases.get(request.target.format))
        source = Input(host, request.source, leases.get(request.source.format))
        incoming = Incoming(reader, host.limits)
        rows = stack.enter_context(closing(source.open(incoming)))
        selection = Selection.of(rows.schema, request.columns)
        wanted = (selection.apply(batch) for batch in limited(rows, request.limit))
        with _telling():
            writer.begin(selection.schema if sink is None else sink.schema)
        output = _native(wanted) if sink is None else sink.batches(wanted, selection.schema)
        with closing(output):
            for batch in output:
                with _telling():
                    writer.write_batch(batch)
        if context.is_cancelled():
            raise IncompletePut("the call was cancelled before its end")
        if request.limit is None:
            incoming.check_figures(rows=rows.rows, document=source.of_document)
        else:
            incoming.drain()  # what lies behind the limit is of no interest


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except flight.FlightInternalError:  # how Flight says that nobody reads any more
        raise IncompletePut("the client has gone before the end") from None


def _sink(host: Host, side: Side, lease: Lease | None) -> Writer | None:
    if lease is not None:
        return host.writer(lease, side.options, side.content_encoding)
    refuse_extras_of_native(side.options, side.content_encoding)
    return None


def _native(batches: Iterator[pa.RecordBatch]) -> Generator[pa.RecordBatch, None, None]:
    for batch in batches:
        yield from sliced(batch)
