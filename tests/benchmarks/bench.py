"""`make bench`: one run, one table, one JSON file. Each row is a ratio with both figures beside it."""

import argparse
import json
import os
import platform
import tempfile
from dataclasses import asdict
from pathlib import Path

import documents
import material
import native
import pyarrow as pa
from pairs import Row
from rich.console import Console
from rich.table import Table


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data and fewer pairs: under two minutes")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    arguments = parser.parse_args()
    rows = []
    for row in measured(quick=arguments.quick):
        rows.append(row)
        print(f"  {row.name} against {row.against}: {row.ratio:.2f}", flush=True)
    show(rows)
    if arguments.json:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "pyarrow": pa.__version__}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")


def measured(*, quick):
    """Yield all rows."""
    pairs = 5 if quick else 7
    table = material.table(700_000 if quick else 4_000_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("native", "latency", "documents", "puts-1", "puts-64"):
            (folder / part).mkdir()
        yield from native.streams(table, folder / "native", pairs)
        yield from native.latencies(table, folder / "latency", 50 if quick else 300)
        yield from documents.rows(material.table(300_000 if quick else 1_500_000), folder / "documents", pairs)
        for clients in (1, 64):
            rate = native.small_puts(folder / f"puts-{clients}", clients, 3 if quick else 10)
            yield small_puts_row(clients, rate)


def small_puts_row(clients, rate):
    """A figure that stands alone, held against what is wanted of it."""
    wanted = {1: 100.0, 64: 1000.0}[clients]
    return Row(
        name=f"durable small puts, {clients} clients",
        ours=rate,
        theirs=wanted,
        unit="puts/s",
        against="what is wanted",
        ratio=rate / wanted,
        pairs=1,
        target=1.0,
    )


def show(rows):
    """Print the table."""
    table = Table("what", "ours", "theirs", "unit", "ratio", "target", "peak MB", "against")
    for row in rows:
        target = "" if row.target is None else f"{row.target:g} ms" if row.unit == "ms" else f"{row.target:g}"
        peak = "" if row.peak_mb is None else f"{row.peak_mb:.0f}"
        table.add_row(
            row.name, f"{row.ours:,.2f}", f"{row.theirs:,.2f}", row.unit, f"{row.ratio:.2f}", target, peak, row.against
        )
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
