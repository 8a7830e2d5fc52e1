"""A server that takes connections and says nothing holds up nobody for longer than was said."""

import socket
import time

import pyarrow as pa
import pytest
from client_command import done, environment

import flight_client
from flight_client.commands import failures
from flight_client.errors import DeadlineExceeded

SECS = 0.3
#: gRPC gives a connection that says nothing up after 20 seconds by itself.
FAR_LESS_THAN_GRPC = 10

CALLS = {
    "question": lambda client: client.info("a"),
    "put": lambda client: client.put("a", pa.table({"x": [1]})),
    "get": lambda client: client.get("a"),
    "document": lambda client: client.get_bytes("a", format="csv"),
    "conversion": lambda client: client.convert(b"a\n1\n", from_format="csv", to_format="ndjson"),
}


@pytest.fixture
def silent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"grpc://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("call", CALLS)
def test_a_call_ends_when_it_was_to_end(silent, call):
    with flight_client.connect(silent, timeout=SECS, idle_timeout=SECS) as client:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"the server .* 0\.3 seconds"):
            CALLS[call](client)
    assert time.monotonic() - began < FAR_LESS_THAN_GRPC


def test_a_source_that_was_opened_for_a_conversion_is_let_go_of(silent, tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    with flight_client.connect(silent, idle_timeout=SECS) as client, pytest.raises(DeadlineExceeded):
        client.convert(tmp_path / "a.csv", from_format="csv", to_format="ndjson")  # ResourceWarning is an error here


@pytest.mark.parametrize("words", [["head", "a"], ["head", "a", "--json"], ["ls"], ["get", "a"], ["convert", "a.csv", "b.csv"]])
def test_a_command_waits_no_longer_than_it_was_told(silent, words):
    began = time.monotonic()
    ended = done(None, *words, "--timeout", str(SECS), env=environment(FLIGHT_URI=silent))
    assert time.monotonic() - began < FAR_LESS_THAN_GRPC
    assert ended.returncode == failures.UNAVAILABLE
    assert ended.stderr.splitlines()[0].endswith("--timeout lets it take longer") or "--json" in words
    assert len(ended.stderr.splitlines()) == 1
