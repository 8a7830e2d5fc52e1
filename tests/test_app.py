"""A server is made whole, or leaves nothing behind."""

import socket
import threading
from pathlib import Path

import pytest

from flight_server.app import Server
from flight_server.config import Config, PluginsConfig, ServerConfig, StoreConfig
from flight_server.configfile import ConfigError
from flight_server.failpoints import Failpoints
from flight_server.store.store import Store


def config(folder, location):
    return Config(
        server=ServerConfig(location=location),
        store=StoreConfig(path=str(folder / "data")),
        plugins=PluginsConfig(plugin_dir=str(folder / "plugins")),
    )


def threads():
    return {thread.name for thread in threading.enumerate()}


def open_files(folder):
    links = Path("/proc/self/fd").iterdir()
    return [str(link.readlink()) for link in links if link.is_symlink() and str(link.readlink()).startswith(str(folder))]


def test_a_server_that_cannot_listen_leaves_nothing_running(tmp_path):
    before = threads()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="cannot listen"):
            Server(config(tmp_path, f"grpc://127.0.0.1:{taken.getsockname()[1]}"))
    assert threads() <= before
    assert open_files(tmp_path) == []


def test_a_server_that_was_stopped_leaves_nothing_running(tmp_path):
    before = threads()
    with Server(config(tmp_path, "grpc://127.0.0.1:0")) as server:
        assert not server.location.endswith(":0")
    assert threads() <= before
    assert open_files(tmp_path) == []


def test_a_store_that_cannot_be_opened_leaves_no_file_open(tmp_path):
    with pytest.raises(OSError, match="failpoint"):
        Store.open(StoreConfig(path=str(tmp_path)), failpoints=Failpoints("store.open.swept=raise:EIO"))
    assert open_files(tmp_path) == []
