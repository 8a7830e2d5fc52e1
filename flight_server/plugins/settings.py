"""The settings of plugins that may change while the server runs: the options of each, and which may be loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from flight_server.config import PluginsConfig

#: Reads the configuration again: its section of plugins, and which keys differ that only a restart takes in.
Reread: TypeAlias = Callable[[], tuple[PluginsConfig, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Difference:
    """The plugins whose options changed, whether the list of what is allowed did, and the keys that need a restart."""

    plugins: frozenset[str] = frozenset()
    allow: bool = False
    needs_restart: tuple[str, ...] = ()


class Settings:
    """``configs`` is one mapping for good, which changes in place; ``allow`` is replaced."""

    def __init__(self, config: PluginsConfig, reread: Reread | None = None) -> None:
        self._reread = reread
        self.configs: dict[str, dict[str, Any]] = dict(config.plugin_configs)
        self.allow = config.allow

    def refresh(self) -> Difference:
        """Read them again, and say what is different. Whatever reading raises comes through, and then nothing changes."""
        if self._reread is None:
            return Difference()
        fresh, needs_restart = self._reread()
        names = self.configs.keys() | fresh.plugin_configs.keys()
        changed = frozenset(name for name in names if self.configs.get(name) != fresh.plugin_configs.get(name))
        is_other = fresh.allow != self.allow
        self.configs.clear()
        self.configs.update(fresh.plugin_configs)
        self.allow = fresh.allow
        return Difference(changed, is_other, tuple(needs_restart))
