"""Streams through child processes: many, slow, cut off, large; and what is left when they, or the server, have ended."""

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from plugin_samples import eventually, lines
from procfs import is_alive, plugin_processes, used_secs
from pyarrow import flight
from raw_flight import (
    PAYLOAD,
    action,
    code_of,
    connected,
    descriptor,
    finish,
    get_document,
    put_batches,
    put_document,
    ticket,
)
from runtime_faults import evil

#: Returns a record batch for each piece that comes, however small, and says which process and how often it has served.
ECHO = """
import dataclasses, os, time
from types import SimpleNamespace
import pyarrow as pa
from format_plugins.contract import FormatError, PluginMetadata

SERVED = []

@dataclasses.dataclass(frozen=True)
class Echo:
    size: int = 4
    fail: bool = False

    def read_batches_from_stream(self, schema, stream):
        SERVED.append(1)
        print("serving", stream.peek(4).decode())
        while piece := stream.read(self.size):
            if piece == b"bad!":
                raise FormatError("this is bad", row=7, column="c", value="bad!", option="fail", offset=12)
            yield pa.record_batch({"text": [piece.decode()], "pid": [os.getpid()], "served": [len(SERVED)]})
        yield pa.record_batch({"text": [""], "pid": [os.getpid()], "served": [len(SERVED)]}).slice(0, 0)

    def write_batches(self, batches):
        yield b"begin\\n"
        for batch in batches:
            yield b"%d\\n" % batch.num_rows

def create_plugin():
    metadata = PluginMetadata(name="echo", version="1.0.0")
    return SimpleNamespace(config_type=Echo, metadata=lambda: metadata, create_format=lambda options: options)
"""


@pytest.fixture
def serving(server_factory, tmp_path):
    """Make a server with the plugins ``echo``, ``evil`` and ``lines``, and a client of it."""
    clients = []

    def make(**settings):
        server = server_factory(**{"plugins.settle_ms": 20, **settings})
        for name, text in (("echo", ECHO), ("evil", evil(tmp_path / "none")), ("lines", lines())):
            (server.plugin_dir / f"{name}.py").write_text(text)
        client = flight.connect(server.location)
        clients.append(client)
        eventually(lambda: {"echo", "evil", "lines"} <= {each["name"] for each in action(client, "formats")})
        put_batches(client, "rows", [pa.record_batch({"a": [1, 2]})])
        return server, client

    yield make
    for client in clients:
        client.close()


def status(client, name):
    return action(client, "plugin", {"name": name})[0]


def echoed(client, document, **options):
    target = {"dataset": "echoed", "format": "echo", "mode": "replace", "options": options}
    put_document(client, target, document, chunk=3)
    return client.do_get(ticket("echoed")).read_all()


def test_one_process_serves_one_stream_after_the_other(serving):
    server, client = serving()
    first, second = echoed(client, b"abcdefgh"), echoed(client, b"ijkl")
    assert first["text"].to_pylist() == ["abcd", "efgh"]
    assert first["pid"][0] == second["pid"][0]
    assert (first["served"][0].as_py(), second["served"][0].as_py()) == (1, 2)
    assert first["pid"][0].as_py() in plugin_processes(server.pid)


def test_it_serves_on_after_data_that_is_wrong_and_the_place_is_told(serving):
    _, client = serving()
    before = echoed(client, b"good")
    with pytest.raises(flight.FlightServerError) as caught:
        echoed(client, b"goodbad!")
    assert code_of(caught.value) == "bad_payload"
    detail = json.loads(caught.value.extra_info)["detail"]
    assert detail == {"offset": 12, "row": 7, "column": "c", "value": "bad!", "option": "fail"}
    assert echoed(client, b"good")["pid"][0] == before["pid"][0]


def test_what_it_prints_is_logged_with_its_plugin_and_its_call(serving):
    server, client = serving()
    for _ in range(2):
        echoed(client, b"tea!")
    said = eventually(lambda: printed(server, "serving tea!"))
    assert [(each["plugin"], each["call"]) for each in said] == [("echo", "do_put")] * 2
    assert len({each["call_id"] for each in said}) == 2


def printed(server, text):
    found = [json.loads(line) for line in server.log_file.read_text().splitlines() if text in line]
    return found if len(found) == 2 else None


def test_sixty_four_small_puts_at_once_are_served_by_a_few_processes(serving):
    server, _ = serving(**{"plugins.max_children": 4})

    def put(number):
        with connected(server.location) as client:
            return put_document(client, {"dataset": f"d{number}", "format": "lines"}, b"tea\n" * 10)["rows"]

    with ThreadPoolExecutor(64) as pool:
        assert set(pool.map(put, range(64))) == {10}
    assert len(plugin_processes(server.pid)) <= 4


def test_a_client_that_goes_ends_the_process_that_works_for_it(serving):
    server, client = serving(**{"plugins.limits.batch_timeout_secs": 600})
    with connected(server.location) as other:
        reader = other.do_get(ticket({"dataset": "rows", "format": "evil", "options": {"do": "loop", "at": "write"}}))
        busy = eventually(lambda: [pid for pid in plugin_processes(server.pid) if used_secs(pid) > 0.5])
        reader.cancel()
    eventually(lambda: not any(map(is_alive, busy)), 5)
    eventually(lambda: status(client, "evil")["leases"] == 0)


def test_a_put_that_is_broken_off_ends_with_its_own_error_and_its_process(serving):
    _, client = serving()
    target = {"dataset": "broken", "format": "lines", "commit": "explicit"}
    writer, reader = client.do_put(descriptor(target), PAYLOAD)
    writer.write_batch(pa.record_batch([pa.array([b"tea\n"], pa.binary())], schema=PAYLOAD))
    writer.write_metadata(json.dumps({"abort": "changed my mind"}).encode())
    with pytest.raises(flight.FlightError, match="changed my mind") as caught:
        finish(writer, reader)
    assert code_of(caught.value) == "incomplete_put"
    eventually(lambda: status(client, "lines")["leases"] == 0)
    assert status(client, "lines")["crashes"] == 0


def test_what_goes_wrong_before_the_plugin_is_not_its_fault(serving):
    _, client = serving()
    target = {"dataset": "packed", "format": "lines", "content_encoding": "gzip"}
    with pytest.raises(flight.FlightServerError) as caught:
        put_document(client, target, b"this is no gzip")
    assert code_of(caught.value) == "bad_payload"


def test_what_is_ready_goes_out_while_the_client_waits_for_it(serving):
    """An exchange in which each piece is sent only when the one before has come back."""
    _, client = serving()
    target = {"from": {"format": "echo"}, "to": {"format": "arrow"}}
    writer, reader = client.do_exchange(descriptor(target))
    with writer:
        writer.begin(PAYLOAD)
        for text in (b"abcd", b"efgh", b"ijkl"):
            writer.write_batch(pa.record_batch([pa.array([text], pa.binary())], schema=PAYLOAD))
            assert within(5, reader.read_chunk).data["text"].to_pylist() == [text.decode()]
        writer.done_writing()


def within(secs, work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(secs)
    assert found, "nothing came in time"
    return found[0]


def test_time_that_the_client_takes_is_not_held_against_the_plugin(serving):
    _, client = serving(**{"plugins.limits.batch_timeout_secs": 2})
    writer, reader = client.do_put(descriptor({"dataset": "slow", "format": "lines"}), PAYLOAD)
    for _ in range(3):
        writer.write_batch(pa.record_batch([pa.array([b"tea\n"], pa.binary())], schema=PAYLOAD))
        time.sleep(2.5)
    assert finish(writer, reader)["rows"] == 3


def test_a_large_document_goes_through_in_bounded_memory(serving):
    _, client = serving(**{"plugins.limits.memory_bytes": 200 << 20})
    document = b"a line of text that is not very long\n" * 3_000_000
    assert put_document(client, {"dataset": "large", "format": "lines"}, document)["rows"] == 3_000_000
    assert get_document(client, {"dataset": "large", "format": "lines"})[0] == document


def test_more_streams_than_processes_wait_shortly_and_are_told(serving):
    overrides = {"plugins.max_children": 1, "plugins.limits.batch_timeout_secs": 60, "server.drain_timeout_secs": 0.5}
    _, client = serving(**overrides)
    thread = threading.Thread(target=lambda: evil_get(client, "sleep"), daemon=True)
    thread.start()
    eventually(lambda: status(client, "evil")["leases"])
    began = time.monotonic()
    with pytest.raises(flight.FlightUnavailableError, match=r"plugins\.max_children") as caught:
        get_document(client, {"dataset": "rows", "format": "lines"})
    assert code_of(caught.value) == "busy"
    assert time.monotonic() - began < 8


def evil_get(client, do):
    with pytest.raises(flight.FlightError):
        get_document(client, {"dataset": "rows", "format": "evil", "options": {"do": do, "at": "write"}})


def test_who_crashes_too_often_is_put_in_quarantine(serving):
    _, client = serving(**{"plugins.quarantine_crashes": 2, "plugins.quarantine_secs": 60})
    for _ in range(2):
        evil_get(client, "segfault")
    eventually(lambda: status(client, "evil")["state"] == "quarantined")
    with pytest.raises(flight.FlightError, match="in quarantine") as caught:
        get_document(client, {"dataset": "rows", "format": "evil"})
    assert code_of(caught.value) == "plugin_crashed"


def test_processes_that_have_nothing_to_do_end_and_one_of_each_plugin_waits(serving):
    server, _ = serving(**{"plugins.child_idle_secs": 0.5})

    def put(number):
        with connected(server.location) as client:
            put_document(client, {"dataset": f"d{number}", "format": "lines"}, b"tea\n" * 10_000)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(8)))
    eventually(lambda: len(plugin_processes(server.pid)) == 3)


def test_those_of_a_plugin_that_was_replaced_end_with_its_last_stream(serving):
    server, client = serving()
    writer, reader = client.do_put(descriptor({"dataset": "held", "format": "lines"}), PAYLOAD)
    writer.write_batch(pa.record_batch([pa.array([b"tea\n"], pa.binary())], schema=PAYLOAD))
    eventually(lambda: status(client, "lines")["leases"] == 1)
    old = set(plugin_processes(server.pid))
    for name in ("echo", "evil"):
        (server.plugin_dir / f"{name}.py").unlink()
    (server.plugin_dir / "lines.py").write_text(lines("2.0.0"))
    eventually(lambda: status(client, "lines")["version"] == "2.0.0")
    eventually(lambda: len(old & set(plugin_processes(server.pid))) == 1)
    assert finish(writer, reader)["rows"] == 1
    eventually(lambda: not old & set(plugin_processes(server.pid)))


def test_kill_9_of_the_server_leaves_no_process(serving):
    server, client = serving()
    echoed(client, b"abcd")
    running = plugin_processes(server.pid)
    assert running
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    eventually(lambda: not any(map(is_alive, running)))
    server.start()


def test_a_server_that_stops_leaves_no_process_and_does_not_wait_for_one_that_hangs(serving):
    server, client = serving(**{"server.drain_timeout_secs": 0.5, "plugins.limits.batch_timeout_secs": 600})
    with connected(server.location) as other:
        other.do_get(ticket({"dataset": "rows", "format": "evil", "options": {"do": "sleep", "at": "write"}}))
        eventually(lambda: status(client, "evil")["leases"])
        running = plugin_processes(server.pid)
        server.stop()
    assert not any(map(is_alive, running))
