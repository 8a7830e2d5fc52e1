"""What it costs to run plugins in processes of their own, and what it gains, held against the same in the server's process.

    make bench-runtime                     in some minutes
    make bench-runtime ARGS=--quick        less data, in one

Formats that ship run in both ways, in turn. Beside the time that a client waits stands the processor time of the server and its
children, which other work on the machine changes less. Exits with 1 when a target is missed.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from material import table, write_csv, write_parquet
from pairs import Case, Target, of_pairs, timed
from processes import ours, settle
from report import show

import flight_client

FORMATS = ("csv", "parquet")
IN_PROCESS = "the same in the server's process"
SLOWER = Target(of="ratio", least=0.85)
IDLE_SECS = 2
TICKS = os.sysconf("SC_CLK_TCK")
SLOW_PLUGIN = '''
"""Each byte of the document is looked at by Python: what it costs is the interpreter's."""
from dataclasses import dataclass
from types import SimpleNamespace
import pyarrow as pa
from format_plugins.contract import PluginMetadata

@dataclass(frozen=True)
class Slow:
    def read_batches_from_stream(self, schema, stream):
        for chunk in stream:
            total = 0
            for byte in bytes(chunk):
                total += byte
            yield pa.record_batch({"sum": [total]})

    def write_batches(self, batches):
        yield b""

def create_plugin():
    metadata = PluginMetadata(name="slow", version="1.0.0")
    return SimpleNamespace(config_type=Slow, metadata=lambda: metadata, create_format=lambda options: options)
'''


def main():
    """Measure, print, and say whether all targets are met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less data, fewer pairs")
    options = parser.parse_args()
    rows, pairs = (400_000, 5) if options.quick else (2_000_000, 9)
    with tempfile.TemporaryDirectory() as folder:
        found = list(measured(table(rows), Path(folder), pairs))
    show(found)
    sys.exit(any(row.met is False for row in found))


class Side:
    """A server that runs the formats in one of the ways, and a client of it."""

    def __init__(self, server, client):
        self.server = server
        self.pid = server._process.pid
        self.client = client

    def processor_secs(self):
        """Processor time of the server and of those that run plugins for it."""
        return sum(spent(pid) for pid in (self.pid, *children(self.pid)))


def measured(rows, folder, pairs):
    """Yield a row for each figure."""
    plugins = folder / "plugins"
    plugins.mkdir()
    (plugins / "slow.py").write_text(SLOW_PLUGIN)
    write_csv(rows, folder / "document.csv")
    write_parquet(rows, folder / "document.parquet")
    there = {
        "plugins.plugin_dir": plugins,
        "plugins.runtime": json.dumps(dict.fromkeys(FORMATS, "process")),
        "plugins.child_idle_secs": IDLE_SECS,
    }
    with (
        ours(folder / "here") as here,
        ours(folder / "there", **there) as process,
        flight_client.connect(here.location) as near,
        flight_client.connect(process.location) as far,
    ):
        sides = (Side(process, far), Side(here, near))
        for side in sides:
            side.client.put("big", rows)
            side.client.put("small", rows.slice(0, 100))
        settle()
        for name in FORMATS:
            path = folder / f"document.{name}"
            yield from compared(f"{name} put", path.stat().st_size / 1e6, putting(path), sides, pairs)
            yield from compared(f"{name} get", rows.nbytes / 1e6, getting(name), sides, pairs)
        for name in FORMATS:
            yield first_byte(name, sides, pairs * 10)
        yield idle_memory(sides[0])
        yield scaling(process, folder, pairs)


def putting(path):
    """Put a document."""
    return lambda client: client.put("doc", path, mode="replace")


def getting(name):
    """Get a dataset as a document, and keep nothing."""

    def work(client):
        for _ in client.get_bytes("big", format=name):
            pass

    return work


def compared(name, amount, work, sides, pairs):
    """Throughput and processor time of both, in pairs."""
    for side in sides:
        work(side.client)
    secs, processor = [], []
    for number in range(pairs):
        one = {}
        # Whoever is first pays for what the other left behind: by turns.
        for side in sides if number % 2 else sides[::-1]:
            before = side.processor_secs()
            one[side] = (amount / timed(lambda side=side: work(side.client)), side.processor_secs() - before)
        secs.append(tuple(one[side][0] for side in sides))
        processor.append(tuple(max(one[side][1], 1 / TICKS) * 1000 for side in sides))
    peak_mb = sides[0].server.peak_mb()
    yield of_pairs(Case(part="throughput", name=name, against=IN_PROCESS, amount=amount, target=SLOWER), secs, peak_mb=peak_mb)
    case = Case(part="processor time", name=f"{name}, processor time", against=IN_PROCESS, amount=amount, unit="ms")
    yield of_pairs(case, processor, peak_mb=peak_mb, less_is_better=True)


def first_byte(name, sides, times):
    """Milliseconds until the first byte of a small document."""

    def once(side):
        started = time.perf_counter()
        parts = iter(side.client.get_bytes("small", format=name))
        next(parts)
        took = (time.perf_counter() - started) * 1000
        for _ in parts:
            pass
        return took

    for side in sides:
        once(side)
    found = [tuple(once(side) for side in sides) for _ in range(times)]
    target = Target(of="ours", most=15)
    case = Case(part="first byte", name=f"{name} first byte", against=IN_PROCESS, amount=1, unit="ms", target=target)
    return of_pairs(case, found, peak_mb=sides[0].server.peak_mb(), less_is_better=True)


def idle_memory(side):
    """Private memory of the largest child that waits for work, in MB."""
    getting("csv")(side.client)
    time.sleep(IDLE_SECS + 2)
    size = max(private_mb(pid) for pid in children(side.pid))
    target = Target(of="ours", most=10)
    case = Case(part="memory", name="private memory of an idle child", against="itself", amount=1, unit="MB", target=target)
    return of_pairs(case, [(size, size)], peak_mb=side.server.peak_mb())


def scaling(server, folder, pairs):
    """How much more two streams of a plugin in plain Python do than one."""
    document = folder / "document.slow"
    document.write_bytes(bytes(24 << 20))

    def put(number):
        with flight_client.connect(server.location) as client:
            client.put(f"slow{number}", document, format="slow", mode="replace")

    def together(count):
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(put, range(count)))

    together(2)
    found = [(2 / timed(lambda: together(2)), 1 / timed(lambda: together(1))) for _ in range(max(pairs // 2, 3))]
    target = Target(of="ratio", least=1.7)
    case = Case(part="scaling", name="plain Python, two streams", against="one stream", amount=1, unit="docs/s", target=target)
    return of_pairs(case, found, peak_mb=server.peak_mb())


def children(server):
    """The processes that run plugins for a server."""
    for place in Path("/proc").iterdir():
        try:
            is_one = place.name.isdigit() and (place / "comm").read_text().strip() == "flight-plugin"
            if is_one and server in ancestors(int(place.name)):
                yield int(place.name)
        except OSError:  # it has ended
            continue


def ancestors(pid):
    """The processes above one."""
    while pid > 1:
        pid = int(fields(pid)[1])
        yield pid


def spent(pid):
    """Seconds of processor time that a process has used."""
    try:
        return sum(map(int, fields(pid)[11:13])) / TICKS
    except OSError:  # it has ended
        return 0.0


def fields(pid):
    """What the system says of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def private_mb(pid):
    """What a process alone holds, in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("Private_"))


if __name__ == "__main__":
    main()
