"""The methods of a gooddata-flight-server, which has none of its own: datasets by name, in memory."""

from gooddata_flight_server import FlightServerMethods, flight_server_methods
from pyarrow import flight


class InMemory(FlightServerMethods):
    def __init__(self):
        self._tables = {}

    def do_put(self, context, descriptor, reader, writer):
        self._tables[descriptor.command] = reader.read_all()

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(self._tables[ticket.ticket])


@flight_server_methods
def make(context):
    return InMemory()
