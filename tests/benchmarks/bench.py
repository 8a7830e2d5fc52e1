"""`make bench`: one run, one table, one JSON file. Each row is a ratio with both figures beside it."""

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import documents
import engines
import growth
import material
import native
import pyarrow as pa
import report
import small_puts


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is measured."""

    pairs: int
    native_rows: int
    large_rows: int
    document_rows: int
    smallest_rows: int
    latencies: int
    round_secs: float


#: 70 bytes of Arrow data a row: 280 MB native, 1 GB for the first batch, documents of 100 to 250 MB, growth to 1.3 GB of CSV.
FULL = Extent(
    pairs=7,
    native_rows=4_000_000,
    large_rows=15_000_000,
    document_rows=1_500_000,
    smallest_rows=120_000,
    latencies=300,
    round_secs=4,
)
QUICK = Extent(
    pairs=5,
    native_rows=1_000_000,
    large_rows=15_000_000,
    document_rows=200_000,
    smallest_rows=4_600,
    latencies=100,
    round_secs=0.8,
)
#: So little that only the harness itself is tried.
TINY = Extent(
    pairs=2, native_rows=20_000, large_rows=20_000, document_rows=2_000, smallest_rows=100, latencies=3, round_secs=0.1
)
EXTENTS = {"full": FULL, "quick": QUICK, "tiny": TINY}
PARTS = {
    "native": lambda extent, folder: native.streams(material.table(extent.native_rows), folder, extent.pairs),
    "latency": lambda extent, folder: native.latencies(material.table(extent.large_rows), folder, extent.latencies),
    "small puts": lambda extent, folder: small_puts.rows(folder, extent.pairs, extent.round_secs),
    "documents": lambda extent, folder: documents.rows(material.table(extent.document_rows), folder, extent.pairs),
    "convert": lambda extent, folder: engines.rows(material.table(extent.document_rows), folder, extent.pairs),
    "growth": lambda extent, folder: growth.rows(extent.smallest_rows, folder, extent.pairs),
}


def main():
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extent", choices=EXTENTS, default="full", help="how much is measured")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part; may be given more than once")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    arguments = parser.parse_args()
    rows = []
    for row in measured(EXTENTS[arguments.extent], arguments.only or list(PARTS)):
        rows.append(row)
        if row.skipped is None:
            print(f"  {row.name} against {row.against}: {row.ratio:.2f}", flush=True)
    report.show(rows)
    if arguments.json:
        found = {"machine": machine(), "extent": asdict(EXTENTS[arguments.extent]), "rows": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def measured(extent, parts):
    """Yield the rows of ``parts``, each with servers and a folder of its own."""
    for part in parts:
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        try:
            yield from PARTS[part](extent, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def machine():
    """Return what the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "pyarrow": pa.__version__,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }


if __name__ == "__main__":
    main()
