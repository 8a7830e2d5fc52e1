"""A server of the demonstration's own: a process in a temporary folder, both gone when the block ends."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_READY_SECS = 30.0
_STOP_SECS = 10.0


class DemoFailed(Exception):
    """A step did not do what it should; the message says which and how."""


@dataclass(frozen=True, slots=True)
class DemoServer:
    """Where the server is, and its folders."""

    location: str
    folder: Path
    ready_secs: float

    @property
    def plugin_dir(self) -> Path:
        """The folder that plugins are dropped into."""
        return self.folder / "plugins"


@contextmanager
def serving() -> Iterator[DemoServer]:
    """Start a server and yield it; stop it and remove its folder, whatever happens meanwhile."""
    with tempfile.TemporaryDirectory(prefix="flight-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        started = time.monotonic()
        with (folder / "log").open("wb") as log:
            # A session of its own: Ctrl-C reaches the demonstration, which then stops the server.
            process = subprocess.Popen(  # noqa: S603 - a fixed command
                _command(folder), stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        try:
            location = _ready(process, folder / "log")
            yield DemoServer(location, folder, time.monotonic() - started)
        finally:
            _stop(process)


def _command(folder: Path) -> list[str]:
    settings = {
        "server.location": "grpc://127.0.0.1:0",
        "server.drain_timeout_secs": "2",
        "store.path": folder / "data",
        "plugins.plugin_dir": folder / "plugins",
    }
    laid = [argument for name, value in settings.items() for argument in ("--set", f"{name}={value}")]
    return [sys.executable, "-m", "flight_server", "serve", *laid]


def _ready(process: subprocess.Popen[bytes], log: Path) -> str:
    stdout = process.stdout
    if stdout is None:  # it is a pipe: said for the type checker, which cannot know
        raise DemoFailed("the server's output cannot be read")
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        line = stdout.readline() if selector.select(_READY_SECS) else b""
    if not line:
        last = log.read_text(errors="replace").strip().rpartition("\n")[2]
        raise DemoFailed(f"the server did not become ready: {last[:500] or 'it said nothing'}")
    return str(json.loads(line)["location"])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
