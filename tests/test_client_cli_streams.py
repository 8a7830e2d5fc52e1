"""The command's standard streams: shared with others, full, closed, or called by another name."""

import os
import subprocess

import pytest
from client_command import COMMAND, CSV, environment, invoke

from flight_client.commands import failures


@pytest.fixture
def stored(our_client, dataset):
    our_client.put(dataset, CSV.encode(), format="csv")
    return dataset


def shell(server, script, **told):
    """Run ``script``, in which ``"$@"`` is the command."""
    command = ["bash", "-c", script, "bash", *COMMAND]
    return subprocess.run(
        command,
        env=environment(server, **told),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_what_others_wrote_to_standard_output_stays(server, stored, tmp_path):
    log = tmp_path / "log"
    script = '(echo before; "$@" get "$NAME" --format csv -o /dev/stdout; echo after) > "$LOG"'
    assert shell(server, script, NAME=stored, LOG=str(log)).stderr == ""
    assert log.read_text() == f"before\n{CSV}after\n"


def test_a_process_of_the_shell_stands_for_a_file(server, stored, tmp_path):
    told = {"NAME": stored, "COPY": str(tmp_path / "copy")}
    ran = shell(server, 'set -o pipefail; "$@" get "$NAME" -q --format csv -o >(cat > "$COPY") && wait $!', **told)
    assert (ran.stderr, ran.returncode) == ("", 0)
    assert (tmp_path / "copy").read_text() == CSV


@pytest.mark.parametrize(
    "words", [["get", "{name}"], ["convert", "{path}", "-", "--to", "csv", "--local"]], ids=["get", "convert"]
)
def test_a_full_disk_is_said_with_the_name_of_what_is_full(server, stored, tmp_path, words):
    (tmp_path / "a.csv").write_text(CSV)
    arguments = [word.format(name=stored, path=tmp_path / "a.csv") for word in words]
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        ended = subprocess.run(
            [*COMMAND, *arguments], env=environment(server), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (ended.returncode, ended.stderr) == (failures.REFUSED, b"Error: standard output: No space left on device\n")
    named = invoke(server, "get", stored, "-o", "/dev/full", "--format", "csv")
    assert (named.exit_code, named.stderr) == (failures.REFUSED, "Error: /dev/full: No space left on device\n")


@pytest.mark.parametrize(
    ("command", "closed", "code"),
    [
        ("get {name}", ">&-", 1),
        ("ls --json", ">&-", 1),
        ("head {name}", ">&-", 1),
        ("--help", ">&-", 1),
        ("put - --as {name} --format csv", "<&-", 1),
        ("convert - - --from csv --to tsv", "<&- >&- 2>&-", 1),
        ("get {name}", "<&-", 0),
        ("ls", "2>&-", 0),
        ("put {path} --as {name}", "2>&-", 0),
        ("put {path} --as {name} -q", "<&- >&- 2>&-", 0),
        ("nonsense", "2>&-", 2),
    ],
)
def test_a_closed_stream_fails_who_uses_it_and_nobody_else(server, stored, tmp_path, command, closed, code):
    (tmp_path / "a.csv").write_text(CSV)
    ran = shell(server, f'"$@" {command.format(name=stored, path=tmp_path / "a.csv")} {closed}')
    assert ran.returncode == code
    assert len(ran.stderr.splitlines()) == (1 if code and "2>&-" not in closed else 0)


@pytest.mark.parametrize("command", ["ls", "ls --json", "formats csv", "--help", "get --help", "completion bash"])
def test_a_full_disk_is_said_in_a_line_whatever_is_printed(server, command):
    ran = shell(server, f'"$@" {command} > /dev/full')
    assert ran.returncode == failures.REFUSED
    assert "No space left on device" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["--help"], ["get", "--help"], ["ls"], ["formats", "csv", "--json"]])
def test_a_reader_that_has_gone_ends_it_without_a_word(server, words):
    reads, writes = os.pipe()
    os.close(reads)
    ran = subprocess.run([*COMMAND, *words], env=environment(server), stdout=writes, stderr=subprocess.PIPE, check=False)
    os.close(writes)
    assert (ran.returncode, ran.stderr) == (failures.READER_GONE, b"")


def test_what_a_library_logs_does_not_stand_beside_the_error(server):
    ran = shell(server, f'"$@" --uri {server.location.replace("grpc:", "grpc+tls:")} ls')
    assert ran.returncode == failures.UNAVAILABLE
    assert len(ran.stderr.splitlines()) == 1
