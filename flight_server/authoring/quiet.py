"""A plugin host for a command: the server's own, whose log is heard here instead of written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import structlog

from flight_server.config import PluginsConfig
from flight_server.plugins.manager import PluginManager

#: Is told an event of the log: its sentence, and its fields.
Hear: TypeAlias = Callable[[str, dict[str, Any]], None]


@contextmanager
def loaded(config: PluginsConfig) -> Iterator[PluginManager]:
    """Load what a server with ``config`` would serve, by the same code; follow nothing, and leave nothing behind.

    What such a server has kept of earlier bytes does not count, and is not touched.
    """
    with ExitStack() as stack:
        if not Path(config.plugin_dir).is_dir():  # a server would make it
            config = replace(config, plugin_dir=stack.enter_context(tempfile.TemporaryDirectory()))
        yield stack.enter_context(following(replace(config, enable_hot_reload=False), lambda _sentence, _fields: None))


@contextmanager
def following(config: PluginsConfig, hear: Hear) -> Iterator[PluginManager]:
    """Run a plugin host as ``config`` has it; ``hear`` is told what it would log, from any of its threads."""
    with _heard(hear):
        manager = PluginManager(replace(config, audit_log=None))
        manager.start()
        try:
            yield manager
        finally:
            manager.stop()


@contextmanager
def _heard(hear: Hear) -> Iterator[None]:
    def take(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        fields = dict(event)
        hear(fields.pop("event"), fields)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[take], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
