"""The command `flight-client`: what it prints, where, and the code that it ends with."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pyarrow as pa
import pytest
from client_command import CSV, done, environment, invoke, lines, start, terminal, until
from plugin_samples import lines as plugin_lines

import flight_client
from flight_client.commands import failures

BAD_NAME = "\x1b[31mred"


@pytest.fixture
def run(server):
    return lambda *arguments, **attributes: invoke(server, *arguments, **attributes)


@pytest.fixture
def stored(our_client, dataset):
    our_client.put(dataset, CSV.encode(), format="csv")
    return dataset


def test_a_file_is_put_and_got_in_another_format(run, dataset, tmp_path):
    (tmp_path / "people.csv").write_text(CSV)
    put = run("put", tmp_path / "people.csv", "--as", dataset)
    assert put.stdout.splitlines() == [
        "file\tdataset\tversion\trows\tbytes\treplayed",
        f"{tmp_path / 'people.csv'}\t{dataset}\t1\t2\t{len(CSV)}\tno",
    ]
    result = run("get", dataset, "-o", tmp_path / "out.ndjson")
    assert result.exit_code == 0
    assert result.stdout == f"file\t{tmp_path / 'out.ndjson'}\nbytes\t{(tmp_path / 'out.ndjson').stat().st_size}\n"
    assert [json.loads(line)["id"] for line in (tmp_path / "out.ndjson").read_text().splitlines()] == [1, 2]


def test_standard_input_and_output_stand_for_files(run, dataset):
    assert run("put", "-", "--as", dataset, "--format", "csv", input=CSV).exit_code == 0
    assert run("get", dataset).stdout == CSV
    assert run("get", dataset, "--columns", "name", "--limit", "1", "--format", "tsv").stdout == "name\nAda\n"
    assert run("get", dataset, "--offset", "1", "-o", "-").stdout == "id,name\n2,Grace\n"
    assert run("convert", "-", "-", "--from", "csv", "--to", "tsv", input=CSV).stdout == CSV.replace(",", "\t")


def test_options_are_json_or_text(run, dataset, tmp_path):
    (tmp_path / "a.csv").write_text("1;2\n")
    result = run("put", tmp_path / "a.csv", "--as", dataset, "--option", "delimiter=;", "--option", "header=false")
    assert result.exit_code == 0
    assert run("get", dataset, "--option", "delimiter=|", "--option", "header=false").stdout == "1|2\n"


def test_an_older_version_is_got(run, stored):
    assert run("put", "-", "--as", stored, "--format", "csv", "--mode", "replace", input="x\n1\n").exit_code == 0
    assert run("get", stored).stdout == "x\n1\n"
    assert run("get", stored, "--version", "1").stdout == CSV
    assert [line["version"] for line in lines(run("versions", stored, "--json"))] == [1, 2]


def test_the_head_of_a_dataset_is_shown(run, stored):
    assert run("head", stored, "-n", "1").stdout == "id\tname\n1\tAda\n"
    assert run("head", stored, "--columns", "name", "--offset", "1").stdout == "name\nGrace\n"
    assert lines(run("head", stored, "--json")) == [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}]


def test_every_kind_of_value_can_be_shown(run, our_client, dataset):
    values = {
        "nothing": pa.nulls(1),
        "bytes": pa.array([b"\xff\x00"]),
        "instant": pa.array([2**62 + 1], pa.timestamp("ns", "Europe/Zurich")),
        "year 30000": pa.array([10**12], pa.timestamp("s")),
        "nested": pa.array([[{"a": 1}]]),
        "steering": pa.array(["\x1b[2J\r\n\t"]),
    }
    our_client.put(dataset, pa.table(values))
    shown = run("head", dataset)
    assert shown.exit_code == 0, shown.exception
    assert "\x1b" not in shown.stdout
    assert len(shown.stdout.splitlines()) == 2
    assert [line.count("\t") for line in shown.stdout.splitlines()] == [5, 5]


def test_datasets_are_listed_shown_and_dropped(run, stored):
    assert run("ls", stored).stdout.splitlines()[1].split("\t")[:3] == [stored, "1", "2"]
    listed = lines(run("--json", "ls", stored))
    schema = [{"name": "id", "type": "int64", "nullable": True}, {"name": "name", "type": "string", "nullable": True}]
    assert [(item["dataset"], item["rows"], item["schema"]) for item in listed] == [(stored, 2, schema)]
    told = run("info", stored).stdout
    assert "schema\tid: int64; name: string" in told
    assert "versions\tversion 1, rows 2, bytes" in told
    assert run("drop", stored).exit_code == 0
    assert run("ls", stored).stdout == "dataset\tversion\trows\tbytes\tupdated\n"


def test_several_are_dropped_and_one_that_is_not_there_does_not_keep_the_others(run, stored):
    result = run("drop", "absent", stored)
    assert result.exit_code == failures.SOME_FAILED
    assert result.stderr.startswith("Error: absent: [unknown_dataset] there is no dataset 'absent'")
    assert result.stdout == f"dataset\tversion\n{stored}\t1\n"


@pytest.mark.parametrize(("command", "shows"), [("formats", "csv"), ("plugins", "csv"), ("health", "ok")])
def test_the_server_is_looked_at(run, command, shows):
    result = run(command)
    assert result.exit_code == 0
    assert shows in result.stdout
    assert lines(run("--json", command))


def test_all_that_is_known_of_a_plugin_is_shown(run):
    shown = dict(line.split("\t", 1) for line in run("plugins", "csv").stdout.splitlines())
    assert len(shown["sha256"]) == 64
    assert float(shown["load_ms"]) > 0
    assert {"leases", "loads", "failures", "loaded_at", "last_error", "conflicts", "pinned_by"} <= shown.keys()
    assert run("plugins", "cvs").exit_code == failures.REFUSED


def test_every_plugin_that_asks_for_a_name_is_shown_the_one_that_has_it_first(own_server):
    for file, version in (("late.py", "2.0.0"), ("early.py", "1.0.0")):
        (own_server.plugin_dir / file).write_text(plugin_lines(version))
    invoke(own_server, "reload")
    first, second = lines(invoke(own_server, "--json", "plugins", "lines"))
    assert [(each["file"], each["state"]) for each in (first, second)] == [("early.py", "active"), ("late.py", "rejected")]
    assert "rename or delete one" in second["last_error"]
    shown = invoke(own_server, "plugins", "lines").stdout
    assert datetime.fromtimestamp(first["loaded_at"], UTC).isoformat(sep=" ", timespec="seconds") in shown


def test_plugins_are_reloaded_and_rolled_back(own_server):
    file = own_server.plugin_dir / "lines.py"
    versions = [plugin_lines(version) for version in ("1.0.0", "2.0.0")]
    for text in versions:
        file.write_text(text)
        result = invoke(own_server, "reload")
        assert result.exit_code == 0
    back = invoke(own_server, "--json", "rollback", "lines")
    assert lines(back)[0]["version"] == "1.0.0"
    file.write_text("def create_plugin(:")
    result = invoke(own_server, "reload")
    assert result.exit_code == failures.FAULT
    assert result.stdout.splitlines()[1].startswith("lines\trejected\t")


def test_the_options_of_a_format_are_listed(run):
    assert "delimiter" in {line.split("\t")[0] for line in run("formats", "csv").stdout.splitlines()}
    assert "did you mean 'csv'" in run("formats", "cvs").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["get", "absent"], 1, "[unknown_dataset] there is no dataset 'absent'"),
        (["put", "absent.csv"], 1, "absent.csv: No such file or directory"),
        (["put", "absent.odd"], 1, "[unknown_format] no loaded format has the extension of 'absent.odd'"),
        (["put", "shop/sales"], 1, "shop/sales: No such file or directory; the dataset is named by --as"),
        (["put", "absent-*.csv"], 1, "absent-*.csv: no file has a name like this"),
        (["get", "absent", "-o", "/absent/a.csv"], 1, "absent"),
        (["info", BAD_NAME], 1, "[bad_request]"),
        (["get"], 2, "Missing argument 'DATASET'; see `flight-client get --help`"),
        (["puut"], 2, "No such command 'puut'"),
        (["ls", "--jsno"], 2, "--json"),
        (["put", "-"], 2, "give --as and --format"),
        (["put", "a.csv", "b.csv", "--as", "c", "--mode", "replace"], 2, "takes one file"),
        (["put", "a.csv", "x/a.csv"], 2, "a.csv and x/a.csv would both be put in 'a'"),
        (["put", "a.csv", "--as", "b", "--under", "c/"], 2, "leave --under out"),
        (["put", "a.csv", "--as", ""], 2, "--as is empty"),
        (["convert", "-", "a.csv"], 2, "give --from"),
        (["convert", "a.csv", "b.csv", "--local", "--schema-from", "c"], 2, "--local asks none"),
        (["get", "a", "--option", "nothing"], 2, "is not KEY=VALUE"),
        (["--uri", "nowhere:8815", "ls"], 2, "did you mean 'grpc://nowhere:8815'?"),
        (["--uri", "http://nowhere", "ls"], 2, "such as grpc://127.0.0.1:8815"),
        (["--token", "a b", "ls"], 2, "this is no token"),
        (["--uri", "grpc://127.0.0.1:1", "ls"], 3, "[unavailable]"),
    ],
)
def test_errors_are_one_line_on_stderr_and_a_code(run, arguments, code, says):
    result = run(*arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    assert says in result.stderr
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert "\x1b" not in result.stderr


def test_errors_are_json_when_that_is_wanted(run):
    error = json.loads(run("get", "absent", "--json").stderr)["error"]
    assert (error["exit_code"], error["code"]) == (1, "unknown_dataset")
    assert error["id"]
    assert json.loads(run("get", "--json").stderr)["error"]["exit_code"] == failures.USAGE


def test_a_fault_of_a_plugin_has_a_code_of_its_own(own_server, tmp_path):
    (own_server.plugin_dir / "faulty.py").write_text(
        "from types import SimpleNamespace as N\n"
        "from dataclasses import make_dataclass\n"
        "from format_plugins.contract import PluginCapabilities as C, PluginMetadata as M\n"
        "class Codec:\n    def read_batches(self, data):\n        raise ZeroDivisionError\n"
        "told = M(name='faulty', version='1.0.0', extensions=('.faulty',), capabilities=C(write=False))\n"
        "Options = make_dataclass('Options', [], frozen=True)\n"
        "def create_plugin():\n"
        "    return N(config_type=Options, metadata=lambda: told, create_format=lambda config: Codec())\n"
    )
    (tmp_path / "a.faulty").write_text("data")
    until(lambda: "faulty" in invoke(own_server, "formats").stdout)
    result = invoke(own_server, "put", tmp_path / "a.faulty")
    assert result.exit_code == failures.FAULT
    assert "[plugin_failed]" in result.stderr


def test_a_server_that_stops_is_not_well(own_server):
    until(lambda: invoke(own_server, "health").exit_code == 0)
    own_server.stop()
    assert invoke(own_server, "health").exit_code == failures.UNAVAILABLE


def test_quiet_is_quiet(run, dataset, tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    for arguments in (
        ["put", tmp_path / "a.csv", "--as", dataset],
        ["get", dataset, "-o", tmp_path / "b.csv"],
        ["convert", tmp_path / "a.csv", tmp_path / "c.csv"],
        ["drop", dataset],
    ):
        assert run(*arguments, "--quiet").output == ""


def test_the_command_runs_on_its_own_and_takes_its_server_from_the_environment(server, stored):
    result = done(server, "get", stored)
    assert (result.stdout, result.stderr, result.returncode) == (CSV, "", 0)


def test_on_a_terminal_there_are_tables(server, stored):
    with terminal() as (writes, person):
        told = environment(server, COLUMNS="200", TERM="xterm", NO_COLOR="1")
        assert start(server, "ls", stored, stdout=writes, env=told).wait(60) == 0
        shown = person.sees(stored)
    assert "\t" not in shown
    assert [name for name in ("dataset", "version", "rows", "bytes", "updated") if name not in shown] == []


def test_on_a_narrow_terminal_the_head_has_the_columns_that_fit(server, our_client, dataset):
    our_client.put(dataset, pa.table({f"column{number}": [f"value{number}" * 20] for number in range(30)}))
    with terminal() as (writes, person):
        told = environment(server, COLUMNS="140", TERM="xterm", NO_COLOR="1")
        assert start(server, "head", dataset, stdout=writes, stderr=writes, env=told).wait(60) == 0
        shown = person.sees("2 of 30 columns; --columns A,B chooses others")
    assert "column1" in shown
    assert "column2" not in shown
    assert max(len(re.sub("\x1b[^m]*m", "", line)) for line in shown.splitlines()) <= 140


def test_binary_data_is_not_printed_to_a_terminal(server, stored):
    with terminal() as (writes, person):
        command = start(server, "get", stored, "--format", "parquet", stdout=writes, stderr=writes)
        assert command.wait(60) == failures.USAGE
        assert person.sees("terminal").startswith("Error: this would print what is no text to a terminal")


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 1, 1)])
def test_on_a_terminal_a_drop_is_asked_about(server, our_client, stored, answer, code, left):
    with terminal() as (writes, person):
        command = start(server, "drop", stored, stdin=writes, stdout=writes, stderr=writes)
        person.sees(f"Drop {stored}? [y/N]")
        person.types(f"{answer}\n")
        assert command.wait(60) == code
    assert len(our_client.list(stored)) == left


def test_help_imports_neither_pyarrow_nor_rich():
    script = (
        "import sys\nfrom flight_client.cli import main\n"
        "try:\n    main(sys.argv[1:], prog_name='flight-client')\n"
        "finally:\n    print(sorted({'pyarrow', 'rich', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    for words in (["--help"], ["put", "--help"], ["get", "--help"], ["convert", "--help"]):
        command = [sys.executable, "-c", script, *words]
        result = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=True)
        assert result.stderr == "[]\n"
        assert "Usage: flight-client" in result.stdout


def test_the_client_imports_nothing_of_the_server():
    script = (
        "import sys, flight_client.cli, flight_client.client\n"
        "print([name for name in sys.modules if name.startswith(('flight_server', 'format_'))])"
    )
    told = environment(PYTHONPATH=str(Path(flight_client.__file__).parent.parent))
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, text=True, env=told, timeout=60, check=True).stdout == "[]\n"


def test_the_help_tells_every_exit_code(run):
    shown = run("--help").stdout
    for code, meaning in failures.EXIT_CODES.items():
        assert f"{code:>3}  {meaning}" in shown


def test_it_tells_its_version(run):
    assert run("--version").stdout == f"flight-client, version {metadata.version('distributed-transformer')}\n"
