"""A plugin host for a command: the server's own, whose log is heard here instead of written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import structlog

from flight_server.config import PluginsConfig
from flight_server.plugins.manager import PluginManager

#: Is told an event of the log: its sentence, and its fields.
Hear: TypeAlias = Callable[[str, dict[str, Any]], None]
#: Is told what a person should know, a sentence.
Remark: TypeAlias = Callable[[str], None]

_GRAVE = frozenset({"warning", "error", "exception", "critical"})
_HIDDEN = frozenset({"level", "exception", "exc_info"})


@contextmanager
def loaded(config: PluginsConfig, remark: Remark) -> Iterator[PluginManager]:
    """Load what a server with ``config`` would serve, by the same code; follow nothing, and leave nothing behind.

    What such a server has kept of earlier bytes does not count, and is not touched. ``remark`` is told why plugins are not
    looked at, and what the host warns of; what becomes of each plugin is its status.
    """

    def hear(sentence: str, fields: dict[str, Any]) -> None:
        if sentence != "a plugin was rejected" and (grave := warning(sentence, fields)) is not None:
            remark(grave)

    if (why := _unlooked(config)) is not None:
        remark(why)
    with ExitStack() as stack:
        if not Path(config.plugin_dir).is_dir():  # a server would make it
            config = replace(config, plugin_dir=stack.enter_context(tempfile.TemporaryDirectory()))
        yield stack.enter_context(following(replace(config, enable_hot_reload=False), hear))


def warning(sentence: str, fields: Mapping[str, Any]) -> str | None:
    """Put an event of the log in one line, None if it is no warning and no error."""
    if fields.get("level") not in _GRAVE:
        return None
    told = [f"{name}: {value}" for name, value in fields.items() if name not in _HIDDEN and value is not None]
    return f"{sentence} ({'; '.join(told)})" if told else sentence


def _unlooked(config: PluginsConfig) -> str | None:
    """Say why the plugin folder that somebody named is not looked at, None if it is."""
    folder = Path(config.plugin_dir)
    if config.plugin_dir == PluginsConfig().plugin_dir and not folder.exists():
        return None
    if not config.enable_plugins:
        return f"plugins are switched off (plugins.enable_plugins): nothing of {folder} is served"
    if not folder.exists():
        return f"the plugin folder {folder} is not there; a server makes it, and has nothing to serve from it"
    if not folder.is_dir():
        return f"the plugin folder {folder} is no folder: nothing is served from it; set plugins.plugin_dir to one"
    return None


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
    def take(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        fields = {**event, "level": method}
        hear(fields.pop("event"), fields)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[take], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
