"""A plain Flight client: gooddata-flight-server has none of its own."""

from pyarrow import flight


class Client:
    def __init__(self, location):
        self._client = flight.connect(f"grpc://{location}")

    def put(self, name, table):
        writer, reader = self._client.do_put(flight.FlightDescriptor.for_command(name), table.schema)
        writer.write_table(table)
        writer.done_writing()
        reader.read()
        writer.close()
        return table.num_rows

    def get(self, name):
        return self._client.do_get(flight.Ticket(name)).read_all().num_rows
