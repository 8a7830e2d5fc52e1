"""Documents over the wire, against what the libraries do in process with the same file or table, and no server."""

import functools
import os

import pyarrow as pa
import pyarrow.parquet as pq
from arro3.io import read_json, write_ndjson
from material import PARQUET, SCHEMA, WRITERS
from pairs import Case, Target, compare
from processes import bare, ours, settle
from pyarrow import csv, flight
from pyarrow import json as pyarrow_json

import flight_client

EXCHANGES = [("csv", "parquet"), ("parquet", "csv"), ("ndjson", "parquet")]
TARGET = Target(of="ratio", least=0.9)
BARE = "bare server: the whole document, the same library"
PAYLOAD = pa.schema([("payload", pa.binary())])
CHUNK_BYTES = 2 << 20


def _stream_csv(path):
    return csv.open_csv(path)


def _stream_json(path):
    return pyarrow_json.open_json(path)


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
    "csv": [("pyarrow.csv.open_csv, streamed", _stream_csv)],
    "ndjson": [("arro3 read_json, streamed", _stream_ndjson), ("pyarrow.json.open_json, streamed", _stream_json)],
    "parquet": [("pyarrow iter_batches, streamed", _stream_parquet)],
}
#: From a table in memory to nowhere.
ENCODERS = {
    "csv": ("pyarrow.csv.write_csv", _to_csv),
    "ndjson": ("arro3 write_ndjson", _to_ndjson),
    "parquet": ("pyarrow write_table, same codec", _to_parquet),
}


def rows(table, folder, pairs):
    """Put, get and exchange of each format."""
    with (
        ours(folder) as server,
        flight_client.connect(server.location) as client,
        bare("documents", folder) as other,
        flight.connect(other.location) as bare_client,
    ):
        client.put("big", table)
        for name, write in WRITERS.items():
            write(table, folder / f"document.{name}")
        settle()
        for name in WRITERS:
            yield from _put((client, bare_client), folder / f"document.{name}", name, server, pairs)
            yield from _get(client, table, name, server, pairs)
        for source, target in EXCHANGES:
            yield from _exchange((client, bare_client), folder / f"document.{source}", (source, target), server, pairs)


def _put(clients, path, name, server, pairs):
    client, bare_client = clients
    case = functools.partial(Case, part="put", name=f"{name} put", amount=path.stat().st_size / 1e6)
    others = [(case(against=WHOLE[name][0], target=TARGET), lambda: WHOLE[name][1](path))]
    for against, read in STREAMED[name]:
        others.append((case(against=against, target=TARGET), lambda read=read: drain(read(path))))
    read = STREAMED[name][0][1]
    others += [
        (case(against="the first streamed, validated, one file, fsync"), lambda: _kept(read(path), path)),
        (case(against=f"{BARE}, validates, one file, fsync"), lambda: _put_bare(bare_client, path, name)),
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


def _exchange(clients, path, formats, server, pairs):
    client, bare_client = clients
    source, target = formats
    case = functools.partial(Case, part="exchange", name=f"{source} to {target} by exchange", amount=path.stat().st_size / 1e6)
    in_process = case(against="the same libraries in process, whole file", target=TARGET)
    others = [
        (in_process, lambda: ENCODERS[target][1](WHOLE[source][1](path))),
        (case(against=BARE), lambda: _exchange_bare(bare_client, path, formats)),
    ]
    return compare(lambda: drain(client.convert(path, to_format=target)), others, server=server, pairs=pairs)


def _put_bare(client, path, name):
    writer, reader = client.do_put(flight.FlightDescriptor.for_path(name), PAYLOAD)
    _send(writer, path)
    while reader.read() is not None:
        pass
    writer.close()


def _exchange_bare(client, path, formats):
    writer, reader = client.do_exchange(flight.FlightDescriptor.for_path(*formats))
    writer.begin(PAYLOAD)
    _send(writer, path)
    drain(reader)
    writer.close()


def _send(writer, path):
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            writer.write_batch(pa.record_batch([pa.array([chunk], pa.binary())], schema=PAYLOAD))
    writer.done_writing()


def drain(parts):
    """Take everything and keep nothing."""
    for _ in parts:
        pass
