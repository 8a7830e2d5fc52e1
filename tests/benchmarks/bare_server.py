"""The bare alternative: what anyone writes first with pyarrow.flight. It keeps what it is given, under no name."""

import itertools
import os
import sys
import time
from pathlib import Path

import pyarrow as pa
from pyarrow import flight


class InMemory(flight.FlightServerBase):
    """Keeps the record batches of the last put in memory, unchecked."""

    table = None

    def do_put(self, context, descriptor, reader, writer):
        self.table = reader.read_all()

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(self.table)


class Durable(flight.FlightServerBase):
    """Validates, writes one Arrow file and syncs it before it answers: the least that durable can mean.

    Each put has a file of its own: writing over the last one would pay for throwing that away.
    """

    numbers = itertools.count()

    def do_put(self, context, descriptor, reader, writer):
        with Path(sys.argv[2], f"{next(self.numbers)}.arrows").open("wb") as file:
            with pa.ipc.new_stream(file, reader.schema) as sink:
                for chunk in reader:
                    chunk.data.validate(full=True)
                    sink.write_batch(chunk.data)
            file.flush()
            os.fsync(file.fileno())


if __name__ == "__main__":
    server = {"memory": InMemory, "durable": Durable}[sys.argv[1]]("grpc://127.0.0.1:0")
    print(f"grpc://127.0.0.1:{server.port}", flush=True)
    time.sleep(24 * 3600)
