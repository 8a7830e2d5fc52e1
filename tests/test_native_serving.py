"""Native libraries that do harm where they serve, and not in their trial; and builds that follow each other under load."""

import contextlib
import threading
from hashlib import sha256

import pyarrow as pa
import pytest
from effort import effort
from native_plugins import Builder, needs_compiler
from plugin_samples import eventually
from procfs import is_alive, plugin_processes, used_secs
from pyarrow import flight
from raw_flight import connected, put_batches, put_document
from test_native_deploy import (
    SETTINGS,
    Deployment,
    get_numbers,
    put_numbers,
    refused,
    version,
    written,
)

pytestmark = needs_compiler


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return Builder(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def impatient_server(tmp_path_factory):
    from conftest import _running  # noqa: PLC0415 - this one is for a module

    # A machine that is busy keeps who works well waiting, too, and now and then for seconds.
    limits = {"plugins.limits.batch_timeout_secs": 4, "plugins.limits.memory_bytes": 256 << 20}
    settings = {**SETTINGS, **limits, "plugins.load_timeout_secs": 4, "plugins.child_idle_secs": 1}
    with _running(tmp_path_factory.mktemp("impatient"), settings) as running:
        yield running


@pytest.fixture
def impatient(impatient_server):
    """A server that waits for nobody for long, and what is deployed there."""
    with connected(impatient_server.location) as connection:
        deployment = Deployment(impatient_server, connection)
        yield impatient_server, deployment
        deployment.file.unlink(missing_ok=True)
        eventually(lambda: deployment.status is None)


@pytest.mark.parametrize(
    ("macro", "fault", "code", "said"),
    [
        ("AT_OPEN", "*(volatile int *)8 = 1", "plugin_crashed", "was killed by SIGSEGV while it was imported"),
        ("AT_INIT", "*(volatile int *)8 = 1", "plugin_crashed", "was killed by SIGSEGV while it was imported"),
        ("AT_INIT", "abort()", "plugin_crashed", "was killed by SIGABRT while it was imported"),
        ("AT_INIT", "_Exit(0)", "plugin_crashed", "ended without an answer while it was imported"),
        ("AT_INIT", "for (;;) continue", "plugin_timeout", "was not loaded within 4 s (plugins.load_timeout_secs)"),
        ("AT_METADATA", "abort()", "plugin_crashed", "was killed by SIGABRT while it was imported"),
    ],
)
def test_one_that_does_it_only_where_it_serves_and_not_in_its_trial(impatient, build, macro, fault, code, said):
    server, numbers = impatient
    numbers.copy(build(*version(1), f"{macro}=if (serves()) {fault}"))
    eventually(lambda: (numbers.status or {}).get("sha256") and numbers.status["state"] == "active")
    assert refused(put_numbers, numbers.client)[0] == code
    assert said in refused(put_numbers, numbers.client)[1]
    put_document(numbers.client, {"dataset": "other", "format": "csv", "mode": "replace"}, b"a\n1\n")
    numbers.file.unlink()
    eventually(lambda: numbers.status is None and not plugin_processes(server.pid))


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("exit", "plugin_crashed", "ended without an answer"),
        ("loop", "plugin_timeout", "plugins.limits.batch_timeout_secs"),
        ("flood", "plugin_crashed", "memory"),
    ],
)
@pytest.mark.parametrize("direction", ["read", "write"])
def test_one_that_ends_hangs_or_floods_in_a_stream_fails_that_one(impatient, build, direction, fault, code, said):
    _, numbers = impatient
    numbers.serves(build(*version(1)), "1.0.0")
    put_batches(numbers.client, {"dataset": "rows", "mode": "replace"}, [pa.record_batch({"n": pa.array(range(10))})] * 3)
    call = (put_numbers, "f") if direction == "read" else (get_numbers, "rows")
    assert (found := refused(call[0], numbers.client, call[1], fault=fault))[0] == code, found
    assert said in found[1]
    assert put_numbers(numbers.client, "after", batches=1)["rows"] % 2 == 0


def test_kill_9_of_the_server_ends_one_that_is_busy_in_its_own_code(server_factory, build):
    server = server_factory(**SETTINGS)
    with connected(server.location) as client:
        Deployment(server, client).serves(build(*version(1)), "1.0.0")
        put_batches(client, "rows", [pa.record_batch({"n": pa.array(range(10))})] * 3)
        threading.Thread(target=busy_for, args=(server.location,), daemon=True).start()
        busy = eventually(lambda: [pid for pid in plugin_processes(server.pid) if used_secs(pid) > 0.2])
    server.kill()
    eventually(lambda: not any(map(is_alive, busy)))


def test_builds_copied_over_each_other_while_streams_run(server_factory, build):
    server = server_factory(**SETTINGS, **{"plugins.settle_ms": 20})
    with connected(server.location) as client:
        replace_under_load(server, Deployment(server, client), build)


def replace_under_load(server, numbers, build):
    """Copy one build over the other while three clients put; each is served by one build, whichever, and none fails."""
    contents = [build(*version(number)) for number in (1, 2)]
    numbers.serves(contents[0], "1.0.0")
    failures, done, counts = [], threading.Event(), []

    def work():
        try:
            with connected(server.location) as client:
                while not done.is_set():
                    counts.append(written(client))
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for index in range(effort(12, 50)):
        # Other bytes each time, which the loader does not look at: each is a generation of its own.
        content = contents[index % 2] + b"%d" % index
        numbers.copy(content)
        eventually(lambda content=content: numbers.status["sha256"] == sha256(content).hexdigest())
        served = len(counts)
        eventually(lambda served=served: failures or len(counts) > served)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert set(counts) == {1, 2}


def busy_for(location):
    """Ask for a document that never comes."""
    with connected(location) as client, contextlib.suppress(flight.FlightError, pa.ArrowException):
        get_numbers(client, "rows", fault="loop")
