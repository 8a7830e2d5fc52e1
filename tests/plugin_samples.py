"""Plugins to drop into a folder, and a folder that is followed; no test is in here."""

import time
from contextlib import contextmanager
from pathlib import Path

from flight_server.config import PluginsConfig
from flight_server.plugins.manager import PluginManager

EXAMPLE = Path(__file__).parent / "data" / "lines.py"
SYNTAX_ERROR = "def create_plugin(:\n"


def lines(version="1.0.0", *, name="lines", extensions=(".lines",), api=">=1,<2"):
    """The example plugin under another name, version and so on."""
    return EXAMPLE.read_text().replace(
        'name="lines", version="1.0.0", extensions=(".lines",)',
        f'name="{name}", version="{version}", extensions={extensions!r}, api="{api}"',
    )


@contextmanager
def started(folder, *, builtin_dir=None, parts=None, **settings):
    """A manager of ``folder`` without the formats that ship, unless ``builtin_dir`` has some; ``parts`` go to it."""
    nothing = folder.parent / "no formats that ship"
    if builtin_dir is None:
        nothing.mkdir(exist_ok=True)
    config = PluginsConfig(plugin_dir=str(folder), **settings)
    manager = PluginManager(config, builtin_dir=builtin_dir or nothing, **(parts or {}))
    manager.start()
    try:
        yield manager
    finally:
        manager.stop()


def version_of(manager, name="lines"):
    """The version that serves ``name`` now, None if none does."""
    generation = manager.registry.snapshot.formats.get(name)
    return generation and generation.metadata.version


def eventually(condition, secs=60.0):
    """Wait until ``condition()`` is true and return what it returned."""
    deadline = time.monotonic() + secs
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.002)
    return result


def steadily(condition, secs=0.5):
    """See that ``condition()`` stays true for a while."""
    deadline = time.monotonic() + secs
    while time.monotonic() < deadline:
        assert condition()
        time.sleep(0.01)
