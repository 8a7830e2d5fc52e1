"""How long the client waits, how it is made to stop, and that neither side keeps anything of what was given up."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pyarrow as pa
import pytest

import flight_client
from flight_client import errors
from flight_client.streams import Stream

BIG = 5_000_000


def until(true, seconds=20):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ours():
    return [thread for thread in threading.enumerate() if thread.name in {"flight call", "idle streams", "put answers"}]


def idle(client):
    """Whether the server has nothing to do but to answer this question."""
    health = client.health()
    return health["calls"] == 1 and health["store"]["open_snapshots"] == 0


def endless(seen=None):
    yield b"x\n"
    while True:
        if seen is not None:
            seen.set()
        yield b"12345\n" * 100_000


# Nothing comes.


@pytest.fixture
def impatient(own_server):
    with flight_client.connect(own_server.location) as patient:
        patient.put("a", pa.table({"x": pa.repeat(7, BIG)}))
    with flight_client.connect(own_server.location, timeout=5, idle_timeout=0.5) as client:
        client.health()  # who is connected already waits for an answer, and for nothing else
        yield client
    until(lambda: not ours())


CALLS = {
    "get": lambda client: client.get("a").read_all(),
    "document": lambda client: client.get_bytes("a", format="csv").read_all(),
    "table": lambda client: client.put("b", pa.table({"x": [1]})),
    "put": lambda client: client.put("b", endless(), format="csv"),
    "conversion": lambda client: client.convert(endless(), from_format="csv", to_format="csv").read_all(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_server_that_is_silent_is_not_waited_for_and_no_thread_is_left(impatient, own_server, call):
    with own_server.frozen():
        began = time.monotonic()
        with pytest.raises(errors.DeadlineExceeded, match=r"0\.5 seconds"):
            call(impatient)
        assert 0.4 < time.monotonic() - began < 3
    until(lambda: idle(impatient))


def test_a_put_that_is_given_up_before_its_end_is_not_stored(impatient, own_server):
    with own_server.frozen(), pytest.raises(errors.DeadlineExceeded):
        impatient.put("b", endless(), format="csv", put_id="given-up")
    until(lambda: idle(impatient))
    assert impatient.put_status("given-up") is None
    assert [item.dataset for item in impatient.list()] == ["a"]


def test_a_put_whose_answer_is_not_waited_for_can_be_asked_for(impatient, own_server):
    with own_server.frozen(), pytest.raises(errors.DeadlineExceeded):
        impatient.put("b", pa.table({"x": [1]}), put_id="asked-for")
    until(lambda: impatient.put_status("asked-for") is not None)
    assert impatient.put("b", pa.table({"x": [1]}), put_id="asked-for").replayed
    assert impatient.info("b").rows == 1


def test_a_server_that_falls_silent_in_the_middle_is_not_waited_for(impatient, own_server):
    stream = impatient.get("a")
    next(stream)
    with own_server.frozen(), pytest.raises(errors.DeadlineExceeded):
        stream.read_all()
    assert list(stream) == []
    until(lambda: idle(impatient))


def test_threads_of_what_was_given_up_end_though_the_server_stays_silent(own_server, monkeypatch):
    monkeypatch.setattr("flight_client.line.KEEPALIVE_MS", 1000)
    monkeypatch.setattr("flight_client.line._RECONNECT_MS", {"grpc.keepalive_timeout_ms": 500})
    retries = flight_client.Retries(attempts=1)
    with flight_client.connect(own_server.location, idle_timeout=0.3, retries=retries) as client:
        client.put("a", pa.table({"x": [1]}))
        with own_server.frozen():
            for call in ("get", "put"):
                with pytest.raises(errors.DeadlineExceeded):
                    CALLS[call](client)
            assert len(ours()) >= 2
            until(lambda: not ours())


def test_the_time_that_the_caller_takes_does_not_count(impatient):
    def slow():
        yield b"x\n"
        time.sleep(1.2)
        yield b"1\n"

    assert impatient.put("b", slow(), format="csv").rows == 1
    assert impatient.convert(slow(), from_format="csv", to_format="csv").read_all() == b"x\n1\n"
    stream = impatient.get("a")
    rows = next(stream).num_rows
    time.sleep(1.2)
    assert rows + stream.read_all().num_rows == BIG


def test_a_put_that_the_server_works_on_is_waited_for(server_factory, monkeypatch):
    """A server that says how far it is, is not silent."""
    monkeypatch.setenv("FLIGHT_FAILPOINTS", "store.commit.commit=sleep:2")
    server = server_factory(**{"server.progress_interval_secs": 0.1})
    with flight_client.connect(server.location, idle_timeout=0.8) as client:
        assert client.put("a", pa.table({"x": [1]})).rows == 1


def test_waiting_for_ever_is_possible(own_server):
    with flight_client.connect(own_server.location, timeout=None, idle_timeout=None) as client:
        client.put("a", pa.table({"x": [1]}))
        assert client.get("a").read_all().num_rows == 1
        assert client.health()["status"] == "ok"


# The caller gives up.


@pytest.fixture
def stored(own_server):
    with flight_client.connect(own_server.location) as client:
        client.put("a", pa.table({"x": pa.repeat(7, BIG)}))
        yield client


def test_a_block_that_is_left_early_ends_the_work_of_the_server(stored):
    with stored.get("a") as stream:
        next(stream)
        assert not idle(stored)
    until(lambda: idle(stored))
    with suppress(ZeroDivisionError), stored.get_bytes("a", format="csv") as document:
        next(document)
        raise ZeroDivisionError
    until(lambda: idle(stored))
    with stored.convert(endless(), from_format="csv", to_format="csv") as document:
        next(document)
    until(lambda: idle(stored))


def test_what_is_forgotten_ends_the_work_of_the_server(stored):
    next(stored.get("a"))
    until(lambda: idle(stored))
    next(stored.get_bytes("a", format="csv"))
    until(lambda: idle(stored))


CANCELLED = {
    "put": lambda client, cancel: client.put("b", endless(), format="csv", cancel=cancel),
    "get": lambda client, cancel: [time.sleep(0.01) for _ in client.get("a", cancel=cancel)],
    "document": lambda client, cancel: client.get_bytes("a", format="csv", cancel=cancel).read_all(),
    "file": lambda client, cancel: client.get_file("a", os.devnull, format="csv", cancel=cancel),
    "conversion": lambda client, cancel: client.convert(
        endless(), from_format="csv", to_format="csv", cancel=cancel
    ).read_all(),
}


@pytest.mark.parametrize("call", CANCELLED.values(), ids=CANCELLED)
def test_another_thread_cancels_a_call_and_the_server_notices(stored, call):
    cancel = flight_client.Cancel()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(call, stored, cancel)
        until(lambda: stored.health()["calls"] > 1)
        cancel.cancel()
        with pytest.raises(errors.Cancelled):
            running.result(10)
    until(lambda: idle(stored))
    assert [item.dataset for item in stored.list()] == ["a"]
    assert cancel._stops == {}


@pytest.mark.parametrize("call", CANCELLED.values(), ids=CANCELLED)
def test_a_call_that_is_cancelled_before_it_begins_does_nothing(stored, call):
    cancel = flight_client.Cancel()
    cancel.cancel()
    with pytest.raises(errors.Cancelled):
        call(stored, cancel)
    until(lambda: idle(stored))
    assert [item.dataset for item in stored.list()] == ["a"]


def test_a_call_that_waits_to_be_made_again_is_cancelled(own_server):
    cancel = flight_client.Cancel()
    retries = flight_client.Retries(first_delay=30, longest_delay=30)
    with flight_client.connect(own_server.location, retries=retries) as client, ThreadPoolExecutor(1) as pool:
        client.health()
        own_server.kill()
        running = pool.submit(client.put, "a", pa.table({"x": [1]}), cancel=cancel)
        with pytest.raises(TimeoutError):
            running.result(0.5)
        cancel.cancel()
        with pytest.raises(errors.Cancelled):
            running.result(5)


def test_a_frozen_server_does_not_hold_up_who_cancels(stored, own_server):
    cancel = flight_client.Cancel()
    with own_server.frozen(), ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(CANCELLED[name], stored, cancel) for name in ("get", "document", "conversion")]
        time.sleep(0.3)
        cancel.cancel()
        for call in calls:
            with pytest.raises(errors.Cancelled):
                call.result(5)
    until(lambda: idle(stored))


def test_a_stream_that_another_thread_closes_is_no_short_stream(stored, own_server):
    stream = stored.get("a")
    with own_server.frozen(), ThreadPoolExecutor(1) as pool:
        reading = pool.submit(stream.read_all)
        until(lambda: stored._line.watchdog._waits)
        stream.close()
        with pytest.raises(errors.Cancelled):
            reading.result(10)
    until(lambda: idle(stored))


def test_who_reads_on_behind_a_close_is_not_told_of_an_end(stored):
    stream = stored.get("a")
    next(stream)
    stream.close()
    stream.close()
    for _ in range(2):  # however often it is asked
        with pytest.raises(errors.Cancelled, match="closed before its end"):
            next(stream)
    document = stored.get_bytes("a", format="csv")
    document.close()
    with pytest.raises(errors.Cancelled, match="closed before its end"):
        document.read_all()


def test_who_reads_on_behind_a_cancelled_read_is_not_told_of_an_end(stored):
    cancel = flight_client.Cancel()
    stream = stored.get("a", cancel=cancel)
    next(stream)
    cancel.cancel()
    for _ in range(2):
        with pytest.raises(errors.Cancelled):
            stream.read_all()
    stream.close()
    with pytest.raises(errors.Cancelled):
        next(stream)


class ClosedAtItsEnd:
    """What a stream is read from that another thread closes in the moment in which its end comes."""

    schema = pa.schema([("x", pa.int64())])

    def __init__(self):
        self.stream = None
        self.finished = 0

    def read(self):
        self.stream.close()
        raise StopIteration

    def stop(self):
        pass

    def finish(self, noticed):
        self.finished += 1
        return noticed or ZeroDivisionError("the source failed at its end")


def test_a_stream_that_is_closed_as_it_ends_does_not_look_complete():
    batches = ClosedAtItsEnd()
    batches.stream = Stream(batches)
    with pytest.raises(errors.Cancelled):  # what was wrong with the end was told to who closed
        batches.stream.read_all()
    assert batches.finished == 1


def test_a_stream_that_was_read_to_its_end_stays_there(stored):
    with stored.get("a", columns=["x"]) as stream:
        assert sum(batch.num_rows for batch in stream) == BIG
    assert list(stream) == []


INTERRUPTED = """
import sys, flight_client
location, call = sys.argv[1:]
def endless():
    yield b"x\\n"
    print("ready", flush=True)
    while True:
        yield b"12345\\n" * 100_000
with flight_client.connect(location) as client:
    try:
        if call == "put":
            client.put("b", endless(), format="csv")
        elif call == "get":
            with client.get("a") as stream:
                next(stream)
                print("ready", flush=True)
                while True:
                    pass
        elif call == "opening":
            print("ready", flush=True)
            client.get("a")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(client.health()["calls"] if call != "opening" else 1, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("call", ["put", "get"])
def test_ctrl_c_ends_a_call_and_the_server_notices(stored, own_server, tmp_path, call):
    with interrupted(own_server, tmp_path, call) as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        until(lambda: idle(stored))  # while the process lives
    assert [item.dataset for item in stored.list()] == ["a"]


@pytest.mark.usefixtures("stored")
def test_ctrl_c_ends_the_wait_for_a_server_that_does_not_answer(own_server, tmp_path):
    with own_server.frozen(), interrupted(own_server, tmp_path, "opening") as process:
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"


@contextmanager
def interrupted(server, folder, call):
    script = folder / "call.py"
    script.write_text(INTERRUPTED)
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": ""}
    command = [sys.executable, str(script), server.location, call]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
            yield process
            process.stdin.close()
            assert process.wait(20) == 0, process.stderr.read()
        finally:
            process.kill()
