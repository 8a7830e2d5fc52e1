"""One local engine in a process of its own, kept warm as the server is: its import and start are not measured."""

import importlib
import json
import sys
from pathlib import Path

from material import PARQUET


def main():
    """Say the engine's version, then convert ``[source, target]`` of each line of the input."""
    name = sys.argv[1]
    try:
        engine = importlib.import_module(name)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), flush=True)
        return
    print(json.dumps({"version": engine.__version__}), flush=True)
    convert = {"duckdb": with_duckdb, "polars": with_polars, "datafusion": with_datafusion}[name]
    for line in sys.stdin:
        source, target = (Path(path) for path in json.loads(line))
        try:
            convert(engine, source, target)
            print(json.dumps("done"), flush=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            print(json.dumps(repr(error)), flush=True)


def with_duckdb(duckdb, source, target):
    """One COPY, with types inferred by the engine."""
    read = {".csv": "read_csv", ".ndjson": "read_ndjson_auto", ".parquet": "read_parquet"}[source.suffix]
    level = f", COMPRESSION {PARQUET['compression']}, COMPRESSION_LEVEL {PARQUET['compression_level']}"
    form = f"FORMAT parquet{level}" if target.suffix == ".parquet" else "FORMAT csv, HEADER"
    duckdb.sql(f"COPY (FROM {read}('{source}')) TO '{target}' ({form})")


def with_polars(polars, source, target):
    """The streaming engine: a lazy scan into a sink; dates of CSV are parsed, as the server does."""
    scan = {
        ".csv": lambda path: polars.scan_csv(path, try_parse_dates=True),
        ".ndjson": polars.scan_ndjson,
        ".parquet": polars.scan_parquet,
    }[source.suffix]
    if target.suffix == ".parquet":
        scan(source).sink_parquet(target, **PARQUET)
    else:
        scan(source).sink_csv(target)


def with_datafusion(datafusion, source, target):
    """A new session, which is what keeps one conversion from seeing another's files."""
    context = datafusion.SessionContext()
    frame = {
        ".csv": context.read_csv,
        ".ndjson": lambda path: context.read_json(path, file_extension=".ndjson"),
        ".parquet": context.read_parquet,
    }[source.suffix](str(source))
    if target.suffix == ".parquet":
        frame.write_parquet(str(target), **PARQUET)
    else:
        frame.write_csv(str(target), with_header=True)


if __name__ == "__main__":
    main()
