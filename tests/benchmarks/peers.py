"""`make bench-peers`: the same work by other servers of Arrow data, each in an environment of its own; one table."""

import argparse
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import material
from processes import HERE, ours, running
from rich.console import Console
from rich.table import Table

FOLDER = HERE / "peers"
#: Where the environments are kept.
ENVIRONMENTS = HERE.parents[1] / ".venv-peers"
#: What is done, in this order, and how often: small work more often, for it is quick.
WORKS = {"put": 5, "get": 5, "get as CSV": 5, "get as Parquet": 5, "put small": 20, "get small": 100}
START_SECS = 60


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A server to be installed and started, with a client module in ``peers/``."""

    name: str
    keeps: str
    requirements: list[str]
    command: list[str]
    client: str
    environment: dict[str, str] = field(default_factory=dict)


PEERS = [
    Peer(
        name="gooddata-flight-server",
        keeps="in memory, by the methods of peers/gooddata_server.py",
        requirements=["gooddata-flight-server==1.78.0"],
        command=["{bin}/gooddata-flight-server", "start", "--methods-provider", "gooddata_server"],
        environment={
            "GOODDATA_FLIGHT_SERVER__LISTEN_PORT": "{port}",
            "GOODDATA_FLIGHT_SERVER__ADVERTISE_HOST": "127.0.0.1",
            "PYTHONPATH": str(FOLDER),
        },
        client="gooddata_client",
    ),
    Peer(
        name="xorq",
        keeps="in memory",
        requirements=["xorq==0.4.9"],
        command=["{bin}/python", str(FOLDER / "xorq_server.py"), "127.0.0.1:{port}"],
        client="xorq_client",
    ),
    Peer(
        name="ROAPI",
        keeps="in memory, loaded from Parquet at its start",
        requirements=["roapi==0.12.7", "pyarrow==26.0.1"],
        command=[
            "{bin}/roapi",
            *("--addr-http", "127.0.0.1:{port}"),
            *("--addr-postgres", "127.0.0.1:0", "--addr-flight-sql", "127.0.0.1:0"),
            *("--table", "big={folder}/big.parquet", "--table", "small={folder}/small.parquet"),
        ],
        client="roapi_client",
    ),
    Peer(
        name="Tiled",
        keeps="on disk, unsynced",
        requirements=["tiled[all]==0.2.20"],
        command=["{bin}/tiled", "serve", "catalog", "--temp", "--api-key", "secret", "--port", "{port}"],
        client="tiled_client",
    ),
]


def main():
    """Measure all, print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table that is put and got")
    parser.add_argument("--only", choices=[peer.name for peer in PEERS], action="append", help="this peer alone")
    arguments = parser.parse_args()
    table = material.table(arguments.rows)
    folder = Path(tempfile.mkdtemp(prefix="bench-peers-"))
    try:
        material.write_parquet(table, folder / "big.parquet")
        material.write_parquet(table.slice(0, 100), folder / "small.parquet")
        found = {"this project": ("on disk, synced", _guarded(_ours, folder))}
        for peer in PEERS:
            if not arguments.only or peer.name in arguments.only:
                name = ", ".join(peer.requirements[0].split("=="))
                found[f"{peer.name} ({name.partition(', ')[2]})"] = (peer.keeps, _guarded(_peer, peer, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(found, table.nbytes / 1e6, table.num_rows)


def _guarded(action, *arguments):
    """Return what was found, or why nothing was: the run goes on."""
    print(f"  {arguments[0].name if len(arguments) > 1 else 'this project'} ...", flush=True)
    try:
        return action(*arguments)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"


def _ours(folder):
    with ours(folder) as server, _driver(sys.executable, "ours_client", server.location, folder) as driver:
        return _works(server, driver)


def _peer(peer, folder):
    binaries = _installed(peer)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = {"bin": binaries, "port": port, "folder": folder}
    log = folder / f"{peer.name}.log"
    environment = os.environ | {key: value.format(**words) for key, value in peer.environment.items()}
    command = [part.format(**words) for part in peer.command]
    with running(command, log=log, env=environment, cwd=folder, stdout=subprocess.DEVNULL) as server:
        _wait(server, port)
        with _driver(binaries / "python", peer.client, f"127.0.0.1:{port}", folder) as driver:
            return _works(server, driver)


def _installed(peer):
    """Make the peer's environment if there is none; return where its commands are."""
    home = ENVIRONMENTS / peer.name
    stamp, wanted = home / ".installed", "\n".join(peer.requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        command = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        result = subprocess.run([*command, *peer.requirements], check=False, capture_output=True, text=True)
        if result.returncode:
            raise RuntimeError(f"not installed: {result.stderr.strip()[-200:]}")
        stamp.write_text(wanted)
    return home / "bin"


def _wait(server, port):
    deadline = time.monotonic() + START_SECS
    while time.monotonic() < deadline:
        if not server.alive():
            raise RuntimeError(f"it ended at its start: {server.last_words()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"it did not listen within {START_SECS} seconds: {server.last_words()}")


def _driver(python, client, location, folder):
    environment = os.environ | {"PYTHONPATH": str(FOLDER)}
    command = [python, FOLDER / "driver.py", client, location, folder / "big.parquet"]
    return running(command, log=folder / f"{client}.log", env=environment)


def _works(server, driver):
    """Return, for each work, the median of its seconds, or why there is none; and the peak memory in MB."""
    can, found = driver.line(), {}
    server.reset_peak()
    for work, times in WORKS.items():
        found[work] = _times(driver, work, times) if work in can else "cannot"
    return found, server.peak_mb()


def _times(driver, work, times):
    seconds = []
    for _ in range(times + 1):  # the first one warms up
        answer = driver.ask(work)
        if "failed" in answer:
            return answer["failed"]
        seconds.append(answer[0])
    return statistics.median(seconds[1:])


def show(found, megabytes, rows):
    """Print the table, and below it whatever went wrong in full."""
    title = (
        f"Servers of Arrow data: a table of {rows:,} rows, {megabytes:,.0f} MB, in MB of Arrow data a second; small: 100 rows"
    )
    table = Table(
        "server", *(f"{work}, ms" if "small" in work else work for work in WORKS), "peak MB", "keeps data", title=title
    )
    reasons = []
    for name, (keeps, result) in found.items():
        if isinstance(result, str):
            table.add_row(name, *["not run"] * len(WORKS), "", keeps)
            reasons.append(f"{name}: {result}")
            continue
        works, peak = result
        cells = []
        for work, figure in works.items():
            if isinstance(figure, float):
                cells.append(f"{figure * 1000:,.2f}" if "small" in work else f"{megabytes / figure:,.0f}")
            else:
                cells.append("cannot" if figure == "cannot" else "failed")
                reasons += [] if figure == "cannot" else [f"{name}, {work}: {figure}"]
        table.add_row(name, *cells, f"{peak:,.0f}", keeps)
    console = Console(width=170)
    console.print(table)
    for reason in reasons:
        console.print(reason, markup=False)


if __name__ == "__main__":
    main()
