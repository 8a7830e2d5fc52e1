"""Documents over the wire, against what the libraries do in process with the same file or table, and no server."""

import functools
import os

import pyarrow as pa
import pyarrow.parquet as pq
from arro3.io import read_json, write_ndjson
from material import PARQUET, SCHEMA, WRITERS
from pairs import Case, Target, compare
from processes import ours, settle
from pyarrow import csv
from pyarrow import json as pyarrow_json

import flight_client

EXCHANGES = [("csv", "parquet"), ("parquet", "csv"), ("ndjson", "parquet")]
TARGET = Target(of="ratio", least=0.9)


def _stream_csv(path):
    return csv.open_csv(path)


def _stream_ndjson(path):
    return pa.RecordBatchReader.from_stream(read_json(str(path), SCHEMA))


def _stream_parquet(path):
    file = pq.ParquetFile(path)
    return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())


def _to_csv(table):
    csv.write_csv(table, pa.MockOutputStream())


def _to_ndjson(table):
    write_ndjson(table.to_reader(), os.devnull, explicit_nulls=True)


def _to_parquet(table):
    pq.write_table(table, pa.MockOutputStream(), **PARQUET)


#: The whole file at once, by all cores, in as much memory as it takes.
WHOLE = {
    "csv": ("pyarrow.csv.read_csv, whole file", csv.read_csv),
    "ndjson": ("pyarrow.json.read_json, whole file", lambda path: pyarrow_json.read_json(str(path))),
    "parquet": ("pyarrow read_table, whole file", pq.read_table),
}
#: Batch by batch, in bounded memory, as the server has to.
STREAMED = {
    "csv": ("pyarrow.csv.open_csv, streamed", _stream_csv),
    "ndjson": ("arro3 read_json, streamed", _stream_ndjson),
    "parquet": ("pyarrow iter_batches, streamed", _stream_parquet),
}
#: From a table in memory to nowhere.
ENCODERS = {
    "csv": ("pyarrow.csv.write_csv", _to_csv),
    "ndjson": ("arro3 write_ndjson", _to_ndjson),
    "parquet": ("pyarrow write_table, same codec", _to_parquet),
}


def rows(table, folder, pairs):
    """Put, get and exchange of each format."""
    with ours(folder) as server, flight_client.connect(server.location) as client:
        client.put("big", table)
        for name, write in WRITERS.items():
            write(table, folder / f"document.{name}")
        settle()
        for name in WRITERS:
            yield from _put(client, folder / f"document.{name}", name, server, pairs)
            yield from _get(client, table, name, server, pairs)
        for source, target in EXCHANGES:
            yield from _exchange(client, folder / f"document.{source}", (source, target), server, pairs)


def _put(client, path, name, server, pairs):
    case = functools.partial(Case, part="put", name=f"{name} put", amount=path.stat().st_size / 1e6)
    others = [
        (case(against=WHOLE[name][0], target=TARGET), lambda: WHOLE[name][1](path)),
        (case(against=STREAMED[name][0], target=TARGET), lambda: drain(STREAMED[name][1](path))),
        (case(against="the same streamed, validated, one file, fsync"), lambda: _kept(STREAMED[name][1](path), path)),
    ]
    return compare(lambda: client.put("doc", path, mode="replace"), others, server=server, pairs=pairs)


def _kept(batches, path):
    with path.with_suffix(".arrows").open("wb") as file:
        with pa.ipc.new_stream(file, batches.schema) as sink:
            for batch in batches:
                batch.validate(full=True)
                sink.write_batch(batch)
        file.flush()
        os.fsync(file.fileno())


def _get(client, table, name, server, pairs):
    library, encode = ENCODERS[name]
    case = Case(part="get", name=f"{name} get", against=library, amount=table.nbytes / 1e6, target=TARGET)
    return compare(
        lambda: drain(client.get_bytes("big", format=name)), [(case, lambda: encode(table))], server=server, pairs=pairs
    )


def _exchange(client, path, formats, server, pairs):
    source, target = formats
    case = Case(
        part="exchange",
        name=f"{source} to {target} by exchange",
        against="the same libraries in process, whole file",
        amount=path.stat().st_size / 1e6,
        target=TARGET,
    )
    others = [(case, lambda: ENCODERS[target][1](WHOLE[source][1](path)))]
    return compare(lambda: drain(client.convert(path, to_format=target)), others, server=server, pairs=pairs)


def drain(parts):
    """Take everything and keep nothing."""
    for _ in parts:
        pass
