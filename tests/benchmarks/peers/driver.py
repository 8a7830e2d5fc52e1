"""One peer's client, in the peer's own environment: told a piece of work a line, it says how long that took."""

import importlib
import json
import sys
import time

import pyarrow.parquet as pq


def main():
    """Say which kinds of work the client can do, then do them; an answer is ``[seconds, found]`` or ``{"failed"}``."""
    module, location, path = sys.argv[1:4]
    client = importlib.import_module(module).Client(location)
    table = pq.read_table(path)
    small = table.slice(0, 100).combine_chunks()
    works = {
        "put": lambda: client.put("big", table),
        "get": lambda: _whole(client.get("big"), table),
        "get as CSV": lambda: client.document("big", "csv"),
        "get as Parquet": lambda: client.document("big", "parquet"),
        "put small": lambda: client.put("small", small),
        "get small": lambda: _whole(client.get("small"), small),
    }
    can = {name for name in works if hasattr(client, {"put": "put", "get": "get"}.get(name.split()[0]))}
    if not hasattr(client, "document"):
        can -= {"get as CSV", "get as Parquet"}
    print(json.dumps(sorted(can)), flush=True)
    for line in sys.stdin:
        print(json.dumps(_done(works[json.loads(line)])), flush=True)


def _whole(rows, table):
    """Raise unless all rows came: a rate of different work says nothing."""
    if rows != table.num_rows:
        raise RuntimeError(f"{rows} rows came, not {table.num_rows}")
    return rows


def _done(work):
    started = time.perf_counter()
    try:
        found = work()
    except Exception as error:  # noqa: BLE001 - whatever a peer's client raises is what the table shows
        return {"failed": f"{type(error).__name__}: {error}"[:200]}
    return [time.perf_counter() - started, found]


if __name__ == "__main__":
    main()
