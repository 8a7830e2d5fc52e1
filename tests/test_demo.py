"""The demonstration: it shows what it says, leaves nothing behind, and fails in a sentence."""

import os
import signal
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from flight_client import Client
from flight_server.cli import main
from flight_server.demo import server as demo_server
from flight_server.demo import weather

COMMAND = [sys.executable, "-u", "-m", "flight_server", "demo"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the demonstration keeps its own folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def demonstrators(folder):
    """The processes that work in ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(int(entry.name))
    return found


def test_every_step_is_shown_and_nothing_is_left(folder):
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 0, result.output
    steps = [line.split()[0] for line in result.output.splitlines()[2:] if line and "MB/s" not in line]
    assert steps[:11] == ["serve", "put", "put", "list", "list", "get", "get", "get", "convert", "drop", "get"]
    assert "1,461" in result.output
    assert f"{1461 * weather.TIMES:,}" in result.output
    assert list(folder.iterdir()) == []
    assert demonstrators(folder) == []


def test_a_result_that_differs_is_found(folder, monkeypatch):
    monkeypatch.setattr(weather, "parquet", lambda _path: pa.table({"date": ["2012/01/01"]}))
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 1
    assert "Error: get: Parquet: 1 rows came of" in result.output
    assert list(folder.iterdir()) == []
    assert demonstrators(folder) == []


def test_what_the_server_refuses_is_said_with_the_step(folder, monkeypatch):
    real = Client.put
    monkeypatch.setattr(Client, "put", lambda *args, **kwargs: real(*args, **{**kwargs, "format": "cvs"}))
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 1
    assert "Error: put: the server answered [unknown_format]" in result.output
    assert list(folder.iterdir()) == []


def test_a_server_that_does_not_start_is_said_so(folder, monkeypatch):
    monkeypatch.setattr(demo_server, "_command", lambda _folder: [sys.executable, "-c", "import sys; sys.exit('no room')"])
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 1
    assert "did not become ready: no room" in result.output
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_early_finds_nothing_left(folder, number):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(folder)}
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    with process.stdout, process.stderr:
        while "serve" not in (line := process.stdout.readline()):
            assert line
        process.send_signal(number)
        process.stdout.read()
        said = process.stderr.read()
        assert process.wait(30) != 0
    assert "Traceback" not in said
    assert list(folder.iterdir()) == []
    deadline = time.monotonic() + 20
    while demonstrators(folder):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_dropped_plugin_is_short_and_the_data_names_its_source():
    files = resources.files("flight_server.demo")
    assert len(files.joinpath("markdown_table.py").read_text().splitlines()) <= 40
    assert "NOAA" in files.joinpath("SOURCE.md").read_text()
    assert weather.Weather().table.num_rows == 1461
