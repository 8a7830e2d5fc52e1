"""Valid data that has killed processes: over the wire, it is stored or refused, and the server lives."""

import pyarrow as pa
import pytest
from raw_flight import action, connected, get_table, put_batches


def empty_union():
    """Read through IPC, as a server reads it: Arrow leaves its buffers out."""
    union = pa.UnionArray.from_sparse(pa.array([], pa.int8()), [pa.array([], pa.int8()), pa.array([], pa.string())])
    return pa.record_batch([union], names=["u"])


def empty_union_in_empty_lists():
    union = pa.UnionArray.from_dense(pa.array([], pa.int8()), pa.array([], pa.int32()), [pa.array([], pa.int8())])
    return pa.record_batch([pa.ListArray.from_arrays(pa.array([0, 0, 0], pa.int32()), union)], names=["l"])


@pytest.mark.parametrize("make", [empty_union, empty_union_in_empty_lists])
def test_empty_unions_are_stored_and_the_server_lives(own_server, make):
    batch = make()
    with connected(own_server.location) as client:
        put_batches(client, "u", [batch, batch])
        assert get_table(client, "u").num_rows == 2 * batch.num_rows
        assert action(client, "health")[0]["status"] == "ok"
    assert own_server.process.poll() is None
