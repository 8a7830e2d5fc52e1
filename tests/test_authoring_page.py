"""The page docs/plugin-commands.md cannot lie: its tables are the commands' own help, and its examples run."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from author_command import environment

from flight_server.authoring.commands import plugin

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/plugin-commands.md").read_text()
_SPEC = importlib.util.spec_from_file_location("command_line", ROOT / "docs/command_line.py")
command_line = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(command_line)


def section(name):
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def examples(text):
    return "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))


def shell(script, folder, **more):
    """Run ``script`` as an author does who has the commands on the path."""
    command = [shutil.which("bash"), "-c", f"set -eu\n{script}"]
    return subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=240, check=False
    )


def test_the_tables_are_the_commands_own_help():
    assert command_line.generated_for_authors() == PAGE, "docs/plugin-commands.md is behind the code: run make docs"


@pytest.mark.parametrize("name", sorted(plugin.commands))
def test_each_command_has_a_section_whose_examples_show_each_of_its_options(name):
    shown = examples(section(name))
    assert f"flight-server plugin {name}" in shown
    for option in command_line.options(plugin.commands[name]):
        assert any(re.search(rf"(?<![\w-]){flag}(?![\w-])", shown) for flag in option.opts), option.opts


@pytest.mark.slow
def test_the_examples_run(server, tmp_path):
    done = shell(examples(PAGE), tmp_path, FLIGHT_URI=server.location)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "ok      a server takes it" in done.stdout
    assert "✓ ledger 0.1.0: loaded as generation" in done.stdout
    assert "large.ledger: " in done.stdout
    assert "the host unpacks it" in done.stdout
    assert done.stdout.endswith("nothing is selected\n")
