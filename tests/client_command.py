"""The command `flight-client` under test: in this process, or in one of its own, on a terminal or not."""

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
import time

from click.testing import CliRunner

from flight_client.cli import main

CSV = "id,name\n1,Ada\n2,Grace\n"
COMMAND = [sys.executable, "-c", "from flight_client.cli import main; main(prog_name='flight-client')"]
PATIENCE_SECS = 60


def environment(server=None, **more):
    """The environment of a command: nothing of the tester's own configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLIGHT_", "XDG_"))}
    if server is not None:
        kept["FLIGHT_URI"] = server.location
    return {**kept, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/nonexistent", **more}


def invoke(server, *arguments, **attributes):
    """Run a command here, against ``server``."""
    attributes.setdefault("env", {"HOME": "/nonexistent", "FLIGHT_URI": server.location if server else None})
    return CliRunner().invoke(main, list(map(str, arguments)), prog_name="flight-client", **attributes)


def start(server, *arguments, **attributes):
    """Start a command in a process of its own."""
    attributes.setdefault("env", environment(server))
    return subprocess.Popen([*COMMAND, *map(str, arguments)], **attributes)


def done(server, *arguments, **attributes):
    """Run a command in a process of its own to its end."""
    attributes.setdefault("env", environment(server))
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECS, check=False, **attributes)


def lines(result):
    """What a command printed as JSON, a document a line."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def until(true):
    """Wait for ``true``."""
    deadline = time.monotonic() + PATIENCE_SECS
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def terminal():
    """A terminal: the descriptor that a command gets, and what is before it."""
    reads, writes = pty.openpty()
    try:
        yield writes, _Person(reads)
    finally:
        os.close(writes)
        os.close(reads)


class _Person:
    """Who sits before a terminal."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self._shown = bytearray()

    def sees(self, wanted):
        """Read until ``wanted`` is there, and return all that was shown."""
        deadline = time.monotonic() + PATIENCE_SECS
        while wanted not in (text := self._shown.decode(errors="replace")) or select.select([self._descriptor], [], [], 0)[0]:
            assert time.monotonic() < deadline, text
            if select.select([self._descriptor], [], [], 0.1)[0]:
                self._shown.extend(os.read(self._descriptor, 65536))
        return text

    def types(self, text):
        """Send keys."""
        os.write(self._descriptor, text.encode())
