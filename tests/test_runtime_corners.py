"""Plugins that do harm where nobody looks: in threads, at the end of objects, with nothing to do, in rooms of their own."""

import contextlib
import itertools
import os
import signal
import socket
import threading

import pyarrow as pa
import pytest
from plugin_samples import eventually, lines, steadily
from procfs import is_alive, plugin_processes, used_secs
from pyarrow import flight
from raw_flight import action, code_of, connected, put_batches, put_document, ticket
from runtime_faults import CALLS, DOCUMENT, evil, get, put

from flight_server.nursery.sandbox import Protection

# A machine that is busy keeps who works well waiting, too, and now and then for seconds.
TIMEOUT_SECS = 4.0
SETTINGS = {
    "plugins.limits.batch_timeout_secs": TIMEOUT_SECS,
    "plugins.limits.memory_bytes": 256 << 20,
    "plugins.load_timeout_secs": TIMEOUT_SECS,
    "plugins.quarantine_crashes": 0,
    "plugins.settle_ms": 20,
    "plugins.child_idle_secs": 600,
}
#: What the kernel refuses, with the word that the plugin is told it in.
REFUSED = {
    "read_outside": "PermissionError",
    "write_outside": "PermissionError",
    "read_store": "PermissionError",
    "connect_out": "PermissionError",
    "send_out": "PermissionError",
    "memfd_flood": "PermissionError",
    "shared_flood": "Cannot allocate memory",
    "bomb": "a plugin may not start processes",
    "native_bomb": "OSError: refused",
    "flood": "ran out of memory",
}
DEPLOYMENTS = itertools.count(1)
DEATHS = {"segfault": "was killed by SIGSEGV", "leave": "ended without an answer", "abort": "was killed by SIGABRT"}
needs_sandbox = pytest.mark.skipif(
    bool(Protection.of("auto").missing), reason="this kernel has no whole sandbox, so NOTHING WAS TRIED INSIDE OF ONE"
)


@pytest.fixture(scope="module")
def outside():
    """A port that somebody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture(scope="module")
def server(tmp_path_factory, outside):
    from conftest import _running  # noqa: PLC0415 - this one is for a module

    with _running(tmp_path_factory.mktemp("corners"), SETTINGS) as running:
        running.flag = running.store_dir / "flag"
        deploy(running, "")
        (running.plugin_dir / "lines.py").write_text(lines())
        running.port = outside.getsockname()[1]
        yield running


@pytest.fixture(scope="module")
def client(server):
    with connected(server.location) as connection:
        put_batches(connection, "rows", [pa.record_batch({"a": [1, 2]})])
        eventually(lambda: {"evil", "lines"} <= {each["name"] for each in action(connection, "formats")})
        yield connection


@pytest.fixture
def planned(server, client):
    """Deploy the plugin such that it does something in each process that serves, and has passed its trial."""

    def deploy_and_wait(what):
        before = generation(client)
        deploy(server, what)
        eventually(lambda: generation(client) > before)

    yield deploy_and_wait
    deploy_and_wait("")


def deploy(server, what):
    text = evil("/nowhere/flag", planned=what, port=getattr(server, "port", 1))
    (server.plugin_dir / "evil.py").write_text(f"{text}# the {next(DEPLOYMENTS)}th\n")  # or it would be the one that is there


def generation(client):
    found = [each["generation"] for each in action(client, "plugins") if each["name"] == "evil"]
    return found[0] if found else 0


def failure(call, *arguments):
    with pytest.raises(flight.FlightError) as caught:
        call(*arguments)
    return code_of(caught.value), str(caught.value)


def others_serve(client):
    assert put_document(client, {"dataset": "notes", "format": "lines", "mode": "replace"}, DOCUMENT)["rows"] == 100


def serves(client):
    others_serve(client)
    assert put(client)["rows"] == 1
    assert get(client) == b"2 rows\nend\n"


def of_evil(client):
    return action(client, "plugin", {"name": "evil"})[0]["children"]


@needs_sandbox
@pytest.mark.parametrize("do", REFUSED)
@pytest.mark.parametrize(("call", "at"), CALLS)
def test_what_is_not_the_plugins_is_refused_its_stream_only(client, do, call, at):
    code, message = failure(call, client, do, at)
    assert (code, REFUSED[do] in message) == ("plugin_failed", True), message
    serves(client)


@needs_sandbox
@pytest.mark.parametrize("do", ["read_outside", "read_store", "connect_out", "memfd_flood"])
def test_what_is_not_the_plugins_is_refused_it_when_a_process_that_serves_imports_it(client, planned, do):
    planned(do)
    for call in (put, get):
        code, message = failure(call, client)
        assert (code, "cannot be imported: PermissionError" in message) == ("plugin_failed", True), message
    others_serve(client)


@pytest.mark.parametrize(
    ("do", "place"),
    [
        *((do, "import") for do in (*DEATHS, "loop", "flood", "noise", "thread_bomb")),
        *((do, place) for do in ("segfault", "loop") for place in ("create_plugin", "metadata")),
    ],
)
def test_what_a_plugin_does_when_it_serves_and_not_in_its_trial_fails_the_streams_that_want_it(client, planned, do, place):
    planned(f"{do}@{place}")
    code, message = failure(put, client)
    expected = {"loop": "plugin_timeout", "flood": "plugin_failed"}
    assert code == expected.get(do, "plugin_crashed"), message
    assert DEATHS.get(do, "") in message
    assert "import" in message or "load" in message
    others_serve(client)
    # Nor is one such process forked ahead after the other.
    eventually(lambda: of_evil(client) == 0)


@pytest.mark.parametrize("do", ["offsets", "negative offsets", "large offsets", "no text", "views", "lists", "indices"])
def test_arrow_data_that_no_check_of_the_child_has_seen_is_checked_by_the_server(client, do):
    code, message = failure(put, client, do, "smuggled")
    assert (code, "is not valid Arrow data" in message) == ("plugin_failed", True), message
    serves(client)


@pytest.mark.parametrize("do", DEATHS)
@pytest.mark.parametrize("where", ["thread", "del"])
@pytest.mark.parametrize(("call", "at"), CALLS)
def test_a_death_in_a_thread_or_at_the_end_of_an_object_is_told_as_any(client, where, do, call, at):
    code, message = failure(call, client, f"{where}:{do}", at)
    doing = {"read": "read_batches", "write": "write_batches", "create": "create_format"}[at]
    assert (code, f"'evil' {DEATHS[do]} in {doing} (generation" in message) == ("plugin_crashed", True), message
    serves(client)


@pytest.mark.parametrize(("call", "at"), CALLS)
def test_an_object_that_does_not_end_is_ended_after_its_time(client, call, at):
    assert failure(call, client, "del:loop", at)[0] == "plugin_timeout"
    serves(client)


@pytest.mark.parametrize(("call", "at"), CALLS)
def test_threads_without_end_end_their_stream_only(client, call, at):
    code, message = failure(call, client, "thread_bomb", at)
    assert (code, "was killed: it had more than 1,024 threads in " in message) == ("plugin_crashed", True), message
    serves(client)


@pytest.mark.parametrize(("call", "at"), CALLS[:2])
def test_who_goes_on_and_on_and_gives_nothing_is_ended_after_its_time(client, call, at):
    assert failure(call, client, "nothing", at)[0] == "plugin_timeout"
    serves(client)


@pytest.mark.parametrize("do", ["thread:loop", "cycle:loop"])
def test_a_process_that_works_on_after_its_stream_is_ended(server, client, do):
    put(client, do)
    busy = eventually(lambda: [pid for pid in plugin_processes(server.pid) if used_secs(pid) > 1])
    eventually(lambda: not any(map(is_alive, busy)))
    serves(client)


def test_a_process_that_works_on_before_its_first_stream_is_ended_and_no_other_is_forked_ahead(client, planned):
    planned("thread:loop")
    eventually(lambda: of_evil(client) == 1)
    eventually(lambda: of_evil(client) == 0)
    steadily(lambda: of_evil(client) == 0, TIMEOUT_SECS + 0.2)
    assert put(client)["rows"] == 1
    eventually(lambda: of_evil(client) >= 1)


@pytest.mark.usefixtures("planned")  # which leaves no process behind that may still die
@pytest.mark.parametrize("do", ["cycle:segfault", "later:leave", "later:abort"])
def test_a_process_that_dies_after_its_stream_is_replaced(client, do):
    assert put(client, do)["rows"] == 1
    eventually(lambda: of_evil(client) == 1 and not refused(client))
    serves(client)


def refused(client):
    try:
        put(client)
    except flight.FlightError:
        return True
    return False


@pytest.mark.parametrize("do", ["atexit:loop", "atexit:segfault", "held:loop", "held:segfault"])
def test_what_is_to_be_done_at_its_end_is_not_done(server, client, do):
    put(client, do)
    get(client, do)
    (server.plugin_dir / "evil.py").unlink()
    eventually(lambda: "evil" not in {each["name"] for each in action(client, "formats")})
    others = action(client, "plugin", {"name": "lines"})[0]["children"]
    eventually(lambda: len(plugin_processes(server.pid)) == others)
    deploy(server, "")
    eventually(lambda: "evil" in {each["name"] for each in action(client, "formats")})
    serves(client)


def test_kill_9_of_the_server_ends_what_sleeps_loops_or_has_threads_in_native_code(server_factory):
    server = server_factory(**{**SETTINGS, "plugins.limits.batch_timeout_secs": 600})
    deploy(server, "")
    with connected(server.location) as client:
        put_batches(client, "rows", [pa.record_batch({"a": [1, 2]})])
        eventually(lambda: "evil" in {each["name"] for each in action(client, "formats")})
        for do in ("loop", "sleep", "thread:loop", "native_loop"):
            target = ticket({"dataset": "rows", "format": "evil", "options": {"do": do, "at": "write"}})
            threading.Thread(target=lambda target=target: read_all(server.location, target), daemon=True).start()
        running = eventually(lambda: len(found := plugin_processes(server.pid)) >= 4 and found)
        eventually(lambda: sum(used_secs(pid) > 0.1 for pid in running) >= 2)
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    eventually(lambda: not any(map(is_alive, running)))
    server.start()


def read_all(location, target):
    with connected(location) as client, contextlib.suppress(flight.FlightError, pa.ArrowException):
        client.do_get(target).read_all()
