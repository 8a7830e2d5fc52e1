"""A plugin is deployed by copying a file, and streams that run do not notice."""

import shutil
import time
from pathlib import Path

import pyarrow as pa
import pytest
from effort import report
from pyarrow import flight
from raw_flight import PAYLOAD, action, code_of, connected, descriptor, finish, get_document, put_document, ticket

EXAMPLE = Path(__file__).parent / "data" / "lines.py"
WITHIN_SECS = 0.5

STAMP = '''
"""A format that writes which version of it wrote."""
from dataclasses import dataclass
import pyarrow as pa
from format_plugins.contract import PluginMetadata

VERSION = "{version}"

@dataclass(frozen=True)
class Options:
    greeting: str = "hello"

class Stamp:
    def __init__(self, config):
        self.config = config
    def read_batches_from_stream(self, schema, stream):
        for chunk in stream:
            yield pa.record_batch({{"version": [VERSION], "bytes": [chunk.size]}})
    def write_batches(self, batches):
        yield f"{{self.config.greeting}} from {{VERSION}}".encode()
        for batch in batches:
            yield f"\\n{{VERSION}} {{batch.num_rows}}".encode()

class Plugin:
    config_type = Options
    def metadata(self):
        return PluginMetadata(name="stamp", version=VERSION, extensions=(".stamp",))
    def create_format(self, config):
        return Stamp(config)

def create_plugin():
    return Plugin()
'''


@pytest.fixture
def client(own_server):
    with connected(own_server.location) as connection:
        put_document(connection, "d.csv", b"a\n1\n2\n")
        yield connection


def until(condition, seconds=10.0):
    """How long it took for ``condition`` to hold; fails when it does not."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "not within the time"
        time.sleep(0.005)
    return time.monotonic() - started


def stamp(client):
    try:
        return get_document(client, {"dataset": "d", "format": "stamp"})[0].decode().partition("\n")[0]
    except flight.FlightServerError as error:
        return code_of(error)


def test_a_plugin_of_thirty_lines_serves_within_half_a_second(own_server, client):
    assert len([line for line in EXAMPLE.read_text().splitlines() if line]) <= 30
    name = "lines"
    shutil.copy(EXAMPLE, Path(own_server.plugin_dir) / EXAMPLE.name)

    def served():
        return name in {item["name"] for item in action(client, "formats")}

    took = until(served)
    answer = put_document(client, {"dataset": "text", "format": name}, b"one\ntwo\n")
    assert answer["rows"] == 2
    assert get_document(client, {"dataset": "text", "format": name})[0] == b"one\ntwo\n"
    report(f"from copy to serving: {took * 1000:.0f} ms")
    assert took < WITHIN_SECS


def test_overwrite_break_repair_and_delete(own_server, client):
    file = Path(own_server.plugin_dir) / "stamp.py"
    assert stamp(client) == "unknown_format"
    file.write_text(STAMP.format(version="1.0.0"))
    until(lambda: stamp(client) == "hello from 1.0.0")
    file.write_text(STAMP.format(version="2.0.0"))
    until(lambda: stamp(client) == "hello from 2.0.0")
    file.write_text("def create_plugin(: broken")
    until(lambda: action(client, "plugin", {"name": "stamp"})[0]["last_error"])
    assert stamp(client) == "hello from 2.0.0"
    file.write_text(STAMP.format(version="3.0.0"))
    until(lambda: stamp(client) == "hello from 3.0.0")
    assert not action(client, "plugin", {"name": "stamp"})[0]["last_error"]
    file.unlink()
    until(lambda: stamp(client) == "unknown_format")


def test_a_rejected_plugin_is_named_when_its_format_is_asked_for(own_server, client):
    (Path(own_server.plugin_dir) / "stamp.py").write_text("import nothing_that_exists\n")
    until(lambda: any(item["last_error"] for item in action(client, "plugins")))
    with pytest.raises(flight.FlightServerError, match="nothing_that_exists"):
        get_document(client, {"dataset": "d", "format": "stamp"})


def test_running_streams_end_on_the_version_that_they_began_with(own_server, client):
    file = Path(own_server.plugin_dir) / "stamp.py"
    file.write_text(STAMP.format(version="1.0.0"))
    until(lambda: stamp(client) == "hello from 1.0.0")
    chunk = pa.record_batch([pa.array([b"x" * (1 << 20)], pa.binary())], schema=PAYLOAD)
    writer, reader = client.do_put(descriptor({"dataset": "held", "format": "stamp"}), PAYLOAD)
    for _ in range(3):
        writer.write_batch(chunk)
    time.sleep(0.2)
    file.write_text(STAMP.format(version="2.0.0"))
    until(lambda: stamp(client) == "hello from 2.0.0")
    file.unlink()
    until(lambda: stamp(client) == "unknown_format")
    for _ in range(3):
        writer.write_batch(chunk)
    answer = finish(writer, reader)
    assert answer["plugin"]["version"] == "1.0.0"
    assert client.do_get(ticket("held")).read_all()["version"].to_pylist() == ["1.0.0"] * 6


def test_reload_and_rollback(own_server, client):
    file = Path(own_server.plugin_dir) / "stamp.py"
    file.write_text(STAMP.format(version="1.0.0"))
    action(client, "reload")
    assert stamp(client) == "hello from 1.0.0"
    file.write_text(STAMP.format(version="2.0.0"))
    action(client, "reload")
    assert stamp(client) == "hello from 2.0.0"
    action(client, "rollback", {"plugin": "stamp"})
    assert stamp(client) == "hello from 1.0.0"


def test_configured_options_are_laid_under_those_of_the_request(server_factory):
    server = server_factory(**{"plugins.plugin_configs.stamp.greeting": "good day"})
    (Path(server.plugin_dir) / "stamp.py").write_text(STAMP.format(version="1.0.0"))
    with connected(server.location) as client:
        put_document(client, "d.csv", b"a\n1\n")
        until(lambda: stamp(client) == "good day from 1.0.0")
        data, _ = get_document(client, {"dataset": "d", "format": "stamp", "options": {"greeting": "hi"}})
        assert data.startswith(b"hi from")


def test_the_fault_of_a_plugin_is_its_own_and_the_server_goes_on(own_server, client):
    bad = STAMP.format(version="1.0.0").replace('yield f"\\n{VERSION}', "raise KeyError('secret'); yield f\"\\n{VERSION}")
    assert "KeyError" in bad
    (Path(own_server.plugin_dir) / "stamp.py").write_text(bad)
    until(lambda: stamp(client) == "plugin_failed")
    assert action(client, "health")[0]["status"] == "ok"
