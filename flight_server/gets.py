"""A get, and what can be known of it before: its schema, its size, its ticket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pyarrow as pa
from pyarrow import flight

from flight_server import wire
from flight_server.address import address_of
from flight_server.host import Host, refuse_extras_of_native
from flight_server.outgoing import stream
from flight_server.selection import Selection
from flight_server.store.store import DatasetInfo, Snapshot
from flight_server.wire import NATIVE, Address, GetRequest


def get(host: Host, ticket: flight.Ticket) -> flight.FlightDataStream:
    """Carry out do_get: a stream of one version, fixed now."""
    request = wire.get_request(Address.of_ticket(ticket.ticket), host.extensions)
    with ExitStack() as stack:
        snapshot = stack.enter_context(host.store.snapshot(request.dataset, request.version))
        selection = Selection.of(snapshot.schema, request.columns)
        if request.format != NATIVE:
            lease = stack.enter_context(host.registry.lease(request.format))
            writer = host.writer(lease, request.options, request.content_encoding)
            rows = _rows(snapshot, request, selection)
            return stream(writer.schema, _held(writer.batches(rows, selection.schema), stack.pop_all()), "do_get")
        refuse_extras_of_native(request.options, request.content_encoding)
        if request.whole and snapshot.native():
            # Arrow's own reader holds what it reads: the segment may go, its bytes stay until the stream ends.
            return flight.RecordBatchStream(snapshot.reader())
        rows = _rows(snapshot, request, selection)
        return stream(selection.schema, _held(rows, stack.pop_all()), "do_get")


def info(host: Host, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
    """Return what do_get with the same request would send, and a ticket pinned to the version that it is of."""
    request = wire.get_request(address_of(descriptor), host.extensions)
    with host.store.snapshot(request.dataset, request.version) as snapshot:
        native = request.format == NATIVE
        return flight.FlightInfo(
            _schema(host, request, snapshot),
            descriptor,
            [flight.FlightEndpoint(request.ticket(snapshot.version), [])],
            total_records=_count(snapshot.rows, request) if native else -1,
            total_bytes=snapshot.bytes if native and request.whole else -1,
            ordered=True,
            app_metadata=_app_metadata(snapshot),
        )


def schema(host: Host, descriptor: flight.FlightDescriptor) -> flight.SchemaResult:
    """Return the schema of what do_get with the same request would send."""
    request = wire.get_request(address_of(descriptor), host.extensions)
    with host.store.snapshot(request.dataset, request.version) as snapshot:
        return flight.SchemaResult(_schema(host, request, snapshot))


def listing(host: Host, criteria: bytes) -> Iterator[flight.FlightInfo]:
    """Yield one native FlightInfo a dataset, in name order."""
    prefix = wire.prefix_of(criteria)
    extensions = host.extensions
    for dataset in host.store.list(prefix):
        request = GetRequest(dataset=dataset.dataset)
        parts = dataset.dataset.split("/")
        short = wire.short_form(parts, extensions)[1] is None
        descriptor = (
            flight.FlightDescriptor.for_path(*parts)
            if short
            else flight.FlightDescriptor.for_command(request.ticket(dataset.version))
        )
        yield flight.FlightInfo(
            dataset.schema,
            descriptor,
            [flight.FlightEndpoint(request.ticket(dataset.version), [])],
            total_records=dataset.rows,
            total_bytes=dataset.bytes,
            ordered=True,
            app_metadata=_app_metadata(dataset),
        )


def _schema(host: Host, request: GetRequest, snapshot: Snapshot) -> pa.Schema:
    selection = Selection.of(snapshot.schema, request.columns)
    if request.format == NATIVE:
        refuse_extras_of_native(request.options, request.content_encoding)
        return selection.schema
    with host.registry.lease(request.format) as lease:
        return host.writer(lease, request.options, request.content_encoding).schema


def _rows(snapshot: Snapshot, request: GetRequest, selection: Selection) -> Iterator[pa.RecordBatch]:
    for batch in snapshot.batches(offset=request.offset, limit=request.limit):
        yield selection.apply(batch)


def _held(batches: Iterator[pa.RecordBatch], leases: ExitStack) -> Iterator[pa.RecordBatch]:
    """Yield ``batches``, and let go of the snapshot and the plugin with the last one, or when the client goes."""
    with leases:
        yield from batches


def _count(rows: int, request: GetRequest) -> int:
    left = max(rows - request.offset, 0)
    return left if request.limit is None else min(left, request.limit)


def _app_metadata(dataset: DatasetInfo | Snapshot) -> bytes:
    return wire.text(
        {
            "dataset": dataset.dataset,
            "version": dataset.version,
            "rows": dataset.rows,
            "bytes": dataset.bytes,
            "created": wire.timestamp(dataset.created),
            "updated": wire.timestamp(dataset.updated),
        }
    )
