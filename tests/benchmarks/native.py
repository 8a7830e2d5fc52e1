"""Record batches over the wire, against bare pyarrow.flight servers; all by the same pyarrow client."""

import functools
import json
import time

import pyarrow as pa
from pairs import Case, Target, compare, of_pairs
from processes import bare, ours, settle
from pyarrow import flight

IN_MEMORY = "bare server, in memory, unchecked"
DURABLE = "bare server: validates, one file, fsync"


def put(client, name, table, *, mode="replace"):
    """Put ``table``, and return when it is answered."""
    command = json.dumps({"dataset": name, "mode": mode})
    writer, reader = client.do_put(flight.FlightDescriptor.for_command(command), table.schema)
    if isinstance(table, pa.RecordBatch):
        writer.write_batch(table)
    else:
        writer.write_table(table)
    writer.done_writing()
    while reader.read() is not None:
        pass
    writer.close()


def drain(client, ticket):
    """Get a dataset, batch by batch, keeping none."""
    for _ in client.do_get(flight.Ticket(ticket)):
        pass


def streams(table, folder, pairs):
    """Native get and put of a table that is larger than any buffer on its way."""
    case = functools.partial(Case, part="native", amount=table.nbytes / 1e6)
    with ours(folder) as server, bare("memory", folder) as memory, bare("durable", folder) as durable:
        us, them, durably = (flight.connect(process.location) for process in (server, memory, durable))
        for client in (us, them):
            put(client, "big", table)
        settle()
        get = case(name="native get", against=IN_MEMORY, target=Target(of="ratio", least=0.95))
        yield from compare(lambda: drain(us, b"big"), [(get, lambda: drain(them, b"big"))], server=server, pairs=pairs)
        others = [
            (case(name="native put", against=against, target=Target(of="ratio", least=least)), client)
            for client, against, least in ((durably, DURABLE, 0.95), (them, IN_MEMORY, 0.5))
        ]
        settle()
        yield from compare(
            lambda: put(us, "big", table),
            [(one, functools.partial(put, client, "big", table)) for one, client in others],
            server=server,
            pairs=pairs,
        )


def latencies(table, folder, times):
    """How soon a first batch, a small dataset and the answer of a small put are there; in ms, medians of ``times``."""
    small = table.slice(0, 100).combine_chunks()
    size = f"{table.nbytes / 1e9:.1f} GB" if table.nbytes > 1e8 else f"{table.nbytes / 1e6:.1f} MB"
    case = functools.partial(Case, part="latency", amount=1, unit="ms")
    with ours(folder) as server, bare("memory", folder) as memory, bare("durable", folder) as durable:
        us, them, durably = (flight.connect(process.location) for process in (server, memory, durable))
        for client in (us, them):
            put(client, "big", table)
        settle()
        first = case(name=f"first batch of {size}, p50", against=IN_MEMORY, target=Target(of="ours", most=10))
        yield _latency(first, functools.partial(_first, us), functools.partial(_first, them), server, times)
        for client in (us, them):
            put(client, "small", small)
        get = case(name="small get, p50", against=IN_MEMORY, target=Target(of="ours", most=2))
        yield _latency(get, functools.partial(_get, us), functools.partial(_get, them), server, times)
        answer = case(name="small put to answer, p50", against=DURABLE)
        yield _latency(answer, functools.partial(_put, us, small), functools.partial(_put, durably, small), server, times)


def _first(client):
    started = time.perf_counter()
    reader = client.do_get(flight.Ticket(b"big"))
    reader.read_chunk()
    taken = time.perf_counter() - started
    reader.cancel()  # what comes after the first batch is not what is measured
    return taken


def _get(client):
    started = time.perf_counter()
    drain(client, b"small")
    return time.perf_counter() - started


def _put(client, table):
    started = time.perf_counter()
    put(client, "answered", table)
    return time.perf_counter() - started


def _latency(case, ours, theirs, server, times):
    for action in (ours, theirs):
        action()
    server.reset_peak()
    found = [(ours() * 1000, theirs() * 1000) for _ in range(times)]
    return of_pairs(case, found, peak_mb=server.peak_mb(), less_is_better=True)
