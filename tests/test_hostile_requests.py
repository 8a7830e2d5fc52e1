"""Requests and streams that no honest client sends: each gets its answer or its code, and the server stays as it was."""

import itertools
import json
import os

import pyarrow as pa
import pytest
from plugin_samples import eventually
from pyarrow import flight
from raw_flight import code_of, connected, descriptor, finish, get_table, put_batches

from flight_server.store.gathering import Gathering
from format_plugins.slicing import MAX_BATCH_ROWS
from format_plugins.spelling import nearest

LONG = flight.FlightCallOptions(write_options=pa.ipc.IpcWriteOptions(allow_64bit=True))


@pytest.fixture
def client(server):
    with connected(server.location) as client:
        yield client


def nulls(rows):
    """Rows that take no bytes."""
    return pa.record_batch([pa.Array.from_buffers(pa.null(), rows, [None])], names=["n"])


@pytest.mark.parametrize("limit", [2**63 - 1, 2**63, 10**30, 10**400])
@pytest.mark.parametrize("offset", [0, 1])
def test_a_limit_of_any_size_is_one(client, dataset, limit, offset):
    put_batches(client, dataset, [pa.record_batch({"a": [1, 2, 3]})])
    assert get_table(client, {"dataset": dataset, "limit": limit, "offset": offset}).num_rows == 3 - offset


def test_a_batch_of_more_rows_than_arrow_can_write_is_refused(client, dataset):
    batch = nulls(MAX_BATCH_ROWS + 1)
    writer, reader = client.do_put(descriptor(dataset), batch.schema, LONG)
    writer.write_batch(batch)
    with pytest.raises(flight.FlightError) as refused:
        finish(writer, reader)
    assert code_of(refused.value) == "limit_exceeded"


def test_batches_that_take_no_bytes_are_not_joined_to_more_rows_than_arrow_can_write(client, dataset):
    batch = nulls(MAX_BATCH_ROWS)
    assert put_batches(client, dataset, [batch, batch])["rows"] == 2 * MAX_BATCH_ROWS
    assert [chunk.data.num_rows for chunk in client.do_get(flight.Ticket(dataset.encode()))] == [MAX_BATCH_ROWS] * 2


def test_rows_that_take_no_bytes_are_still_gathered():
    gathering = Gathering(nulls(1).schema)
    assert list(gathering.add(nulls(5), 100)) == []
    assert list(gathering.add(nulls(MAX_BATCH_ROWS - 5), 100)) == []
    assert [batch.num_rows for batch in gathering.add(nulls(1), 100)] == [MAX_BATCH_ROWS]
    assert [batch.num_rows for batch in gathering.rest()] == [1]


def test_a_long_reason_is_cut_in_the_log(server, client):
    name = "x" * 100_000
    with pytest.raises(flight.FlightError) as refused:
        get_table(client, {"dataset": "d", name: 1})
    identity = json.loads(refused.value.extra_info)["id"]
    (line,) = [line for line in server.log_file.read_text().splitlines() if identity in line]
    assert len(line) < 2_000


def test_a_name_is_not_compared_with_thousands():
    names = itertools.chain((f"column_{number}" for number in range(5_000)), iter(lambda: pytest.fail("it went on"), None))
    assert nearest("colum_7", names) == "column_7"


def test_a_native_stream_that_breaks_off_is_logged(own_server):
    batch = pa.record_batch({"a": range(4_000_000)})
    with connected(own_server.location) as client:
        put_batches(client, "big", [batch])
        (segment,) = own_server.store_dir.glob("segments/*/*")
        reader = client.do_get(flight.Ticket(b"big"))
        reader.read_chunk()
        os.truncate(segment, segment.stat().st_size - 1_000_000)
        with pytest.raises(flight.FlightError):
            reader.read_all()
        eventually(lambda: "a call failed outside its handler" in own_server.log_file.read_text())


def test_a_refused_call_is_logged_once(own_server):
    with connected(own_server.location) as client:
        for ask in (client.get_flight_info, client.get_schema):
            with pytest.raises((flight.FlightError, pa.ArrowException, OSError)):
                ask(descriptor("none"))
    own_server.stop()
    lines = [json.loads(line) for line in own_server.log_file.read_text().splitlines()]
    assert [line["code"] for line in lines if "call" in line] == ["unknown_dataset"] * 2
