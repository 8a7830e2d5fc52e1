"""The bare alternative: what anyone writes first with pyarrow.flight. It checks nothing, and keeps what it is given."""

import os
import sys
import time

import pyarrow as pa
from pyarrow import flight


class InMemory(flight.FlightServerBase):
    """Keeps the record batches of one dataset in memory."""

    table = None

    def do_put(self, context, descriptor, reader, writer):
        self.table = reader.read_all()

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(self.table)


class Durable(InMemory):
    """Validates, writes one Arrow file and syncs it before it answers: the least that durable can mean."""

    path = sys.argv[2] if len(sys.argv) > 2 else ""

    def do_put(self, context, descriptor, reader, writer):
        with pa.OSFile(self.path, "wb") as sink, pa.ipc.new_stream(sink, reader.schema) as file:
            for chunk in reader:
                chunk.data.validate(full=True)
                file.write_batch(chunk.data)
        descriptor = os.open(self.path, os.O_RDWR)
        os.fsync(descriptor)
        os.close(descriptor)

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(pa.ipc.open_stream(pa.OSFile(self.path)))


if __name__ == "__main__":
    server = {"memory": InMemory, "durable": Durable}[sys.argv[1]]("grpc://127.0.0.1:0")
    print(f"grpc://127.0.0.1:{server.port}", flush=True)
    time.sleep(24 * 3600)
