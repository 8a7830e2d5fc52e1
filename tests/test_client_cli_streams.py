"""The command's standard streams: shared with others, full, closed, or called by another name."""

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
