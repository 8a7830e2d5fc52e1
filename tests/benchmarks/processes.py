"""The servers that are measured, each a process of its own."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Process:
    """A server under measurement: where it listens, and how much memory it has used."""

    def __init__(self, command, location_of):
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.location = location_of(self._process.stdout.readline())

    def peak_mb(self):
        """Highest resident memory since ``reset_peak``, in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def reset_peak(self):
        """Begin to look for the highest resident memory anew."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def stop(self):
        """End the process."""
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()


@contextlib.contextmanager
def ours(folder):
    """This project's server with a new store in ``folder``."""
    settings = {
        "server.location": "grpc://127.0.0.1:0",
        "server.drain_timeout_secs": 1,
        "store.path": folder / "store",
        "plugins.plugin_dir": folder / "plugins",
        "log.level": "error",
    }
    command = [sys.executable, "-m", "flight_server", "serve"]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    process = Process(command, lambda line: json.loads(line)["location"])
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def bare(kind, folder):
    """A bare pyarrow.flight server: ``memory`` or ``durable``."""
    command = [sys.executable, str(HERE / "bare_server.py"), kind, str(folder / "bare.arrows")]
    process = Process(command, lambda line: line.decode().strip())
    try:
        yield process
    finally:
        process.stop()
