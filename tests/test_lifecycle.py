"""A server comes up with one line, and goes down in time whatever its clients do."""

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from pyarrow import flight
from raw_flight import action, connected, descriptor, finish, get_table, put_batches, ticket

BATCH = pa.record_batch({"x": pa.array(range(1_000_000))})


def wait_for_exit(server, seconds):
    return server.process.wait(timeout=seconds)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_an_idle_server_at_once(server_factory, number):
    server = server_factory(**{"server.drain_timeout_secs": 30})
    started = time.monotonic()
    os.kill(server.pid, number)
    assert wait_for_exit(server, 10) == 0
    assert time.monotonic() - started < 5


def test_a_signal_after_the_process_was_stopped_and_continued_is_not_slept_through(server_factory):
    server = server_factory()
    for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGTERM):
        os.kill(server.pid, number)
    assert wait_for_exit(server, 10) == 0


def test_running_streams_may_end_and_are_stored(server_factory):
    server = server_factory(**{"server.drain_timeout_secs": 20})
    with connected(server.location) as client:
        writer, reader = client.do_put(descriptor("a"), BATCH.schema)
        writer.write_batch(BATCH)
        time.sleep(0.3)
        os.kill(server.pid, signal.SIGTERM)
        time.sleep(0.5)
        writer.write_batch(BATCH)
        answer = finish(writer, reader)
    assert answer["rows"] == 2_000_000
    assert wait_for_exit(server, 10) == 0
    server.restart()
    with connected(server.location) as client:
        assert get_table(client, "a").num_rows == 2_000_000


@pytest.mark.parametrize("client_does", ["put and wait", "get and wait", "exchange and wait", "be stopped"])
def test_a_client_that_does_not_end_is_cut_when_the_time_is_up(server_factory, client_does, tmp_path):
    server = server_factory(**{"server.drain_timeout_secs": 0.5})
    with connected(server.location) as client:
        for _ in range(20):
            put_batches(client, "big", [BATCH])
    script = tmp_path / "client.py"
    script.write_text(
        "import sys, time, pyarrow as pa\n"
        "from pyarrow import flight\n"
        "does, location = sys.argv[1:]\n"
        "client = flight.connect(location)\n"
        "schema = pa.schema([('x', pa.int64())])\n"
        "path = flight.FlightDescriptor.for_path('waiting')\n"
        "if does == 'put and wait': held = client.do_put(path, schema)\n"
        "elif does == 'exchange and wait':\n"
        '    held = client.do_exchange(flight.FlightDescriptor.for_command(b\'{"from": {}, "to": {}}\'))\n'
        "    held[0].begin(schema)\n"
        "else:\n"
        "    held = client.do_get(flight.Ticket(b'big')); held.read_chunk()\n"
        "print('holding', flush=True)\n"
        "time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, str(script), client_does, server.location], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "holding\n"
        if client_does == "be stopped":
            holder.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        started = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        assert wait_for_exit(server, 15) == 0
        assert time.monotonic() - started < 6
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_stopping_server_says_so_to_new_calls(server_factory):
    server = server_factory(**{"server.drain_timeout_secs": 5})
    with connected(server.location) as client:
        writer, reader = client.do_put(descriptor("a"), BATCH.schema)
        time.sleep(0.3)
        os.kill(server.pid, signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(flight.FlightUnavailableError):
            action(client, "health")
        assert finish(writer, reader)["rows"] == 0
    assert wait_for_exit(server, 10) == 0


def test_a_second_signal_stops_at_once(server_factory):
    server = server_factory(**{"server.drain_timeout_secs": 60})
    with connected(server.location) as client:
        held = client.do_put(descriptor("a"), BATCH.schema)
        time.sleep(0.2)
        os.kill(server.pid, signal.SIGTERM)
        time.sleep(0.3)
        os.kill(server.pid, signal.SIGTERM)
        assert wait_for_exit(server, 5) == 128 + signal.SIGTERM
        with pytest.raises((flight.FlightError, pa.ArrowException, OSError)):
            held[0].close()


def test_a_server_that_is_asked_tells_where_its_threads_are(server_factory):
    server = server_factory()
    os.kill(server.pid, signal.SIGUSR1)
    deadline = time.monotonic() + 10
    while "in wait" not in server.log_file.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "in wait" in server.log_file.read_text()


def test_a_port_that_is_taken_is_said_so(server_factory, tmp_path):
    server = server_factory()
    command = [sys.executable, "-m", "flight_server", "serve", "--set", f"server.location={server.location}"]
    command += ["--set", f"store.path={tmp_path / 's'}", "--set", f"plugins.plugin_dir={tmp_path / 'p'}"]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 1
    assert "cannot listen" in second.stderr
    assert "Traceback" not in second.stderr
    assert second.stdout == ""


def test_the_log_of_a_server_without_a_terminal_is_json_lines(server_factory):
    server = server_factory()
    with connected(server.location) as client, pytest.raises((flight.FlightError, pa.ArrowException)):
        client.do_get(ticket("absent")).read_all()
    lines = [json.loads(line) for line in server.log_file.read_text().splitlines()]
    refused = [line for line in lines if line.get("code") == "unknown_dataset"]
    assert len(refused) == 1
    assert {"event", "level", "timestamp", "id", "call"} <= set(refused[0])
