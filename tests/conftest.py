"""Real servers for the tests: each a process of its own on a free port, with its own store and plugin folder."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from hypothesis import settings

import flight_client

# How long an example takes says more of the machine than of the code. The examples are the same ones in each run, so that
# what is said of a change is not left to chance; ``make endurance`` looks at new ones.
settings.register_profile("unhurried", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None, print_blob=True)
settings.load_profile("searching" if os.environ.get("FLIGHT_ENDURANCE") else "unhurried")

ROOT = Path(__file__).resolve().parent.parent
READY_SECS = 60
STOP_SECS = 60


class RunningServer:
    """A server process. Its folders outlive it: ``restart`` serves the same data again, on another port.

    It takes a ``config_file`` when there is one at its start; ``overrides`` lie over it.
    """

    def __init__(self, folder, overrides):
        self.store_dir = folder / "store"
        self.plugin_dir = folder / "plugins"
        self.log_file = folder / "server.log"
        self.config_file = folder / "server.yaml"
        self._settings = {
            "server.location": "grpc://127.0.0.1:0",
            "store.path": self.store_dir,
            "plugins.plugin_dir": self.plugin_dir,
            **overrides,
        }
        self.process = None
        self.location = None
        self.start()

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        command = [sys.executable, "-m", "flight_server", "serve"]
        if self.config_file.exists():
            command += ["--config", self.config_file]
        for name, value in self._settings.items():
            command += ["--set", f"{name}={value if isinstance(value, str | Path) else json.dumps(value)}"]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT)
        with self.process.stdout:
            self.location = self._ready()["location"]

    def stop(self):
        """Stop it as an operator does; it must end well. Nothing happens when it has ended before."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                code = self.process.wait(STOP_SECS)
            except subprocess.TimeoutExpired:
                os.kill(self.pid, signal.SIGUSR1)  # it tells where its threads are
                time.sleep(1)
                self.kill()
                pytest.fail(f"the server did not stop within {STOP_SECS} s; its log ends:\n{self.log_tail()}")
            assert code == 0, f"the server ended with {code}; its log ends:\n{self.log_tail()}"

    def kill(self):
        """Kill it as a power cut does."""
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def frozen(self):
        """Have it be there and do nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, self.pid, os.WSTOPPED)  # its threads go on for a moment
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def restart(self, number=signal.SIGTERM):
        """Serve the same folders again; ``number`` ends the process when it still runs."""
        if self.process.poll() is None:
            os.kill(self.pid, number)
            self.process.wait(STOP_SECS)
        self.start()

    def log_tail(self, lines=40):
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def _ready(self):
        deadline = time.monotonic() + READY_SECS
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([self.process.stdout], [], [], max(deadline - time.monotonic(), 0))
            piece = os.read(self.process.stdout.fileno(), 4096) if readable else b""
            if not piece:
                self.kill()
                pytest.fail(f"the server did not become ready; its log ends:\n{self.log_tail()}")
            line += piece
        ready = json.loads(line)
        assert ready["event"] == "ready"
        assert ready["pid"] == self.pid
        return ready


@contextlib.contextmanager
def _running(folder, overrides):
    server = RunningServer(folder, overrides)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server that tests share: they use names of their own (see ``dataset``) and leave its plugins alone."""
    with _running(tmp_path_factory.mktemp("shared-server"), {}) as running:
        yield running


@pytest.fixture
def own_server(tmp_path_factory):
    """A server for one test, which may do with it what it likes."""
    with _running(tmp_path_factory.mktemp("own-server"), {}) as running:
        yield running


@pytest.fixture(scope="module")
def module_server(request, tmp_path_factory):
    """A server for the tests of one module, with the settings that it has as ``SETTINGS``."""
    with _running(tmp_path_factory.mktemp("module-server"), getattr(request.module, "SETTINGS", {})) as running:
        yield running


@pytest.fixture
def server_factory(tmp_path_factory):
    """Makes servers with settings: ``server_factory(**{"limits.columns": 8})``."""
    with contextlib.ExitStack() as stack:
        made = []

        def make(**overrides):
            made.append(stack.enter_context(_running(tmp_path_factory.mktemp("made-server"), overrides)))
            return made[-1]

        make.made = made
        yield make


@pytest.fixture
def dataset(request):
    """A dataset's name that no other test has."""
    return f"{re.sub('[^A-Za-z0-9_]', '_', request.node.name)[:80]}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def our_client(server):
    """Our own client, connected to the shared server."""
    with flight_client.connect(server.location) as client:
        yield client


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Show what the servers of a failed test had to say."""
    report = (yield).get_result()
    if not report.failed:
        return
    for name, value in getattr(item, "funcargs", {}).items():
        for server in getattr(value, "made", [value]):
            if isinstance(server, RunningServer):
                report.sections.append((f"log of {name}", server.log_tail()))
