"""Files converted over the wire, against whole local engines that convert the same file; file in, file out, both."""

import contextlib
import functools
import sys

import pyarrow.parquet as pq
from material import WRITERS
from pairs import Case, Row, Target, compare
from processes import HERE, ours, running, settle

import flight_client

NAMES = ("duckdb", "polars", "datafusion")
CONVERSIONS = [("csv", "parquet"), ("parquet", "csv"), ("ndjson", "parquet")]
TARGET = Target(of="ratio", least=0.8)


def rows(table, folder, pairs):
    """Each conversion against each engine; the fastest engine is the one that counts, so the target is each one's."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ours(folder))
        client = stack.enter_context(flight_client.connect(server.location))
        children = {name: stack.enter_context(running([sys.executable, HERE / "engine.py", name])) for name in NAMES}
        versions = {name: child.line() for name, child in children.items()}
        for source, target in CONVERSIONS:
            path = folder / f"document.{source}"
            WRITERS[source](table, path)
            case = functools.partial(
                Case, part="convert", name=f"{source} file to {target} file", amount=path.stat().st_size / 1e6
            )
            others = []
            for name, answer in versions.items():
                if "missing" in answer:
                    yield _skipped(case(against=name), answer["missing"])
                    continue
                out = folder / f"{name}.{target}"
                action = functools.partial(_converted, children[name], path, out)
                others.append((case(against=f"{name} {answer['version']}", target=TARGET), action))
            settle()
            mine = functools.partial(_ours, client, path, folder / f"ours.{target}", target)
            yield from compare(mine, others, server=server, pairs=pairs) if others else ()
            for name in ("ours", *(name for name, answer in versions.items() if "version" in answer)):
                if others:
                    _check(folder / f"{name}.{target}", table.num_rows)


def _skipped(case, reason):
    print(f"  SKIPPED: {case.name} against {case.against}: {reason}", flush=True)
    return Row(part=case.part, name=case.name, against=case.against, unit=case.unit, skipped=reason)


def _converted(child, source, target):
    answer = child.ask([str(source), str(target)])
    if answer != "done":
        raise RuntimeError(f"{source.name} to {target.name}: {answer}")


def _ours(client, source, target, name):
    # Not convert_file: that one syncs the file, which no engine does.
    with target.open("wb") as file:
        for chunk in client.convert(source, to_format=name):
            file.write(chunk)


def _check(path, rows):
    """Raise unless the file has as many rows as went in: a ratio of different work says nothing."""
    if path.suffix == ".parquet":
        found = pq.ParquetFile(path).metadata.num_rows
    else:
        with path.open("rb") as file:
            found = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) - 1
    if found != rows:
        raise RuntimeError(f"{path.name} has {found} rows, not {rows}")
