"""The command `flight-server plugin` under test: in this process, or in one of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from flight_server.cli import main

SCRIPTS = Path(sys.executable).parent
COMMAND = [sys.executable, "-m", "flight_server", "plugin"]


def environment(**more):
    """The environment of an author who has installed the project, and nothing else of the tester's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLIGHT_", "XDG_"))}
    return {**kept, "PATH": f"{SCRIPTS}:{kept['PATH']}", **more}


def invoke(*arguments):
    """Run `flight-server plugin ...` here."""
    return CliRunner().invoke(main, ["plugin", *map(str, arguments)], prog_name="flight-server")


def run(*arguments, cwd, **more):
    """Run it in a process of its own to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def documents(result):
    """What a command printed as JSON, an object a line."""
    return [json.loads(line) for line in result.stdout.splitlines()]
