"""Options of plugins and what is allowed change while the server runs; other settings say that they need a restart."""

import hashlib
import os
import signal
from dataclasses import replace

import pyarrow as pa
import pytest
from plugin_samples import SYNTAX_ERROR, eventually, lines, started, version_of
from pyarrow import flight
from raw_flight import action, connected, get_document, put_document

from flight_server.config import Config, PluginsConfig, ServerConfig
from flight_server.configfile import differing
from flight_server.errors import Internal
from format_plugins.streams import ByteStream


class File:
    """Stands for the configuration file."""

    def __init__(self, **settings):
        self.settings = settings
        self.needs_restart = []
        self.error = None

    def __call__(self):
        if self.error:
            raise self.error
        return PluginsConfig(**self.settings), self.needs_restart


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def file():
    return File()


@pytest.fixture
def manager(folder, file):
    (folder / "lines.py").write_text(lines())
    with started(folder, parts={"reread": file}, enable_hot_reload=False) as running:
        yield running


def written(manager):
    """What the options make of a line."""
    with manager.registry.lease("lines") as lease:
        batches = lease.create_format(None).read_batches_from_stream(None, ByteStream([b"tea\n"]))
        return [line for batch in batches for line in batch["line"].to_pylist()]


def upper(manager):
    with manager.registry.lease("lines") as lease:
        return writes_upper(lease)


def writes_upper(lease):
    rows = pa.table({"line": ["tea"]}).to_reader()
    return b"".join(lease.create_format(None).write_batches(rows)) == b"TEA\n"


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_other_options_make_a_new_instance_of_the_same_bytes(manager, file):
    before = manager.status("lines")
    assert not upper(manager)
    file.settings = {"plugin_configs": {"lines": {"upper": True}}}
    assert manager.reload() == [{"plugin": "lines", "action": "replaced", "generation": 2, "error": None}]
    after = manager.status("lines")
    assert upper(manager)
    assert (after.generation, after.sha256) == (before.generation + 1, before.sha256)
    assert manager.reload() == []


def test_a_stream_goes_on_with_the_options_that_it_began_with(manager, file):
    with manager.registry.lease("lines") as lease:
        file.settings = {"plugin_configs": {"lines": {"upper": True}}}
        manager.reload()
        assert not writes_upper(lease)


def test_options_that_the_plugin_refuses_leave_the_old_instance_serving(manager, file):
    file.settings = {"plugin_configs": {"lines": {"uper": True}}}
    (change,) = manager.reload()
    assert (change["action"], version_of(manager), manager.status("lines").state) == ("rejected", "1.0.0", "degraded")
    assert "did you mean 'upper'" in manager.status("lines").last_error
    file.settings = {"plugin_configs": {"lines": {"upper": True}}}
    manager.reload()
    assert (upper(manager), manager.status("lines").state) == (True, "active")


def test_a_file_that_its_options_kept_out_is_tried_again_with_others(folder, file):
    (folder / "lines.py").write_text(lines())
    file.settings = {"plugin_configs": {"lines": {"upper": True}}}
    with started(folder, parts={"reread": file}, enable_hot_reload=False, plugin_configs={"lines": {"no": 1}}) as manager:
        assert version_of(manager) is None
        manager.reload()
        assert upper(manager)


def test_a_format_that_ships_gets_other_options_too(folder, tmp_path, file):
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "lines.py").write_text(lines())
    broken = {"plugin_configs": {"lines": {"no": 1}}}
    with started(
        folder, builtin_dir=tmp_path / "shipped", parts={"reread": file}, enable_hot_reload=False, **broken
    ) as manager:
        assert version_of(manager) is None
        file.settings = {"plugin_configs": {"lines": {"upper": True}}}
        manager.reload()
        assert upper(manager)
        file.settings = {}
        manager.reload()
        assert not upper(manager)


def test_bytes_that_were_rolled_back_stay_with_other_options(folder, manager, file):
    (folder / "lines.py").write_text(lines("2.0.0"))
    manager.reload()
    manager.rollback("lines")
    file.settings = {"plugin_configs": {"lines": {"upper": True}}}
    manager.reload()
    assert (version_of(manager), upper(manager)) == ("1.0.0", True)
    assert manager.rollback("lines").version == "2.0.0"


def test_a_broken_file_stays_degraded_when_the_options_change(folder, manager, file):
    (folder / "lines.py").write_text(SYNTAX_ERROR)
    manager.reload()
    file.settings = {"plugin_configs": {"lines": {"upper": True}}}
    manager.reload()
    assert (upper(manager), manager.status("lines").state) == (True, "degraded")


def test_bytes_that_are_not_allowed_any_more_stop_serving_and_streams_end_in_peace(manager, file):
    with manager.registry.lease("lines") as lease:
        file.settings = {"allow": {"lines": "0" * 64}}
        (change,) = manager.reload()
        assert change["action"] == "rejected"
        assert (version_of(manager), manager.status("lines").state) == (None, "rejected")
        assert lease.create_format(None)
    file.settings = {"allow": {"lines": digest(lines())}}
    manager.reload()
    assert (version_of(manager), manager.status("lines").state) == ("1.0.0", "active")


def test_bytes_that_are_allowed_now_are_tried(folder, file):
    (folder / "lines.py").write_text(lines())
    with started(folder, parts={"reread": file}, enable_hot_reload=False, allow={"x": "0" * 64}) as manager:
        assert version_of(manager) is None
        manager.reload()
        assert version_of(manager) == "1.0.0"


def test_other_settings_say_that_they_need_a_restart(manager, file):
    file.needs_restart = ["server.location", "plugins.settle_ms"]
    assert manager.reload() == [
        {
            "plugin": "",
            "action": "needs_restart",
            "generation": None,
            "error": "these settings differ and need a restart: server.location, plugins.settle_ms",
        }
    ]


def test_a_configuration_that_cannot_be_read_changes_nothing(folder, manager, file):
    file.error = Internal("the configuration cannot be used")
    (folder / "lines.py").write_text(lines("2.0.0"))
    with pytest.raises(Internal):
        manager.reload()
    assert version_of(manager) == "1.0.0"


def test_the_keys_in_which_two_configurations_differ_are_found():
    other = Config(server=ServerConfig(location="grpc://127.0.0.1:1"), plugins=PluginsConfig(settle_ms=1, override=["x"]))
    assert differing(Config(), other) == ["server.location", "plugins.settle_ms", "plugins.override"]
    assert differing(Config(), replace(Config())) == []


@pytest.fixture
def configured(own_server):
    """A server with a configuration file."""
    (own_server.plugin_dir / "lines.py").write_text(lines())
    own_server.config_file.write_text("plugins:\n  plugin_configs:\n    lines: {upper: false}\n")
    own_server.restart()
    with connected(own_server.location) as client:
        put_document(client, {"dataset": "text", "format": "lines"}, b"tea\n")
        yield own_server, client


def shouted(client):
    return get_document(client, {"dataset": "text", "format": "lines"})[0]


def test_the_reload_action_reads_the_file_again(configured):
    server, client = configured
    assert shouted(client) == b"tea\n"
    server.config_file.write_text("log: {level: debug}\nplugins:\n  plugin_configs:\n    lines: {upper: true}\n")
    changed = action(client, "reload")
    assert [(each["plugin"], each["action"]) for each in changed] == [("lines", "replaced"), ("", "needs_restart")]
    assert changed[1]["error"].endswith("log.level")
    assert shouted(client) == b"TEA\n"
    server.config_file.write_text("plugins: {plugin_confgs: {}}\n")
    with pytest.raises(flight.FlightError, match="the configuration cannot be used, the log says why"):
        action(client, "reload")
    assert "did you mean" in server.log_tail()


def test_sighup_reads_the_file_again_and_a_wrong_one_is_only_logged(configured):
    server, client = configured
    server.config_file.write_text("plugins: {plugin_configs: {lines: {upper: yes please}}}\n")
    os.kill(server.pid, signal.SIGHUP)
    eventually(lambda: "a plugin was rejected" in server.log_tail())
    server.config_file.write_text("nonsense")
    os.kill(server.pid, signal.SIGHUP)
    eventually(lambda: "not everything could be reloaded" in server.log_tail())
    server.config_file.write_text("plugins: {plugin_configs: {lines: {upper: true}}}\n")
    os.kill(server.pid, signal.SIGHUP)
    eventually(lambda: shouted(client) == b"TEA\n")


def test_a_server_that_was_killed_serves_the_last_good_bytes_beside_a_half_written_file(own_server):
    file = own_server.plugin_dir / "lines.py"
    file.write_text(lines("1.0.0"))
    index = own_server.store_dir / "plugins" / "index.json"
    eventually(lambda: index.exists() and "lines.py" in index.read_text())
    own_server.kill()
    file.write_text(lines("2.0.0")[:300])
    own_server.start()
    with connected(own_server.location) as client:
        (status,) = action(client, "plugin", {"name": "lines"})
        assert (status["state"], status["version"]) == ("degraded", "1.0.0")
        put_document(client, {"dataset": "text", "format": "lines"}, b"tea\n")
    assert "restored" in (own_server.store_dir / "plugins" / "audit.jsonl").read_text()
