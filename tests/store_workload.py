"""Work that a test kills: writers that note what they try and what was answered, and upkeep beside them."""

import json
import os
import random
import threading

import pyarrow as pa

from flight_server.config import StoreConfig
from flight_server.failpoints import Failpoints
from flight_server.store.store import Store

WRITERS = 3
#: Small segments live in the catalogue, large ones in files; both occur.
SETTINGS = {"inline_limit_bytes": 4096, "retain_secs": 0.02, "compact_min_segments": 4, "compact_below_bytes": 1 << 20}


def rows_of(number, rows):
    """A put's rows say which put they are of, and how many it has: a torn one shows."""
    return pa.record_batch({"put": pa.array([number] * rows, pa.int64()), "of": pa.array([rows] * rows, pa.int64())})


def open_store(folder, failpoints=""):
    config = StoreConfig(path=str(folder), **SETTINGS)
    return Store.open(config, start_background=False, failpoints=Failpoints(failpoints))


def carry_out(store, dataset, step):
    """Do one step of a history: a put or a drop."""
    if step["op"] == "drop":
        return store.drop(dataset).version
    batch = rows_of(step["n"], step["rows"])
    with store.stage(dataset, batch.schema, mode=step["op"], put_id=f"{dataset}-{step['n']}") as staged:
        staged.write(batch)
        return staged.commit({}).version


def work(folder, journal, failpoints, seed):
    """Write until killed; every line of the journal is ``[try or ack, dataset, step]``."""
    log = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    store = open_store(folder, failpoints)
    threads = [
        threading.Thread(target=_write, args=(store, log, f"w{number}", f"{seed}/{number}")) for number in range(WRITERS)
    ]
    threads.append(threading.Thread(target=_tidy, args=(store,)))
    for thread in threads:
        thread.start()


def _write(store, log, dataset, seed):
    chance = random.Random(seed)
    live = any(info.dataset == dataset for info in store.list())
    number = int(seed.split("/")[0]) * 1_000_000
    while True:
        number += 1
        op = chance.choice(["append"] * 12 + ["replace"] * 2 + ["drop"] * live)
        step = {"op": op, "n": number, "rows": chance.choice([1, 1, 10, 2000])}
        _note(log, "try", dataset, step)
        carry_out(store, dataset, step)
        _note(log, "ack", dataset, step)
        live = op != "drop"


def _note(log, *line):
    os.write(log, json.dumps(line).encode() + b"\n")


def _tidy(store):
    while True:
        store.compact()
        store.sweep()
