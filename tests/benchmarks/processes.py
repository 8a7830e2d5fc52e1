"""The processes that are measured: servers, and children that are told what to do line by line."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Process:
    """A process under measurement: how much memory it has used, and how it is ended."""

    def __init__(self, command, *, log=None, **settings):
        self._log = log
        with contextlib.ExitStack() as stack:
            errors = subprocess.DEVNULL if log is None else stack.enter_context(log.open("wb"))
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                text=True,
                **{"stdout": subprocess.PIPE, "stderr": errors, **settings},
            )

    def line(self):
        """Return what the process says next, as JSON where it is."""
        found = self._process.stdout.readline()
        if not found:
            raise RuntimeError(f"it ended with code {self._process.wait()}: {self.last_words()}")
        try:
            return json.loads(found)
        except ValueError:
            return found.strip()

    def last_words(self):
        """Return the last line of its log."""
        said = "" if self._log is None else self._log.read_text(errors="replace").strip()
        return said.splitlines()[-1][:200] if said else "it said nothing"

    def tell(self, order):
        """Send one order, without waiting for its answer."""
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def ask(self, order):
        """Send one order and return its answer."""
        self.tell(order)
        return self.line()

    def alive(self):
        """Whether it still runs."""
        return self._process.poll() is None

    def peak_mb(self):
        """Highest resident memory since ``reset_peak``, in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6

    def reset_peak(self):
        """Begin to look for the highest resident memory anew."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def stop(self):
        """End the process."""
        self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextlib.contextmanager
def running(command, **settings):
    """Run a process for the length of a block."""
    process = Process(command, **settings)
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def ours(folder, **overrides):
    """This project's server with a new store in ``folder`` and its own defaults, but for ``overrides``."""
    settings = {
        "server.location": "grpc://127.0.0.1:0",
        "server.drain_timeout_secs": 1,
        "store.path": folder / "store",
        "plugins.plugin_dir": folder / "plugins",
        "log.level": "error",
        **overrides,
    }
    command = [sys.executable, "-m", "flight_server", "serve"]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    with running(command) as process:
        process.location = process.line()["location"]
        yield process


@contextlib.contextmanager
def bare(kind, folder):
    """A bare pyarrow.flight server: ``memory``, ``durable`` or ``documents``."""
    files = folder / f"bare-{kind}"
    files.mkdir(exist_ok=True)
    with running([sys.executable, HERE / "bare_server.py", kind, files]) as process:
        process.location = process.line()
        yield process


def settle():
    """Have the disk write what earlier rows left behind, so that no row pays for another."""
    os.sync()
