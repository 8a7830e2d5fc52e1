"""xorq's own client; a put makes a table of a new name, for one of a known name is inserted into."""

import itertools

from xorq.flight import connect


class Client:
    def __init__(self, location):
        host, port = location.split(":")
        self._backend = connect(host=host, port=int(port))
        self._numbers = itertools.count()
        self._names = {}

    def put(self, name, table):
        self._names[name] = f"{name}_{next(self._numbers)}"
        self._backend.con.upload_table(self._names[name], table)
        return table.num_rows

    def get(self, name):
        return self._backend.con.execute(self._backend.table(self._names[name])).num_rows
