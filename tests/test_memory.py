"""Memory does not follow size: the server's peak is bounded while documents many times as large go through it."""

import random
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from effort import FULL, effort, report
from pyarrow import csv
from raw_flight import PAYLOAD, connected, descriptor, finish, put_document, ticket

LIMIT_MB = 400
CHUNK = 1 << 20


def csv_chunks(size):
    """About ``size`` bytes of CSV with numbers, text and times: one megabyte of rows, over and over."""
    chance = random.Random(7)
    rows = 12_000
    table = pa.table(
        {
            "id": [chance.randrange(1 << 40) for _ in range(rows)],
            "amount": [round(chance.gauss(100, 15), 4) for _ in range(rows)],
            "place": [chance.choice(["Ulm", "Bonn", "Kiel", "Trier"]) for _ in range(rows)],
            "note": [f"row number {i} of the block, with some text" for i in range(rows)],
            "at": pa.array([chance.randrange(1_500_000_000, 1_700_000_000) for _ in range(rows)], pa.timestamp("s")),
        }
    )
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink)
    header, _, block = sink.getvalue().to_pybytes().partition(b"\n")
    yield header + b"\n"
    for _ in range(max(size // len(block), 1)):
        yield block


def payload_batches(chunks):
    for chunk in chunks:
        yield pa.record_batch([pa.array([chunk], pa.binary())], schema=PAYLOAD)


def peak_mb(pid):
    """Highest resident memory since the last reset, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def reset_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def put(client, size):
    writer, reader = client.do_put(descriptor({"dataset": "big", "format": "csv", "mode": "replace"}), PAYLOAD)
    for batch in payload_batches(csv_chunks(size)):
        writer.write_batch(batch)
    answer = finish(writer, reader)
    return answer["bytes"]


def drain(reader):
    return sum(chunk.data.get_total_buffer_size() for chunk in reader)


def get_parquet(client, _size):
    return drain(client.do_get(ticket("big.parquet")))


def get_native(client, _size):
    return drain(client.do_get(ticket("big")))


def convert(client, size):
    writer, reader = client.do_exchange(descriptor({"from": {"format": "csv"}, "to": {"format": "ndjson"}}))
    writer.begin(PAYLOAD)

    def feed():
        for batch in payload_batches(csv_chunks(size)):
            writer.write_batch(batch)
        writer.done_writing()

    feeder = threading.Thread(target=feed)
    feeder.start()
    total = drain(reader)
    feeder.join()
    writer.close()
    return total


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("megabytes", [200, 2000] if FULL else [200])
def test_the_servers_peak_does_not_follow_the_size_of_what_goes_through(server_factory, megabytes):
    server = server_factory()
    peaks = {}
    with connected(server.location) as client:
        for step in (put, get_native, get_parquet, convert):
            reset_peak(server.pid)
            started = time.monotonic()
            moved = step(client, megabytes << 20)
            seconds = time.monotonic() - started
            peaks[step.__name__] = peak_mb(server.pid)
            report(f"{megabytes} MB, {step.__name__}: peak {peaks[step.__name__]:.0f} MB, {moved / seconds / 1e6:.0f} MB/s")
    assert max(peaks.values()) < LIMIT_MB, peaks


@pytest.mark.slow
def test_a_spooled_document_ten_times_the_memory_bound_stays_on_disk(server_factory):
    server = server_factory()
    with connected(server.location) as client:
        put(client, effort(400, 1000) << 20)
        document = [chunk.data for chunk in client.do_get(ticket("big.parquet"))]
        reset_peak(server.pid)
        writer, reader = client.do_put(descriptor({"dataset": "again", "format": "parquet"}), PAYLOAD)
        for batch in document:
            writer.write_batch(batch)
        assert finish(writer, reader)["rows"] > 0
    assert peak_mb(server.pid) < LIMIT_MB


@pytest.mark.slow
def test_a_server_that_did_everything_again_and_again_is_no_larger(server_factory):
    server = server_factory()
    with connected(server.location) as client:
        put(client, 50 << 20)
        documents = {}
        for name in ("csv", "ndjson", "parquet", "arrow_stream"):
            target = ticket({"dataset": "big", "format": name})
            documents[name] = b"".join(row.as_py() for chunk in client.do_get(target) for row in chunk.data["payload"])
        reset_peak(server.pid)
        for _ in range(effort(3, 10)):
            for name, data in documents.items():
                put_document(client, {"dataset": "again", "format": name, "mode": "replace"}, data)
                drain(client.do_get(ticket({"dataset": "again", "format": name})))
    report(f"all formats, {effort(3, 10)} times over: peak {peak_mb(server.pid):.0f} MB")
    assert peak_mb(server.pid) < LIMIT_MB
