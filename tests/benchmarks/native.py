"""Record batches over the wire, against bare pyarrow.flight servers."""

import functools
import json
import statistics
import threading
import time

import pyarrow as pa
from pairs import Case, Row, compare, timed
from processes import bare, ours
from pyarrow import flight

import flight_client


def _put(client, name, table):
    command = json.dumps({"dataset": name, "mode": "replace"})
    writer, reader = client.do_put(flight.FlightDescriptor.for_command(command), table.schema)
    writer.write_table(table, max_chunksize=40_000)
    writer.done_writing()
    reader.read()
    writer.close()


def _drain(client, ticket):
    for _ in client.do_get(flight.Ticket(ticket)):
        pass


def streams(table, folder, pairs):
    """Native get and put against both bare servers."""
    size = table.nbytes / 1e6
    with ours(folder) as server, bare("memory", folder) as memory, bare("durable", folder) as durable:
        us, them, durably = (flight.connect(process.location) for process in (server, memory, durable))
        for client in (us, them, durably):
            _put(client, "big", table)
        get = Case(name="native get", against="bare server, in memory", amount=size, target=0.95)
        yield compare(get, lambda: _drain(us, b"big"), lambda: _drain(them, b"big"), server=server, pairs=pairs)
        for client, against, target in (
            (durably, "bare server: validates, one file, fsync", 0.95),
            (them, "bare server, in memory", 0.5),
        ):
            put = Case(name="native put, durable", against=against, amount=size, target=target)
            theirs = functools.partial(_put, client, "big", table)
            yield compare(put, lambda: _put(us, "big", table), theirs, server=server, pairs=pairs)


def latencies(table, folder, times):
    """How soon the first batch of a large dataset and a small dataset arrive, and a small put is answered; in ms."""
    small = table.slice(0, 100).combine_chunks()
    with ours(folder) as server, bare("memory", folder) as memory:
        clients = [flight.connect(server.location), flight.connect(memory.location)]
        for client in clients:
            _put(client, "big", table)
        yield _latency("first batch of a large dataset", _first, clients, times, 10.0)
        for client in clients:
            _put(client, "small", small)
        yield _latency("small get", lambda client: _drain(client, b"small"), clients, times, 2.0)
        yield _latency("small put to answer", lambda client: _put(client, "small", small), clients, times, None)


def _first(client):
    client.do_get(flight.Ticket(b"big")).read_chunk()


def _latency(name, action, clients, times, target_ms):
    found = [[timed(functools.partial(action, client)) * 1000 for client in clients] for _ in range(times)]
    mine, theirs = (statistics.median(values) for values in zip(*found, strict=True))
    return Row(
        name=f"{name}, p50",
        ours=mine,
        theirs=theirs,
        unit="ms",
        against="bare server, in memory",
        ratio=theirs / mine,
        pairs=times,
        target=target_ms,
    )


def small_puts(folder, clients, seconds):
    """Durable small puts a second with so many clients at once."""
    batch = pa.record_batch({"x": pa.array(range(100))})
    with ours(folder) as server:
        counts, end = [0] * clients, time.monotonic() + seconds

        def work(number):
            with flight_client.connect(server.location) as client:
                while time.monotonic() < end:
                    client.put(f"small/{number}", batch)
                    counts[number] += 1

        workers = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
        started = time.monotonic()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return sum(counts) / (time.monotonic() - started)
