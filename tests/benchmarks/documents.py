"""Documents over the wire, against what libraries do in process with the same file."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
from arro3.io import read_json, write_ndjson
from material import SCHEMA, write_csv, write_parquet
from material import write_ndjson as write_ndjson_file
from pairs import Case, compare
from processes import ours
from pyarrow import csv

import flight_client

WRITERS = {"csv": write_csv, "ndjson": write_ndjson_file, "parquet": write_parquet}


class Discard:
    """A file that keeps nothing, for writers to write to."""

    closed = False

    def write(self, data):
        return len(data)

    def writable(self):
        return True

    def flush(self):
        """Nothing to do."""

    def close(self):
        """Nothing to do."""


def _read_csv(path):
    for _ in csv.open_csv(path):
        pass


def _read_ndjson(path):
    for _ in pa.RecordBatchReader.from_stream(read_json(path, SCHEMA)):
        pass


def _read_parquet(path):
    for _ in pq.ParquetFile(path).iter_batches():
        pass


def _to_csv(table):
    csv.write_csv(table, Discard())


def _to_ndjson(table):
    write_ndjson(table.to_reader(), os.devnull, explicit_nulls=True)


def _to_parquet(table):
    pq.write_table(table, Discard(), compression="zstd")


READERS = {
    "csv": ("pyarrow.csv.open_csv", _read_csv),
    "ndjson": ("arro3 read_json", _read_ndjson),
    "parquet": ("pyarrow iter_batches", _read_parquet),
}
ENCODERS = {
    "csv": ("pyarrow.csv.write_csv", _to_csv),
    "ndjson": ("arro3 write_ndjson", _to_ndjson),
    "parquet": ("pyarrow write_table", _to_parquet),
}
EXCHANGES = [("csv", "parquet"), ("parquet", "csv"), ("ndjson", "parquet")]
TARGET = 0.9


def rows(table, folder, pairs):
    """Put, get and exchange of each format."""
    with ours(folder) as server, flight_client.connect(server.location) as client:
        client.put("big", table)
        for name, write in WRITERS.items():
            path = folder / f"document.{name}"
            write(table, path)
            yield _put(client, path, name, server, pairs)
            yield _get(client, table, name, server, pairs)
        for source, target in EXCHANGES:
            yield _exchange(client, folder / f"document.{source}", (source, target), server, pairs)


def _put(client, path, name, server, pairs):
    library, read = READERS[name]
    case = Case(name=f"{name} put", against=library, amount=path.stat().st_size / 1e6, target=TARGET)
    return compare(case, lambda: client.put("doc", path, mode="replace"), lambda: read(path), server=server, pairs=pairs)


def _get(client, table, name, server, pairs):
    library, encode = ENCODERS[name]
    case = Case(name=f"{name} get", against=library, amount=table.nbytes / 1e6, target=TARGET)
    return compare(
        case, lambda: _drain(client.get_bytes("big", format=name)), lambda: encode(table), server=server, pairs=pairs
    )


def _exchange(client, path, formats, server, pairs):
    source, target = formats
    case = Case(
        name=f"{source} to {target} by exchange",
        against="the same libraries in process",
        amount=path.stat().st_size / 1e6,
        target=TARGET,
    )

    def local():
        ENCODERS[target][1](_table(source, path))

    return compare(case, lambda: _drain(client.convert(path, to_format=target)), local, server=server, pairs=pairs)


def _table(name, path):
    if name == "csv":
        return csv.open_csv(path).read_all()
    if name == "parquet":
        return pq.read_table(path)
    return pa.RecordBatchReader.from_stream(read_json(path, SCHEMA)).read_all()


def _drain(document):
    for _ in document:
        pass
