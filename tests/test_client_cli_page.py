"""The page docs/command-line.md cannot lie: its tables are the commands' own help, and its examples run."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from client_command import environment, invoke

from flight_client.cli import main

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/command-line.md").read_text()
_SPEC = importlib.util.spec_from_file_location("command_line", ROOT / "docs/command_line.py")
command_line = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(command_line)


def section(name):
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def examples(text):
    return "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))


def test_the_tables_are_the_commands_own_help():
    assert command_line.generated() == PAGE, "docs/command-line.md is behind the code: run make docs"


@pytest.mark.parametrize("name", sorted(main.commands))
def test_each_command_has_a_section_whose_examples_show_each_of_its_options(name):
    shown = examples(section(name))
    assert f"flight-client {name}" in shown
    for option in command_line.flags(main.commands[name]):
        assert any(re.search(rf"(?<![\w-]){flag}(?![\w-])", shown) for flag in option.opts), option.opts


def test_the_options_of_every_command_are_shown():
    options = [parameter for parameter in main.params if isinstance(parameter, click.Option)]
    shown = examples(PAGE)
    assert [option.opts for option in options if not any(flag in shown for flag in option.opts)] == []


@pytest.mark.parametrize("name", sorted(main.commands))
def test_the_help_of_a_command_has_what_the_table_says(name):
    shown = "".join(invoke(None, name, "--help").stdout.split())  # lines break at hyphens too
    for option in command_line.flags(main.commands[name]):
        assert "".join(option.help.split()) in shown


def test_the_examples_run(own_server, tmp_path):
    command = tmp_path / "bin" / "flight-client"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom flight_client.cli import main\nmain(prog_name='flight-client')\n")
    command.chmod(0o755)
    told = environment(own_server)
    told["PATH"] = f"{command.parent}:{told['PATH']}"
    script = "set -eu\n" + examples(PAGE)
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=told, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert "2026-01-03,salt,0.9" in done.stdout
    assert (tmp_path / "sales.parquet").read_bytes().startswith(b"PAR1")
