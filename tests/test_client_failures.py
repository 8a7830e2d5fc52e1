"""What the client raises when something goes wrong, and that nothing half done stays behind."""

import json
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import flight

import flight_client
from flight_client import errors
from flight_client.errors import BadPayload, IncompletePut, NoAnswer, Unavailable
from flight_client.sending import Sending
from flight_client.sources import opened
from flight_server import boundary
from flight_server import errors as server_errors

CSV = b"id,name\n1,Ada\n2,Grace\n3,\n"
TABLE = pa.table({"id": [1, 2, 3], "name": ["Ada", "Grace", None]})
ONCE = flight_client.Retries(attempts=1)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exception_of_the_source_comes_out_and_nothing_is_stored(our_client, dataset, error):
    def broken():
        yield b"x\n"
        yield b"1\n" * 3_000_000
        raise error("of the source")

    with pytest.raises(error, match="of the source"):
        our_client.put(dataset, broken(), format="csv")
    assert our_client.list(dataset) == []


def test_an_exception_among_rows_comes_out_and_nothing_is_stored(our_client, dataset):
    def broken():
        yield from TABLE.to_batches()
        raise RuntimeError("of the source")

    with pytest.raises(RuntimeError, match="of the source"):
        our_client.put(dataset, pa.RecordBatchReader.from_batches(TABLE.schema, broken()))
    assert our_client.list(dataset) == []


@pytest.mark.parametrize("rows", [0, 3_000_000])
def test_an_exception_of_the_source_is_no_short_document(our_client, rows):
    def broken():
        yield b"x\n"
        yield b"1\n" * rows
        raise RuntimeError("of the source")

    with pytest.raises(RuntimeError, match="of the source"):
        our_client.convert(broken(), from_format="csv", to_format="csv").read_all()


def test_nothing_follows_the_word_that_a_source_has_failed():
    class Writer:  # to end the stream in two threads at once, which the reader does too, would end the process
        def __init__(self):
            self.calls = []

        def __getattr__(self, name):
            return lambda *arguments: self.calls.append((name, *arguments))

    def broken():
        yield b"x\n"
        raise RuntimeError("of the source")

    writer = Writer()
    with opened(broken()) as source, pytest.raises(RuntimeError):
        Sending(writer, source).run()
    assert [name for name, *_ in writer.calls] == ["write_metadata"]
    assert json.loads(writer.calls[-1][1].to_pybytes()) == {"abort": "RuntimeError: of the source"}


def test_an_error_of_another_call_in_the_source_is_told_as_that_one(our_client, dataset):
    def broken():
        yield b"x\n1\n"
        our_client.put(f"{dataset}-other", b"a,b\n1\n", format="csv")

    with pytest.raises(BadPayload):
        our_client.put(dataset, broken(), format="csv")
    with pytest.raises(BadPayload):
        our_client.convert(broken(), from_format="csv", to_format="csv").read_all()


def test_what_arrives_incomplete_is_not_stored(our_client, dataset, monkeypatch):
    monkeypatch.setattr("flight_client.sources.Chunks.figures", lambda _self: {"bytes": 1, "chunks": 1})
    with pytest.raises(IncompletePut, match="nothing was stored"):
        our_client.put(dataset, CSV, format="csv")
    assert our_client.list(dataset) == []


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("bad_request", lambda client, _: client.put("no name", TABLE)),
        ("bad_request", lambda client, _: client.action("absent")),
        ("bad_request", lambda client, name: client.get(name, columns=["absent"])),
        ("bad_request", lambda client, name: client.put(name, CSV)),
        ("unknown_dataset", lambda client, _: client.get("absent")),
        ("unknown_dataset", lambda client, _: client.info("absent")),
        ("unknown_dataset", lambda client, _: client.drop("absent")),
        ("unknown_dataset", lambda client, _: client.versions("absent")),
        ("unknown_format", lambda client, name: client.put(name, CSV, format="cvs")),
        ("unknown_format", lambda client, name: client.get_bytes(name, format="cvs")),
        ("unknown_format", lambda client, _: client.convert(CSV, from_format="csv", to_format="cvs")),
        ("unknown_option", lambda client, name: client.put(name, CSV, format="csv", options={"delimeter": ";"})),
        ("unknown_version", lambda client, name: client.get(name, version=99)),
        ("dataset_exists", lambda client, name: client.put(name, TABLE, mode="create")),
        ("schema_mismatch", lambda client, name: client.put(name, pa.table({"other": [1.5]}))),
        ("bad_payload", lambda client, name: client.put(name, b"id,name\n1,2,3\n", format="csv")),
        ("bad_payload", lambda client, name: client.put(name, b"no parquet", format="parquet")),
        ("bad_payload", lambda client, name: client.put(name, b"", format="parquet")),
        ("unsupported", lambda client, name: client.get_bytes(name, format="csv", content_encoding="xz")),
    ],
)
def test_what_the_server_refuses_is_an_error_of_its_code(our_client, dataset, code, call):
    our_client.put(dataset, TABLE)
    with pytest.raises(errors.Refused) as caught:
        call(our_client, dataset)
    assert caught.value.code == type(caught.value).code == code
    assert caught.value.blame == "client"
    assert caught.value.id
    message = str(caught.value)
    assert not any(noise in message for noise in ("Traceback", "gRPC", "Detail:", "context", "\n", "[" + code))
    assert our_client.info(dataset).rows == 3


def test_a_limit_of_the_server_is_an_error_of_its_code(server_factory):
    server = server_factory(**{"limits.columns": 2})
    with flight_client.connect(server.location) as client, pytest.raises(errors.LimitExceeded, match=r"limits\.columns"):
        client.put("a", pa.table({name: [1] for name in "abc"}))


def test_a_document_has_no_more_columns_than_the_limit_allows(server_factory):
    server = server_factory(**{"limits.columns": 2})
    with flight_client.connect(server.location) as client, pytest.raises(errors.LimitExceeded, match=r"limits\.columns"):
        client.put("a", b"a,b,c\n1,2,3\n", format="csv")


def test_a_fault_of_a_plugin_is_laid_at_its_door(own_server):
    (own_server.plugin_dir / "faulty.py").write_text(FAULTY)
    with flight_client.connect(own_server.location) as client:
        until(lambda: "faulty" in {item["name"] for item in client.formats()})
        with pytest.raises(errors.PluginFailed) as caught:
            client.put("a", b"data", format="faulty")
        assert caught.value.blame == "plugin"
        assert client.list() == []


FAULTY = """
from dataclasses import dataclass
from types import SimpleNamespace
from format_plugins.contract import PluginCapabilities, PluginMetadata

@dataclass(frozen=True)
class Faulty:
    def read_batches(self, data):
        raise ZeroDivisionError

def create_plugin():
    can = PluginCapabilities(write=False)
    metadata = PluginMetadata(name="faulty", version="1.0.0", capabilities=can)
    return SimpleNamespace(config_type=Faulty, metadata=lambda: metadata, create_format=lambda options: options)
"""


def test_nobody_listening_is_unavailable():
    with flight_client.connect("grpc://127.0.0.1:1") as client:
        for call in (client.health, client.list, lambda: client.get("a"), lambda: client.put("a", TABLE)):
            with pytest.raises(Unavailable, match="Connection refused") as caught:
                call()
            assert caught.value.blame == "network"
            assert caught.value.id == ""


def test_an_address_that_is_none_is_a_bad_request():
    with pytest.raises(errors.BadRequest, match="no address"):
        flight_client.connect("nowhere")


def test_a_server_that_does_not_answer_in_time_is_not_waited_for(own_server):
    with flight_client.connect(own_server.location, timeout=0.5) as client:
        client.health()
        with own_server.frozen(), pytest.raises(errors.DeadlineExceeded):
            client.health()


def test_a_server_that_is_killed_during_a_put_is_unavailable(own_server, dataset):
    def source():
        yield b"x\n"
        for number in range(200):
            if number == 5:
                own_server.kill()
            yield b"1\n" * 500_000

    with flight_client.connect(own_server.location) as client, pytest.raises(Unavailable):
        client.put(dataset, source(), format="csv")
    own_server.restart()
    with flight_client.connect(own_server.location) as client:
        assert client.list() == []


def test_a_server_that_is_killed_during_a_get_is_no_short_stream(own_server, dataset):
    with flight_client.connect(own_server.location) as client:
        client.put(dataset, pa.table({"x": pa.array(range(20_000_000))}))
        stream = client.get(dataset)
        next(stream)
        own_server.kill()
        with pytest.raises(NoAnswer):
            stream.read_all()


def test_a_server_that_is_killed_during_a_conversion_is_no_short_document(own_server):
    def source():
        yield b"x\n"
        for number in range(200):
            if number == 50:
                own_server.kill()
            yield b"1\n" * 500_000

    with flight_client.connect(own_server.location) as client, pytest.raises(NoAnswer):
        client.convert(source(), from_format="csv", to_format="csv").read_all()


def test_a_stopping_server_takes_no_new_calls_and_ends_those_that_run(server_factory):
    server = server_factory(**{"server.drain_timeout_secs": 20})
    leave = threading.Event()

    def slow():
        yield b"1\n" * 1_000_000
        leave.wait(20)

    with flight_client.connect(server.location, retries=ONCE) as client, ThreadPoolExecutor(1) as pool:
        put = pool.submit(client.put, "a", slow(), format="csv", options={"header": False})
        until(lambda: client.health()["calls"] > 1)
        server.process.terminate()
        try:
            until(lambda: refusal(client.health) in {"shutting_down", "unavailable"})
        finally:
            leave.set()
        assert put.result().rows == 1_000_000
    assert server.process.wait(20) == 0


def until(true, seconds=20):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def refusal(call):
    try:
        call()
    except errors.FlightClientError as error:
        return error.code
    return None


CODES = {kind.code: kind for kind in vars(server_errors).values() if hasattr(kind, "code")}


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_the_server_has_its_class_and_survives_without_extra_info(code):
    sent = boundary.to_flight(CODES[code]("it is (so) [really], row 7", row=7), "test")
    for got in (sent, flight.FlightServerError(str(sent)), pa.ArrowInvalid(f"Unknown error: {sent}. Detail: Failed")):
        error = errors.from_flight(got)
        assert (type(error).code, error.code, str(error)) == (code, code, "it is (so) [really], row 7")
        assert error.blame == CODES[code].blame
        assert error.id == errors.from_flight(sent).id
    assert errors.from_flight(sent).detail == {"row": 7}


def test_a_code_of_a_newer_server_is_kept():
    got = flight.FlightServerError("[gone_fishing] back soon (id 0a1b)", extra_info=b'{"code":"gone_fishing","blame":"server"}')
    error = errors.from_flight(got)
    assert (type(error), error.code, error.blame) == (errors.FlightClientError, "gone_fishing", "server")


@given(st.text(), st.binary())
def test_what_another_server_says_is_never_a_failure_of_ours(text, extra_info):
    error = errors.from_flight(flight.FlightServerError(text, extra_info=extra_info))
    assert isinstance(error, errors.FlightClientError)
    assert "\n" not in str(error) or "[" in text


def test_an_error_can_be_sent_to_another_process():
    error = errors.BadPayload("row 7 is odd", error_id="0a1b", detail={"row": 7})
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes, as process pools send them
    assert isinstance(again, BadPayload)
    assert (str(again), again.code, again.id, again.detail) == (str(error), error.code, "0a1b", {"row": 7})


STREAM = """
import resource, sys
import flight_client
location, rows = sys.argv[1], 200_000
line = b"x" * 999 + b"\\n"
def document():
    yield b"text\\n"
    for _ in range(rows // 1000):
        yield line * 1000
with flight_client.connect(location) as client:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert client.put("big", document(), format="csv").rows == rows
    with client.get_bytes("big", format="csv") as got:
        assert sum(chunk.size for chunk in got) == 5 + rows * 1000
    with client.convert(document(), from_format="csv", to_format="csv") as converted:
        assert sum(chunk.size for chunk in converted) == 5 + rows * 1000
    with client.get("big") as stream:
        assert sum(batch.num_rows for batch in stream) == rows
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_streams_of_two_hundred_megabytes_need_little_memory(own_server, tmp_path):
    script = tmp_path / "stream.py"
    script.write_text(STREAM)
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": ""}
    command = [sys.executable, str(script), own_server.location]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64, f"{done.stdout.strip()} MiB more than at the start"
