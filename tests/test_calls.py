"""Running calls are counted, refused while the server drains, and cut by the peer that gRPC names."""

import threading
from types import SimpleNamespace

import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.calls import KEY, Calls

INFO = SimpleNamespace(method=flight.FlightMethod.DO_GET)


class Endless(flight.FlightServerBase):
    """Sends a batch, and then waits for ever for something to send."""

    def __init__(self, location, calls):
        self.calls = calls
        self.waiting = threading.Event()
        super().__init__(location, middleware={KEY: calls})

    def do_get(self, context, _ticket):
        context.get_middleware(KEY).peer = context.peer()
        batch = pa.record_batch({"n": pa.array(range(100_000))})

        def batches():
            while not context.is_cancelled():
                self.waiting.set()
                yield batch

        return flight.GeneratorStream(batch.schema, batches())


def test_a_call_counts_until_it_is_completed():
    calls = Calls()
    call = calls.start_call(INFO, {})
    assert [each.method for each in calls.running] == ["do_get"]
    call.call_completed(None)
    call.call_completed(None)
    assert calls.running == []


def test_a_server_that_drains_takes_no_calls_in():
    calls = Calls()
    calls.draining = True
    with pytest.raises(flight.FlightUnavailableError, match="shutting_down"):
        calls.start_call(INFO, {})
    assert calls.running == []


def test_nothing_is_cut_where_nothing_runs():
    assert Calls().cut() == 0


@pytest.mark.parametrize("location", ["grpc://127.0.0.1:0", "grpc://[::1]:0", "grpc://[::]:0", "grpc+unix://{}/socket"])
def test_the_connection_of_a_running_call_is_cut(location, tmp_path):
    calls = Calls()
    server = Endless(location.format(tmp_path), calls)
    address = location.format(tmp_path).replace("[::]", "127.0.0.1").removesuffix(":0")
    with server, flight.FlightClient(address if "unix" in address else f"{address}:{server.port}") as client:
        reader = client.do_get(flight.Ticket(b""))
        assert server.waiting.wait(5)
        (call,) = calls.running
        assert calls.cut() >= 1, call.peer
        with pytest.raises((flight.FlightError, pa.ArrowException)):
            reader.read_all()


def test_other_connections_are_left_alone():
    calls = Calls()
    with Endless("grpc://127.0.0.1:0", calls) as server, flight.FlightClient(f"grpc://127.0.0.1:{server.port}") as client:
        calls.start_call(INFO, {}).peer = "ipv4:127.0.0.1:1"
        assert calls.cut() == 0
        assert client.do_get(flight.Ticket(b"")).read_chunk().data.num_rows == 100_000
