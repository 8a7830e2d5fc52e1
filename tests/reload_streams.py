"""Streams through plugins that are being replaced, in a process of its own; run by a test.

Each stream must be of one generation from its first byte to its last. Arguments: the server's location, how many streams
run at a time, the names of the plugins. It ends when its standard input does, and prints what became of each stream.
"""

import json
import random
import sys
import threading
import time

import pyarrow as pa
from data.marked import BLOCK_BYTES, LINE_BYTES, LINES, ROWS, SCHEMA
from raw_flight import PAYLOAD, connected, descriptor, finish, get_table, put_batches, ticket

BLOCKS = 20
SOURCE = "storm/source"
SOURCE_ROWS = 128
PAUSE_SECS = 0.05
BLOCK = pa.record_batch([pa.array([b"x" * BLOCK_BYTES])], schema=PAYLOAD)


class MixedError(Exception):
    """One stream, and more than one generation in it."""


def one_of(found, what):
    """The one value of ``found``."""
    if len(found) != 1:
        raise MixedError(f"{what} is of several generations: {sorted(found)}")
    return next(iter(found))


def marks_of(document, lines):
    """The marks of a document's lines, which are all the same."""
    first = document[:LINE_BYTES]
    if document != first * lines:
        seen = {document[start : start + LINE_BYTES] for start in range(0, len(document), LINE_BYTES)}
        raise MixedError(f"{len(document)} bytes instead of {lines} lines: {sorted(seen)[:4]}")
    return first.decode().split()


def put(client, names, dataset):
    """Put slowly, and look at what was made of it."""
    name, _ = names
    writer, reader = client.do_put(descriptor({"dataset": dataset, "format": name, "mode": "replace"}), PAYLOAD)
    for _ in range(BLOCKS):
        writer.write_batch(BLOCK)
        time.sleep(PAUSE_SECS)
    answer = finish(writer, reader)
    table = get_table(client, {"dataset": dataset, "version": answer["version"]})
    mark = one_of({each for column in table.columns for each in column.to_pylist()}, "a put")
    if table.num_rows != BLOCKS * ROWS or answer["plugin"]["version"] != f"1.0.{int(mark)}":
        raise MixedError(f"{table.num_rows} rows of {mark}, and the answer says {answer}")
    return {name: mark}


def get(client, names, _dataset):
    """Get a document slowly."""
    name, _ = names
    pieces = []
    for chunk in client.do_get(ticket({"dataset": SOURCE, "format": name})):
        pieces += chunk.data.column(0).to_pylist()
        time.sleep(PAUSE_SECS * 2)
    _, _, *wrote = marks_of(b"".join(pieces), SOURCE_ROWS * LINES)
    return {name: one_of(set(wrote), "a get")}


def exchange(client, names, _dataset):
    """Convert from the format of one plugin to that of another, slowly."""
    source, target = names
    writer, reader = client.do_exchange(descriptor({"from": {"format": source}, "to": {"format": target}}))
    with writer:
        writer.begin(PAYLOAD)
        for _ in range(BLOCKS):
            writer.write_batch(BLOCK)
            time.sleep(PAUSE_SECS)
        writer.done_writing()
        document = b"".join(row for chunk in reader for row in chunk.data.column(0).to_pylist())
    *read, wrote, made = marks_of(document, BLOCKS * ROWS * LINES)
    marks = {source: one_of(set(read), "what was read"), target: one_of({wrote, made}, "what was written")}
    if source == target:
        one_of({*read, wrote}, "what one plugin read and wrote")
    return marks


def work(number, location, names, ending, streams):
    """Run one stream after another."""
    chance = random.Random(number)
    with connected(location) as client:
        while not ending.is_set():
            kind = chance.choice([put, get, exchange])
            pair = [chance.choice(names), chance.choice(names)]
            stream = {"kind": kind.__name__, "begun": time.time(), "marks": {}, "error": None, "mixed": False}
            try:
                stream["marks"] = kind(client, pair, f"storm/{number}")
            except Exception as error:  # noqa: BLE001 - every kind of failure is one
                stream["error"], stream["mixed"] = f"{type(error).__name__}: {error}", isinstance(error, MixedError)
                time.sleep(PAUSE_SECS)
            streams.append({**stream, "ended": time.time()})


def main():
    """Run until told to end."""
    location, count, *names = sys.argv[1:]
    rows = pa.record_batch([pa.array(["-"] * SOURCE_ROWS)] * 2, schema=SCHEMA)
    with connected(location) as client:
        put_batches(client, SOURCE, [rows])
    ending, streams = threading.Event(), []
    workers = [threading.Thread(target=work, args=(number, location, names, ending, streams)) for number in range(int(count))]
    for worker in workers:
        worker.start()
    sys.stdin.read()
    ending.set()
    for worker in workers:
        worker.join()
    sys.stdout.write(json.dumps(streams))


if __name__ == "__main__":
    main()
