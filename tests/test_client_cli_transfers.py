"""The command `flight-client` moving data: several files, progress, Ctrl-C, readers that go, no server at all."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from client_command import COMMAND, CSV, done, environment, invoke, lines, start, terminal, until

import flight_client
from flight_client.commands import failures
from flight_client.commands.meter import Meter
from flight_client.commands.naming import Names
from flight_client.commands.reading import Watched, reading
from flight_client.commands.work import Interrupt
from flight_client.sources import Original

LINE = b"1234567,some text that makes the line longer\n"
HEADER = b"id,text\n"


@pytest.fixture
def large(tmp_path):
    """A document whose put takes seconds."""
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.write(HEADER)
        for _ in range(400):
            file.write(LINE * 20_000)
    return path


def calls(server):
    return json.loads(invoke(server, "health", "--json").stdout)["calls"]


def staged(server):
    return [path for path in server.store_dir.rglob("*") if path.is_file() and "staging" in str(path)]


def test_many_files_are_put_at_once_under_a_prefix(server, dataset, tmp_path):
    for number in range(20):
        (tmp_path / f"part-{number:02}.csv").write_text(CSV)
    result = invoke(server, "put", tmp_path / "part-*.csv", "--under", f"{dataset}/", "--jobs", 8, "--json")
    assert result.exit_code == 0
    assert {line["dataset"] for line in lines(result)} == {f"{dataset}/part-{number:02}" for number in range(20)}
    assert len(lines(invoke(server, "ls", f"{dataset}/", "--json"))) == 20


def test_several_files_are_put_into_one_dataset_in_their_order(server, dataset, tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.csv").write_text(f"x\n{number}\n")
    assert invoke(server, "put", tmp_path / "*.csv", "--as", dataset).exit_code == 0
    assert invoke(server, "get", dataset).stdout.split() == ["x", "0", "1", "2", "3", "4"]


def test_a_file_that_fails_is_one_line_and_the_others_are_stored(server, dataset, tmp_path):
    (tmp_path / "good.csv").write_text(CSV)
    (tmp_path / "bad.csv").write_text("a,b\n1,2,3\n")
    (tmp_path / "odd.odd").write_text("odd")
    (tmp_path / "folder").mkdir()
    paths = [tmp_path / name for name in ("bad.csv", "odd.odd", "absent.csv", "*.none", "folder", "no name!.csv", "good.csv")]
    paths[5].write_text(CSV)
    result = invoke(server, "put", *paths, "--under", f"{dataset}/")
    assert result.exit_code == failures.SOME_FAILED
    assert result.stdout.splitlines()[1:] == [f"{paths[-1]}\t{dataset}/good\t1\t2\t{len(CSV)}\tno"]
    failed = sorted(result.stderr.splitlines())
    assert [line.partition(": ")[2].partition(": ")[0] for line in failed] == sorted(map(str, paths[:-1]))
    told = "".join(failed)
    for advice in ("--format names the format", "give the name of a file", "--as gives the dataset another name"):
        assert advice in told


def test_when_all_fail_the_code_is_theirs(server, dataset, tmp_path):
    result = invoke(server, "put", tmp_path / "absent.csv", tmp_path / "absent2.csv", "--under", f"{dataset}/")
    assert result.exit_code == failures.REFUSED


@pytest.mark.parametrize(
    ("name", "stem", "told", "encoding"),
    [
        ("sales.csv", "sales", "csv", None),
        ("data/2026.01.CSV.gz", "2026.01", "csv", "gzip"),
        ("a.tar.lines.zst", "a", "lines", "zstd"),
        (".csv", None, None, None),
        ("none", None, None, None),
        ("sales.gz", None, None, None),
    ],
)
def test_a_files_name_is_read_as_the_short_form_is(name, stem, told, encoding):
    names = Names({".csv": "csv", ".lines": "plain", ".tar.lines": "lines"})
    if stem is None:
        with pytest.raises(flight_client.FlightClientError, match="--from names the format"):
            names.read(name, flag="--from")
        return
    named = names.read(name, flag="--from")
    assert (named.stem, named.format, named.encoding) == (stem, told, encoding)


def test_what_is_packed_is_told_by_the_name_or_by_an_option(server, dataset, tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    (tmp_path / "b.csv.gz").write_text(CSV)
    (tmp_path / "c.bin").write_bytes(gzip.compress(CSV.encode()))
    assert invoke(server, "put", tmp_path / "a.csv.gz", "--as", dataset).exit_code == 0
    assert invoke(server, "put", tmp_path / "b.csv.gz", "--as", dataset, "--encoding", "identity").exit_code == 0
    packed = ["--format", "csv", "--encoding", "gzip"]
    assert invoke(server, "put", tmp_path / "c.bin", "--as", dataset, *packed).exit_code == 0
    got = invoke(server, "get", dataset, "--encoding", "gzip")
    assert gzip.decompress(got.stdout_bytes).decode() == CSV + "1,Ada\n2,Grace\n" * 2


def test_the_schema_of_a_dataset_is_taken(server, our_client, dataset, tmp_path):
    our_client.put(dataset, pa.table({"id": pa.array([1], pa.int16()), "name": ["x"]}))
    (tmp_path / "a.csv").write_text(CSV)
    assert invoke(server, "put", tmp_path / "a.csv", "--as", f"{dataset}-b", "--schema-from", dataset).exit_code == 0
    assert our_client.info(f"{dataset}-b").schema.field("id").type == pa.int16()
    assert invoke(server, "convert", tmp_path / "a.csv", tmp_path / "a.parquet", "--schema-from", dataset).exit_code == 0
    assert pq.read_schema(tmp_path / "a.parquet").field("id").type == pa.int16()


@pytest.mark.parametrize("local", [[], ["--local"]], ids=["server", "local"])
class TestConvert:
    def test_a_file_becomes_one_of_another_format(self, server, tmp_path, local):
        (tmp_path / "a.csv").write_text(CSV)
        result = invoke(server, "convert", tmp_path / "a.csv", tmp_path / "a.parquet", "--json", *local)
        assert result.exit_code == 0, result.stderr
        assert lines(result) == [{"file": str(tmp_path / "a.parquet"), "bytes": (tmp_path / "a.parquet").stat().st_size}]
        assert pq.read_table(tmp_path / "a.parquet").to_pydict() == {"id": [1, 2], "name": ["Ada", "Grace"]}

    def test_pipes_options_packing_columns_and_rows(self, server, local):
        packed = gzip.compress(CSV.replace(",", ";").encode())
        wanted = ["--from-encoding", "gzip", "--from-option", "delimiter=;", "--columns", "name", "--limit", "1"]
        result = invoke(server, "convert", "-", "-", "--from", "csv", "--to", "tsv", *wanted, *local, input=packed)
        assert (result.stdout, result.stderr, result.exit_code) == ("name\nAda\n", "", 0)

    def test_columns_reach_into_structs(self, server, local):
        rows = '{"a": {"b": {"c": 1}}, "d": 2}\n{"a": null, "d": 3}\n'
        wanted = ["--columns", "a.b.c,d", "--from", "ndjson", "--to", "csv"]
        result = invoke(server, "convert", "-", "-", *wanted, *local, input=rows)
        assert result.stdout == "a.b.c,d\n1,2\n,3\n"

    def test_nothing_at_all_has_a_header_and_no_rows(self, server, local):
        result = invoke(server, "convert", "-", "-", "--from", "csv", "--to", "tsv", *local, input="a,b\n")
        assert (result.stdout, result.exit_code) == ("a\tb\n", 0)

    @pytest.mark.parametrize(
        ("document", "arguments", "says"),
        [
            (b"a,b\n1,2,3\n", ["--from", "csv"], "[bad_payload]"),
            (b"PAR1 and no more", ["--from", "parquet"], "[bad_payload]"),
            (b"no gzip", ["--from", "csv", "--from-encoding", "gzip"], "[bad_payload]"),
            (gzip.compress(CSV.encode(), mtime=0)[:-9], ["--from", "csv", "--from-encoding", "gzip"], "[bad_payload]"),
            (b"", ["--from", "parquet"], "[bad_payload]"),
            (b"a\n1\n", ["--from", "csv", "--from-encoding", "xz"], "[unsupported]"),
            (b"a\n1\n", ["--from", "cvs"], "[unknown_format]"),
            (b"a\n1\n", ["--from", "csv", "--from-option", "delimeter=;"], "[unknown_option]"),
            (b"a\n1\n", ["--from", "csv", "--columns", "b"], "[bad_request]"),
            (b'{"a": {"b": 1}}', ["--from", "ndjson"], "[unsupported]"),
        ],
    )
    def test_what_is_wrong_is_told_and_no_file_is_left(self, server, tmp_path, local, document, arguments, says):
        out = tmp_path / "out.csv"
        out.write_text("before")
        result = invoke(server, "convert", "-", out, *arguments, *local, input=document)
        assert result.exit_code == failures.REFUSED
        assert says in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"out.csv": "before"}


def test_without_a_server_no_server_is_asked(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    result = invoke(None, "convert", tmp_path / "a.csv", "-", "--to", "tsv", "--local", "--uri", "grpc://127.0.0.1:1")
    assert (result.stdout, result.exit_code) == (CSV.replace(",", "\t"), 0)


def test_without_the_formats_the_error_says_what_to_install(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    script = (
        "import sys\nsys.modules['format_plugins'] = None\nfrom flight_client.cli import main\nmain(prog_name='flight-client')"
    )
    command = [sys.executable, "-c", script, "convert", str(tmp_path / "a.csv"), "-", "--to", "tsv", "--local"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert result.returncode == failures.REFUSED
    assert "--local needs the package format_plugins" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_aborts_a_put_and_nothing_is_left_of_it(own_server, large, number):
    command = start(own_server, "put", large, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: staged(own_server))
    command.send_signal(number)
    out, error = command.communicate(timeout=60)
    assert command.returncode == 128 + number
    assert (out, error) == ("", "Interrupted.\n")
    until(lambda: not staged(own_server))
    assert invoke(own_server, "ls", "--json").stdout == ""
    assert calls(own_server) <= 1


def test_ctrl_c_aborts_all_puts_that_run_and_those_that_wait(own_server, large):
    paths = [large, *(large.with_name(f"large{number}.csv") for number in range(5))]
    for path in paths[1:]:
        path.hardlink_to(large)
    command = start(own_server, "put", *paths, "--jobs", 3, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: len(staged(own_server)) >= 2)
    command.send_signal(signal.SIGINT)
    assert command.communicate(timeout=60)[1] == "Interrupted.\n"
    assert command.returncode == failures.INTERRUPTED
    until(lambda: not staged(own_server))
    assert len(invoke(own_server, "ls", "--json").stdout.splitlines()) < len(paths)


def test_ctrl_c_is_heard_while_standard_input_is_silent(server, our_client, dataset):
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = start(server, "put", "-", "--as", dataset, "--format", "csv", **pipes)
    command.stdin.write(CSV)
    command.stdin.flush()
    until(lambda: calls(server) > 1)
    command.send_signal(signal.SIGINT)
    assert command.wait(60) == failures.INTERRUPTED
    command.stdin.close()
    assert command.stderr.read() == "Interrupted.\n"
    command.stderr.close()
    assert our_client.list(dataset) == []


def test_ctrl_c_is_heard_while_a_server_does_not_answer(own_server):
    assert invoke(own_server, "health").exit_code == 0
    with own_server.frozen():
        command = start(own_server, "ls", stderr=subprocess.PIPE, text=True)
        until(lambda: _threads(command.pid) > 1)
        command.send_signal(signal.SIGINT)
        assert command.communicate(timeout=20)[1] == "Interrupted.\n"
        assert command.returncode == failures.INTERRUPTED


def test_ctrl_c_ends_a_put_though_the_server_is_stuck_and_it_stores_nothing_later(own_server, large):
    command = start(own_server, "put", large, stderr=subprocess.PIPE, text=True)
    until(lambda: staged(own_server))
    with own_server.frozen():
        command.send_signal(signal.SIGINT)
        assert command.communicate(timeout=30)[1] == "Interrupted.\n"
        assert command.returncode == failures.INTERRUPTED
    until(lambda: not staged(own_server))
    assert invoke(own_server, "ls", "--json").stdout == ""


def test_an_interrupted_get_leaves_no_file(own_server, tmp_path):
    with flight_client.connect(own_server.location) as client:
        client.put("large", pa.table({"x": pa.array(range(20_000_000))}))
    folder = tmp_path / "out"
    folder.mkdir()
    command = start(own_server, "get", "large", "-o", folder / "a.csv", stderr=subprocess.PIPE, text=True)
    until(lambda: list(folder.glob(".a.csv*.part")))
    command.send_signal(signal.SIGINT)
    assert command.communicate(timeout=60)[1] == "Interrupted.\n"
    assert command.returncode == failures.INTERRUPTED
    assert list(folder.iterdir()) == []
    until(lambda: calls(own_server) <= 1)


def test_a_reader_that_goes_ends_a_get_quietly_and_stops_the_server(own_server):
    with flight_client.connect(own_server.location) as client:
        client.put("large", pa.table({"x": pa.array(range(20_000_000))}))
    command = start(own_server, "get", "large", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout.readline() == b"x\n"
    command.stdout.close()
    assert command.stderr.read() == b""
    command.stderr.close()
    assert command.wait(60) == failures.READER_GONE
    until(lambda: calls(own_server) <= 1)


def test_a_reader_of_a_table_that_goes_is_no_traceback(server):
    script = f"{' '.join(map(repr, COMMAND[:1]))} -c 'from flight_client.cli import main; main()' formats --json | true"
    result = subprocess.run(["/bin/sh", "-c", script], capture_output=True, env=environment(server), timeout=60, check=False)
    assert result.stderr == b""


def test_progress_is_shown_on_a_terminal_and_gone_at_the_end(own_server, large):
    with terminal() as (writes, person):
        told = environment(own_server, COLUMNS="160", TERM="xterm")
        command = start(own_server, "put", large, stdout=subprocess.PIPE, stderr=writes, env=told)
        shown = person.sees("MB/s")
        assert command.communicate(timeout=60)[0].startswith(b"file\t")
    assert "large.csv" in shown
    assert "left" in shown


def test_a_file_can_be_sent_again_when_the_server_was_away_and_a_pipe_cannot(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    ends = os.pipe()
    with reading(str(tmp_path / "a.csv"), Interrupt(), Meter(None, 1)) as file, os.fdopen(ends[0], "rb") as pipe:
        os.close(ends[1])
        original = Original(file)
        assert original.repeatable
        assert not Original(Watched(pipe, Interrupt(), lambda _: None)).repeatable
        for _ in range(2):
            with original.opened() as source:
                assert sum(batch.num_rows for batch in source.batches()) == 1
                assert source.figures()["bytes"] == len(CSV)


def test_nothing_of_progress_is_in_a_pipe(server, dataset, large):
    assert done(server, "put", large, "--as", dataset).stderr == ""


def _threads(pid):
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
