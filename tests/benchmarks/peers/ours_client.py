"""This project's own client."""

import flight_client


class Client:
    def __init__(self, location):
        self._client = flight_client.connect(location)

    def put(self, name, table):
        return self._client.put(name, table, mode="replace").rows

    def get(self, name):
        return self._client.get(name).read_all().num_rows

    def document(self, name, kind):
        return len(self._client.get_bytes(name, format=kind).read_all())
