"""The Flight service: each call is parsed, done and answered elsewhere; errors leave through the one boundary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from pyarrow import flight

from flight_server import actions, exchanges, gets, puts
from flight_server.boundary import guarded, guarded_stream
from flight_server.caller import Caller
from flight_server.calls import KEY, Call, Calls
from flight_server.host import Host

Context: TypeAlias = flight.ServerCallContext


class Service(flight.FlightServerBase):
    """A Flight server over a host; it serves as soon as it is made, and until ``shutdown()``."""

    def __init__(self, location: str, host: Host, calls: Calls) -> None:
        # Before the base class, which begins to serve.
        self._host = host
        self._calls = calls
        super().__init__(location, middleware={KEY: calls})

    @guarded
    def do_put(
        self,
        context: Context,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        """Store a stream as a version of a dataset."""
        puts.put(self._begin(context), context, descriptor, reader, writer)

    @guarded
    def do_get(self, context: Context, ticket: flight.Ticket) -> flight.FlightDataStream:
        """Send a version of a dataset."""
        return gets.get(self._begin(context), ticket)

    @guarded
    def do_exchange(
        self,
        context: Context,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.MetadataRecordBatchWriter,
    ) -> None:
        """Convert a stream."""
        exchanges.exchange(self._begin(context), context, descriptor, reader, writer)

    @guarded
    def get_flight_info(self, context: Context, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        """Tell what a get would send, and give the ticket for it."""
        return gets.info(self._begin(context), descriptor)

    @guarded
    def get_schema(self, context: Context, descriptor: flight.FlightDescriptor) -> flight.SchemaResult:  # type: ignore[override] # the stubs are wrong
        """Tell the schema of what a get would send."""
        return gets.schema(self._begin(context), descriptor)

    @guarded
    def list_flights(self, context: Context, criteria: bytes) -> Iterator[flight.FlightInfo]:  # type: ignore[override] # the stubs are wrong
        """List the datasets."""
        self._begin(context)
        return guarded_stream(gets.listing(self._host, criteria), "list_flights")

    @guarded
    def do_action(self, context: Context, action: flight.Action) -> Iterator[bytes]:
        """Carry out an action."""
        self._begin(context)
        return guarded_stream(actions.run(self._host, self._calls, action.type, action.body.to_pybytes()), action.type)

    @guarded
    def list_actions(self, context: Context) -> list[tuple[str, str]]:  # type: ignore[override] # the stubs are wrong
        """List the actions, a line each."""
        self._begin(context)
        return [(name, action.description) for name, action in actions.ACTIONS.items()]

    def _begin(self, context: Context) -> Host:
        """Take note of whose call it is, and return the host for it."""
        call = context.get_middleware(KEY)
        method = ""
        if isinstance(call, Call):
            call.peer, method = context.peer(), call.method
        # The context lives until the last byte of what the call returns is sent.
        return self._host.called_by(Caller(method, feeds=method == "do_exchange", has_gone=context.is_cancelled))
