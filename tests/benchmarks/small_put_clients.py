"""A process of some clients, each with a connection of its own, that put as fast as they are answered."""

import json
import sys
import threading
import time

import pyarrow as pa
from native import put
from pyarrow import flight

BATCH = pa.record_batch({"x": pa.array(range(100))})


def main():
    """Connect, then put for as many seconds as each line of the input says; print puts a second."""
    location, threads, number = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    # An option that differs keeps gRPC from sharing one connection among them.
    connections = [flight.connect(location, generic_options=[("client", f"{number}/{index}")]) for index in range(threads)]
    for connection in connections:
        put(connection, f"small/{number}", BATCH, mode="append")
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(load(connections, number, json.loads(line))), flush=True)


def load(connections, number, seconds):
    """Puts a second of all connections together, each into a dataset of its own."""
    counts = [0] * len(connections)
    started = time.monotonic()

    def work(index):
        while time.monotonic() < started + seconds:
            put(connections[index], f"small/{number}/{index}", BATCH, mode="append")
            counts[index] += 1

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(connections))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.monotonic() - started)


if __name__ == "__main__":
    main()
