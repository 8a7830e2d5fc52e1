"""What the command prints of datasets and servers is all of it, in words."""

import json
import os
import subprocess

import pyarrow as pa
import pytest
from client_command import COMMAND, environment, invoke, lines, start, terminal

from flight_client.commands import failures


def test_two_columns_of_one_name_are_both_told(server, our_client, dataset):
    schema = pa.schema([pa.field("a", pa.int64()), pa.field("a", pa.string(), nullable=False)])
    our_client.put(dataset, pa.Table.from_arrays([pa.array([1]), pa.array(["x"])], schema=schema))
    told = dict(line.split("\t") for line in invoke(server, "info", dataset).stdout.splitlines())
    assert told["schema"] == "a: int64; a: string not null"
    wanted = [{"name": "a", "type": "int64", "nullable": True}, {"name": "a", "type": "string", "nullable": False}]
    for words in (["info", dataset], ["ls", dataset]):
        assert [each["schema"] for each in lines(invoke(server, *words, "--json"))] == [wanted]


@pytest.mark.parametrize("words", [["health"], ["plugins", "csv"]])
def test_what_is_printed_for_people_is_not_pythons_way_to_write_it(server, words):
    shown = invoke(server, *words).stdout
    assert [sign for sign in ("True", "False", "None", "{", "[", "'") if sign in shown] == []


def test_on_a_terminal_the_plugins_fit(server):
    with terminal() as (writes, person):
        told = environment(server, COLUMNS="80", TERM="xterm", NO_COLOR="1")
        assert start(server, "plugins", stdout=writes, env=told).wait(60) == 0
        shown = person.sees("last_error")
    assert [word for word in ("arrow_stream", "generation", "active", "builtin") if word not in shown] == []
    assert set(invoke(server, "plugins").stdout.splitlines()[0].split("\t")) > {
        "sha256",
        "leases",
        "loads",
        "failures",
        "load_ms",
    }


def test_json_is_utf_8_also_when_the_name_of_a_file_is_not(server, dataset, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.csv"
    with open(path, "wb") as file:  # noqa: PTH123 - pathlib takes no bytes
        file.write(b"a\n1\n")
    command = [*COMMAND, "put", path, path + b".csv", "--as", dataset, "--json"]
    ended = subprocess.run(command, env=environment(server), capture_output=True, check=False)
    assert ended.returncode == failures.SOME_FAILED
    assert json.loads(ended.stdout.decode())["file"] == os.fsdecode(path)
    assert json.loads(ended.stderr.decode())["error"]["subject"] == os.fsdecode(path + b".csv")
