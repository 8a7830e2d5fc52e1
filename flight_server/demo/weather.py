"""The data set of the demonstration, as it is known without the server: what every result is compared with."""

from __future__ import annotations

import csv
import json
from importlib import resources
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

NAME = "seattle-weather.csv"
#: How often the large document holds the data set: a single one is too short to be timed.
TIMES = 200


class Weather:
    """Seattle's weather, read by Python's own CSV reader."""

    def __init__(self) -> None:
        self.document = resources.files(__package__).joinpath(NAME).read_bytes()
        names, *rows = csv.reader(self.document.decode().splitlines())
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        numbers = {"precipitation", "temp_max", "temp_min", "wind"}
        self.table = pa.table(
            {name: [float(value) for value in values] if name in numbers else values for name, values in columns.items()}
        )

    @property
    def large_document(self) -> bytes:
        """The data set ``TIMES`` times over, below one header."""
        head, _, body = self.document.partition(b"\n")
        return head + b"\n" + body * TIMES

    @property
    def large_table(self) -> pa.Table:
        """What the large document holds."""
        return pa.concat_tables([self.table] * TIMES)

    def as_text(self) -> pa.Table:
        """Return the data set with each value as its text."""
        return pa.table({name: [str(value) for value in self.table[name].to_pylist()] for name in self.table.column_names})


def parquet(path: Path) -> pa.Table:
    """Read a Parquet file as Arrow does."""
    # Not read_table: its threads now and then abort a process that ends soon after.
    return pq.ParquetFile(path).read()


def ndjson(path: Path) -> pa.Table:
    """Read lines of JSON with Python's own reader."""
    with path.open("rb") as lines:
        return pa.Table.from_pylist([json.loads(line) for line in lines])


def markdown(document: bytes) -> pa.Table:
    """Read a Markdown table; all its values are text."""
    names, _, *rows = [line.strip("| ").split(" | ") for line in document.decode().splitlines()]
    return pa.table(dict(zip(names, zip(*rows, strict=True), strict=True)))
