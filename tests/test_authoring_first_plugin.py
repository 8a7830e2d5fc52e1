"""A first-time author gets from `plugin new` to a served request in under five commands: those that the page shows."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from author_command import environment

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "format_plugins" / "README.md").read_text()
SHOWN = re.search(r"\n## Your first plugin\n.*?```sh\n(.*?)```", PAGE, re.DOTALL)[1].splitlines()
PATIENCE_SECS = 240
DONE = "it is done: "
# A port that is free, which the page cannot know: all else is as typed.
PROLOGUE = """
flight-server() {
  if [ "$1" = serve ]; then set -- "$@" --set server.location=grpc://127.0.0.1:0; fi
  command flight-server "$@"
}
"""


class Shell:
    """A shell that an author types into, reading what it says before typing on."""

    def __init__(self, folder):
        self._process = subprocess.Popen(
            [shutil.which("bash")],
            cwd=folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._said = ""
        self._write(PROLOGUE)

    def types(self, command):
        """Type a command, wait until it is done, or ready when it goes on in the background, and return what it said."""
        self._said = ""
        if command.endswith("&"):
            self._write(f"{command}\n")
            return self._reads(r"^(\{.*\"ready\".*\})\n")[1]
        self._write(f"{command}\necho '{DONE}'$?\n")
        assert self._reads(rf"{DONE}(\d+)\n")[1] == "0", self._said
        return self._said

    def _reads(self, wanted):
        deadline = time.monotonic() + PATIENCE_SECS
        while (found := re.search(wanted, self._said, re.MULTILINE)) is None:
            assert select.select([self._process.stdout], [], [], max(deadline - time.monotonic(), 0))[0], self._said
            piece = os.read(self._process.stdout.fileno(), 65536).decode()
            assert piece, self._said
            self._said += piece
        return found

    def sets(self, name, value):
        self._write(f"export {name}={value}\n")

    def close(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _write(self, text):
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()


@pytest.fixture
def shell(tmp_path):
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def test_there_are_fewer_than_five_commands():
    assert len(SHOWN) < 5
    assert SHOWN[0].startswith("flight-server plugin new ")


@pytest.mark.slow
def test_the_commands_that_the_page_shows_lead_to_a_served_request(shell, tmp_path):
    new, check, serve, convert = SHOWN
    assert "ledger/ledger.py" in shell.types(new)
    checked = shell.types(check)
    assert "ok      a server takes it" in checked
    assert "failed" not in checked
    ready = json.loads(shell.types(serve))
    try:
        shell.sets("FLIGHT_URI", ready["location"])
        shell.types(convert)
        assert (tmp_path / "ledger.csv").read_text() == "key,value\ntea,2.5\nrice,1.2\nsalt,\na=b,0.9\n"
        change(tmp_path / "ledger/ledger.py")
        deadline = time.monotonic() + 30
        while "name,value" not in (tmp_path / "ledger.csv").read_text():
            assert time.monotonic() < deadline
            shell.types(convert)
    finally:
        os.kill(ready["pid"], signal.SIGTERM)


def change(module):
    """Make the change of the page's last sentence: the plugin calls a column otherwise."""
    module.write_text(module.read_text().replace('"key"', '"name"'))
