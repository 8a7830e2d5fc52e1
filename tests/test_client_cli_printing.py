"""What the command prints of datasets and servers is all of it, in words."""

import pyarrow as pa
import pytest
from client_command import environment, invoke, lines, start, terminal


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
