"""The bare alternative: what anyone writes first with pyarrow.flight. It keeps what it is given, under no name."""

import itertools
import os
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from material import PARQUET
from pyarrow import csv, flight, json

#: From a document in memory to a table, by all cores, and back.
READ = {"csv": csv.read_csv, "ndjson": json.read_json, "parquet": pq.read_table}
WRITE = {"csv": csv.write_csv, "parquet": lambda table, sink: pq.write_table(table, sink, **PARQUET)}
PAYLOAD = pa.schema([("payload", pa.binary())])
CHUNK_BYTES = 2 << 20


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


class Documents(Durable):
    """Takes in a whole document, has pyarrow read it, and does as above; or has pyarrow write it anew, and sends that."""

    def do_put(self, context, descriptor, reader, writer):
        table = READ[descriptor.path[0].decode()](document(reader))
        table.validate(full=True)
        with Path(sys.argv[2], f"{next(self.numbers)}.arrows").open("wb") as file:
            with pa.ipc.new_stream(file, table.schema) as sink:
                sink.write_table(table)
            file.flush()
            os.fsync(file.fileno())

    def do_exchange(self, context, descriptor, reader, writer):
        source, target = (name.decode() for name in descriptor.path)
        sink = pa.BufferOutputStream()
        WRITE[target](READ[source](document(reader)), sink)
        written = memoryview(sink.getvalue())
        writer.begin(PAYLOAD)
        for start in range(0, len(written), CHUNK_BYTES):
            writer.write_batch(
                pa.record_batch([pa.array([bytes(written[start : start + CHUNK_BYTES])], pa.binary())], schema=PAYLOAD)
            )


def document(reader):
    """What a client sends, as one file."""
    return pa.BufferReader(b"".join(row.as_py() for chunk in reader for row in chunk.data.column(0)))


if __name__ == "__main__":
    server = {"memory": InMemory, "durable": Durable, "documents": Documents}[sys.argv[1]]("grpc://127.0.0.1:0")
    print(f"grpc://127.0.0.1:{server.port}", flush=True)
    time.sleep(24 * 3600)
