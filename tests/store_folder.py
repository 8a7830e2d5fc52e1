"""Stores in a folder, without their background thread, and short words to fill and read them."""

import contextlib

import pyarrow as pa

from flight_server.config import StoreConfig
from flight_server.failpoints import Failpoints
from flight_server.store.store import Store


class Clock:
    """A clock that tests move."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@contextlib.contextmanager
def opened(folder, *, clock=None, failpoints="", background=False, **settings):
    extra = {} if clock is None else {"clock": clock}
    config = StoreConfig(path=str(folder / "store"), **settings)
    store = Store.open(config, start_background=background, failpoints=Failpoints(failpoints), **extra)
    try:
        yield store
    finally:
        store.close()


def put(store, dataset, *batches, mode="append", put_id=None, schema=None, details=None):
    with store.stage(dataset, schema or batches[0].schema, mode=mode, put_id=put_id) as staged:
        for batch in batches:
            staged.write(batch)
        return staged.commit(details or {})


def numbers(*values):
    """A batch of one int64 column ``n``."""
    return pa.record_batch({"n": pa.array(values, pa.int64())})


def held(store, dataset, version=None):
    """The values of ``n`` in a dataset, in order."""
    with store.snapshot(dataset, version) as snapshot:
        return snapshot.reader().read_all().column("n").to_pylist()


def files(folder):
    """What lies in the store's folder beside the catalogue."""
    root = folder / "store"
    return sorted(path.relative_to(root) for name in ("staging", "segments") for path in (root / name).rglob("*.arrows"))
