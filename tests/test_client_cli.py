"""The command `flight-client`: what it prints, where, and the code that it ends with."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import flight_client
from flight_client.cli import main

CSV = "id,name\n1,Ada\n2,Grace\n"
COMMAND = [sys.executable, "-c", "from flight_client.cli import main; main(prog_name='flight-client')"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def run(server):
    def invoke(*arguments, **kwargs):
        return CliRunner().invoke(main, ["--uri", server.location, *map(str, arguments)], **kwargs)

    return invoke


@pytest.fixture
def stored(run, dataset, tmp_path):
    (tmp_path / "people.csv").write_text(CSV)
    assert run("put", tmp_path / "people.csv", "--as", dataset).exit_code == 0
    return dataset


def test_a_file_is_put_and_got_in_another_format(run, stored, tmp_path):
    result = run("get", stored, "-o", tmp_path / "out.ndjson")
    assert result.exit_code == 0
    assert result.stdout == f"file\t{tmp_path / 'out.ndjson'}\nbytes\t{(tmp_path / 'out.ndjson').stat().st_size}\n"
    assert [json.loads(line)["id"] for line in (tmp_path / "out.ndjson").read_text().splitlines()] == [1, 2]


def test_a_put_is_named_after_its_file(run, tmp_path, dataset):
    path = tmp_path / f"{dataset}.csv"
    path.write_text(CSV)
    result = run("--json", "put", path, "--mode", "create")
    assert json.loads(result.stdout)["dataset"] == dataset
    assert run("put", path, "--mode", "create").exit_code == 1


def test_standard_input_and_output_stand_for_files(run, dataset):
    assert run("put", "-", "--as", dataset, "--format", "csv", input=CSV).exit_code == 0
    assert run("get", dataset).stdout == CSV
    assert run("get", dataset, "--columns", "name", "--limit", "1", "--format", "tsv").stdout == "name\nAda\n"
    assert run("convert", "-", "-", "--from", "csv", "--to", "tsv", input=CSV).stdout == CSV.replace(",", "\t")


def test_options_are_json_or_text(run, dataset, tmp_path):
    (tmp_path / "a.csv").write_text("1;2\n")
    result = run("put", tmp_path / "a.csv", "--as", dataset, "--option", "delimiter=;", "--option", "header=false")
    assert result.exit_code == 0
    assert run("get", dataset, "--option", "delimiter=|", "--option", "header=false").stdout == "1|2\n"


def test_a_file_is_converted(run, tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    assert run("convert", tmp_path / "a.csv", tmp_path / "a.tsv").exit_code == 0
    assert (tmp_path / "a.tsv").read_text() == CSV.replace(",", "\t")


def test_datasets_are_listed_shown_and_dropped(run, stored):
    assert run("ls", stored).stdout.splitlines()[1].split("\t")[:3] == [stored, "1", "2"]
    listed = json.loads(run("--json", "ls", stored).stdout)
    assert [(item["dataset"], item["rows"], item["schema"]) for item in listed] == [
        (stored, 2, {"id": "int64", "name": "string"})
    ]
    assert "schema\tid: int64; name: string" in run("info", stored).stdout
    assert run("drop", stored).exit_code == 0
    assert run("ls", stored).stdout == "dataset\tversion\trows\tbytes\tupdated\n"


@pytest.mark.parametrize(("command", "shows"), [("formats", "csv"), ("plugins", "csv"), ("health", "ok")])
def test_the_server_is_looked_at(run, command, shows):
    result = run(command)
    assert result.exit_code == 0
    assert shows in result.stdout
    assert json.loads(run("--json", command).stdout)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["get", "absent"], 1, "[unknown_dataset] there is no dataset 'absent'"),
        (["put", "absent.csv"], 1, "absent.csv: No such file or directory"),
        (["put", "absent.odd"], 1, "[unknown_format] no loaded format has the extension of 'absent.odd'"),
        (["get"], 2, "Missing argument"),
        (["put", "-"], 2, "give --as and --format"),
        (["convert", "-", "a.csv"], 2, "give --from"),
        (["get", "a", "--option", "nothing"], 2, "is not KEY=VALUE"),
        (["--uri", "nowhere", "ls"], 2, "no address"),
        (["--uri", "grpc://127.0.0.1:1", "ls"], 3, "[unavailable]"),
    ],
)
def test_errors_are_a_line_on_stderr_and_a_code(run, arguments, code, says):
    result = run(*arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert errors == result.stderr.splitlines()[-1:]


def test_a_broken_document_is_refused_and_no_file_is_left(run, tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2,3\n")
    result = run("convert", tmp_path / "a.csv", tmp_path / "b.csv")
    assert result.exit_code == 1
    assert "[bad_payload] row 1" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_the_command_runs_on_its_own_and_takes_its_server_from_the_environment(server, stored):
    environment = {**ENVIRONMENT, "FLIGHT_URI": server.location}
    done = subprocess.run([*COMMAND, "get", stored], capture_output=True, text=True, env=environment, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (CSV, "")


def test_on_a_terminal_there_are_tables(server, stored):
    reads, writes = pty.openpty()
    environment = {**ENVIRONMENT, "FLIGHT_URI": server.location, "COLUMNS": "200", "TERM": "xterm", "NO_COLOR": "1"}
    try:
        subprocess.run([*COMMAND, "ls", stored], stdout=writes, env=environment, timeout=60, check=True)
        shown = os.read(reads, 65536).decode()
    finally:
        os.close(writes)
        os.close(reads)
    assert "\t" not in shown
    assert [name for name in ("dataset", "version", "rows", "bytes", "updated") if name not in shown] == []
    assert stored in shown


def test_a_reader_that_has_gone_is_no_traceback(server, stored):
    script = f'{" ".join(map(repr, COMMAND[:1]))} -c "from flight_client.cli import main; main()" get {stored} | true'
    environment = {**ENVIRONMENT, "FLIGHT_URI": server.location}
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert "Traceback" not in done.stderr


def test_the_client_imports_nothing_of_the_server():
    script = (
        "import sys, flight_client.cli\nprint([name for name in sys.modules if name.startswith(('flight_server', 'format_'))])"
    )
    environment = {**ENVIRONMENT, "PYTHONPATH": str(Path(flight_client.__file__).parent.parent)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=True)
    assert done.stdout == "[]\n"
