"""Whatever a plugin does to its process: one stream fails, with the right code, in time; nothing else notices."""

import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from plugin_samples import eventually, lines
from procfs import descriptors, plugin_processes
from pyarrow import flight
from raw_flight import action, code_of, connected, put_batches, put_document
from runtime_faults import CALLS, DOCUMENT, evil, get, put, rings

# A machine that is busy keeps who works well waiting, too, and now and then for seconds.
TIMEOUT_SECS = 4.0
SETTINGS = {
    "plugins.limits.batch_timeout_secs": TIMEOUT_SECS,
    "plugins.limits.memory_bytes": 256 << 20,
    "plugins.load_timeout_secs": TIMEOUT_SECS,
    "plugins.quarantine_crashes": 0,
    "plugins.settle_ms": 20,
    "plugins.child_idle_secs": 1,
}
DEATHS = {
    "segfault": "was killed by SIGSEGV",
    "leave": "ended without an answer",
    "abort": "was killed by SIGABRT",
}
HANGS = ("loop", "sleep")
FLOODS = ("flood", "arrow_flood")
BOMBS = ("bomb", "native_bomb")
RUBBISH = (
    "wrong_slot", "negative_slot", "huge_unit", "long_part", "empty_part", "unit_in_unit", "wrong_kind", "no_kind",
    "wrong_types", "credit", "greedy", "negative", "early_end", "long_frame", "noise",
)  # fmt: skip


@pytest.fixture(scope="module")
def flag(tmp_path_factory):
    return tmp_path_factory.mktemp("flag") / "at import"


@pytest.fixture(scope="module")
def server(tmp_path_factory, flag):
    from conftest import _running  # noqa: PLC0415 - this one is for a module

    with _running(tmp_path_factory.mktemp("evil-server"), {**SETTINGS, "plugins.sandbox": '"off"'}) as running:
        (running.plugin_dir / "evil.py").write_text(evil(flag))
        (running.plugin_dir / "lines.py").write_text(lines())
        yield running


@pytest.fixture(scope="module")
def client(server):
    with connected(server.location) as connection:
        put_batches(connection, "rows", [pa.record_batch({"a": [1, 2]})])
        eventually(lambda: {"evil", "lines"} <= {each["name"] for each in action(connection, "formats")})
        yield connection


def failure(call):
    """The code and the message of a call that must fail, and within some seconds."""
    began = time.monotonic()
    with pytest.raises(flight.FlightError) as caught:
        call()
    assert time.monotonic() - began < 2 * TIMEOUT_SECS + 30
    return code_of(caught.value), str(caught.value)


def refused(call):
    try:
        call()
    except flight.FlightError:
        return True
    return False


def serves(client):
    """See that the server and the plugin serve on."""
    assert put_document(client, {"dataset": "notes", "format": "lines", "mode": "replace"}, DOCUMENT)["rows"] == 100
    assert put(client)["rows"] == 1
    assert get(client) == b"2 rows\nend\n"


@pytest.mark.parametrize("do", DEATHS)
@pytest.mark.parametrize(("call", "at"), CALLS)
def test_a_death_is_told_by_its_name_and_its_place(client, do, call, at):
    code, message = failure(lambda: call(client, do, at))
    doing = {"read": "read_batches", "write": "write_batches", "create": "create_format"}[at]
    assert (code, f"'evil' {DEATHS[do]} in {doing} (generation" in message) == ("plugin_crashed", True), message
    serves(client)


@pytest.mark.parametrize("do", HANGS)
@pytest.mark.parametrize(("call", "at"), CALLS)
def test_who_hangs_is_ended_after_its_time(client, do, call, at):
    code, message = failure(lambda: call(client, do, at))
    waits_for = {"read": "batch", "write": "bytes", "create": "answer"}[at]
    assert code == "plugin_timeout"
    assert f"no {waits_for} for 4 s (plugins.limits.batch_timeout_secs)" in message
    serves(client)


@pytest.mark.parametrize(("call", "at"), CALLS[:2])
def test_who_hands_over_bits_of_nothing_whole_is_ended_as_well(client, call, at):
    assert failure(lambda: call(client, "drips", at))[0] == "plugin_timeout"
    serves(client)


@pytest.mark.parametrize("do", FLOODS)
@pytest.mark.parametrize(("call", "at"), CALLS)
def test_who_floods_the_memory_reaches_a_limit_that_is_named(client, do, call, at):
    code, message = failure(lambda: call(client, do, at))
    assert code in {"plugin_failed", "plugin_crashed"}
    assert "ran out of memory (plugins.limits.memory_bytes allows 268,435,456 bytes)" in message
    serves(client)


@pytest.mark.parametrize("do", BOMBS)
@pytest.mark.parametrize(("call", "at"), CALLS)
def test_who_wants_to_start_processes_may_not(client, do, call, at):
    code, message = failure(lambda: call(client, do, at))
    assert (code, "Error" in message) == ("plugin_failed", True), message
    serves(client)


@pytest.mark.parametrize(
    ("call", "at", "do"),
    [(put, "read", do) for do in (*RUBBISH, "garbage", "hang_up")] + [(get, "write", do) for do in (*RUBBISH, "hang_up")],
)
def test_who_talks_rubbish_to_the_server_is_not_listened_to(client, do, call, at):
    code, message = failure(lambda: call(client, do, at))
    assert code == "plugin_crashed", message
    serves(client)


def test_a_batch_with_offsets_out_of_range_fails_its_stream_only(client):
    code, message = failure(lambda: put(client, "offsets"))
    assert (code, "is not valid Arrow data" in message) == ("plugin_failed", True)
    serves(client)


@pytest.mark.parametrize(("call", "at"), CALLS)
def test_who_prints_without_end_changes_nothing_but_the_log(server, client, call, at):
    call(client, "spam", at)
    serves(client)
    assert server.log_file.stat().st_size < 20 << 20


@pytest.mark.parametrize("do", ["segfault", "leave", "abort", "loop", "sleep", "flood", "bomb", "spam", "hang_up"])
def test_what_it_does_while_it_is_imported_fails_the_streams_that_wait_for_it(client, flag, do):
    flag.write_text(do)
    try:
        # The one that is forked ahead was imported before, or while, the file came.
        outcomes = []
        for _ in range(4):
            try:
                put(client, "leave")
            except flight.FlightError as error:
                outcomes.append((code_of(error), str(error)))
        code, message = outcomes[-1]
        if do == "spam":
            assert "in read_batches" in message
        else:
            assert code == {"loop": "plugin_timeout", "sleep": "plugin_timeout"}.get(do, code)
            assert code in {"plugin_crashed", "plugin_timeout", "plugin_failed"}
            assert "imported" in message or "load" in message, message
    finally:
        flag.unlink()
    # One that was forked ahead while the file was there may be left.
    eventually(lambda: not refused(lambda: put(client)))
    serves(client)


def test_other_streams_go_on_meanwhile(client, server):
    def steady(_):
        with connected(server.location) as other:
            for _ in range(20):
                serves_lines(other)

    with ThreadPoolExecutor(3) as pool:
        streams = [pool.submit(steady, number) for number in range(3)]
        for do in ("segfault", "leave", "noise", "flood", "loop"):
            failure(lambda do=do: put(client, do))
            failure(lambda do=do: get(client, do))
            failure(lambda do=do: get(client, do, "create"))
        for stream in streams:
            stream.result(60)


def serves_lines(client):
    target = {"dataset": "notes2", "format": "lines", "mode": "append"}
    assert put_document(client, target, DOCUMENT)["rows"] == 100


def test_nothing_is_left_of_them(client, server):
    serves(client)
    eventually(lambda: settled(client, server))
    before = descriptors(server.pid)
    for do in ("segfault", "noise", "garbage", "leave", "flood", "offsets"):
        failure(lambda do=do: put(client, do))
    for do in ("abort", "wrong_slot", "leave"):
        failure(lambda do=do: get(client, do))
    serves(client)
    eventually(lambda: settled(client, server))
    assert descriptors(server.pid) <= before + 8


def settled(client, server):
    """Whether there are as many processes and rings as the server says, and no more than a few."""
    children = action(client, "health")[0]["plugins"]["children"]
    return len(plugin_processes(server.pid)) == children == rings(server.pid) and children <= 4
