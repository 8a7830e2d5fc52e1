"""What is sent: one table of numbers, text and times, made from a seed, and the documents that libraries make of it."""

import random

import pyarrow as pa
import pyarrow.parquet as pq
from arro3.io import write_ndjson as write_lines
from pyarrow import csv

SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "count": pa.int32(),
        "price": pa.float64(),
        "city": pa.string(),
        "note": pa.string(),
        "at": pa.timestamp("us"),
        "day": pa.date32(),
        "open": pa.bool_(),
    }
)
_BLOCK_ROWS = 40_000  # 2.8 MB, a usual size of a message
#: The codec and level of the server, which everybody else is given too.
PARQUET = {"compression": "zstd", "compression_level": 1}
_CITIES = ["Ulm", "Bonn", "Kiel", "Trier", "Jena", "Bremen"]


def table(rows, seed=7):
    """A table of ``rows`` rows; 3 of 100 cells of two columns are null."""
    chance = random.Random(seed)
    blocks = [_block(chance) for _ in range(4)]
    batches = [blocks[index % 4] for index in range(-(-rows // _BLOCK_ROWS))]
    return pa.Table.from_batches(batches, SCHEMA).slice(0, rows)


def _block(chance):
    rows = range(_BLOCK_ROWS)
    columns = [
        [chance.randrange(1 << 48) for _ in rows],
        [None if chance.random() < 0.03 else chance.randrange(100_000) for _ in rows],
        [round(chance.gauss(100, 20), 3) for _ in rows],
        [chance.choice(_CITIES) for _ in rows],
        [None if chance.random() < 0.03 else f"order {chance.randrange(10**9)} of the day" for _ in rows],
        [chance.randrange(1_500_000_000_000_000, 1_700_000_000_000_000) for _ in rows],
        [chance.randrange(15_000, 20_000) for _ in rows],
        [chance.random() < 0.5 for _ in rows],
    ]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, SCHEMA.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def write_csv(rows, path):
    """Write rows as CSV, with pyarrow."""
    csv.write_csv(rows, path)


def write_ndjson(rows, path):
    """Write rows as NDJSON, with arro3."""
    write_lines(rows.to_reader(), str(path), explicit_nulls=True)


def write_parquet(rows, path):
    """Write rows as Parquet, with pyarrow."""
    pq.write_table(rows, path, **PARQUET)


WRITERS = {"csv": write_csv, "ndjson": write_ndjson, "parquet": write_parquet}
