"""The Flight service: each call is parsed, done and answered elsewhere; errors leave through the one boundary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from pyarrow import flight

from flight_server import actions, exchanges, gets, puts
from flight_server.boundary import guarded, guarded_stream
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
        self._begin(context)
        puts.put(self._host, context, descriptor, reader, writer)

    @guarded
    def do_get(self, context: Context, ticket: flight.Ticket) -> flight.FlightDataStream:
        """Send a version of a dataset."""
        self._begin(context)
        return gets.get(self._host, ticket)

    @guarded
    def do_exchange(
        self,
        context: Context,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.MetadataRecordBatchWriter,
    ) -> None:
        """Convert a stream."""
        self._begin(context)
        exchanges.exchange(self._host, context, descriptor, reader, writer)

    @guarded
    def get_flight_info(self, context: Context, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        """Tell what a get would send, and give the ticket for it."""
        self._begin(context)
        return gets.info(self._host, descriptor)

    @guarded
    def get_schema(self, context: Context, descriptor: flight.FlightDescriptor) -> flight.SchemaResult:  # type: ignore[override] # the stubs are wrong
        """Tell the schema of what a get would send."""
        self._begin(context)
        return gets.schema(self._host, descriptor)

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

    def _begin(self, context: Context) -> None:
        call = context.get_middleware(KEY)
        if isinstance(call, Call):
            call.peer = context.peer()
