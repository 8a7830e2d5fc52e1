"""The code of one generation: where it runs, and what is asked of it for each stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from flight_server.caller import Caller
from flight_server.config import Runtime
from flight_server.option_table import options_of
from flight_server.plugins.codespace import CodeSpace
from format_plugins.contract import DataFormat, FormatPlugin
from format_plugins.options import decode


class Code(Protocol):
    """``name`` is what the names of its modules are or begin with, ``shown_as`` what their files begin with in tracebacks."""

    name: str
    shown_as: tuple[str, ...]

    @property
    def runtime(self) -> Runtime:
        """Where it runs."""
        ...

    @property
    def options(self) -> Sequence[Mapping[str, Any]]:
        """The plugin's options, as ``option_table.options_of`` tells them."""
        ...

    @property
    def crashes(self) -> int:
        """How many processes it has ended."""
        ...

    @property
    def children(self) -> int:
        """How many processes run it now."""
        ...

    def create_format(self, options: Mapping[str, object] | None, caller: Caller) -> DataFormat:
        """Make the codec of one stream: the configured options with ``options`` laid over them."""
        ...

    def let_go(self, codec: DataFormat) -> None:
        """Take note that a codec that it made is not used any more; called anywhere, a garbage collection included."""
        ...

    def supersede(self) -> None:
        """Take note that no new stream will come, but from those who hold the generation."""
        ...

    def close(self) -> None:
        """Give all of it back; called once, anywhere, a garbage collection included."""
        ...


class LoadedCode:
    """Code that has been imported into this process."""

    runtime: Runtime = "in_process"
    children = 0
    crashes = 0

    def __init__(self, plugin: FormatPlugin, config: object, space: CodeSpace) -> None:
        self.plugin: FormatPlugin | None = plugin
        self.config: Any = config
        self.name = space.name
        self.shown_as: tuple[str, ...] = space.shown_as
        self._space = space

    @property
    def options(self) -> Sequence[Mapping[str, Any]]:
        """The plugin's options, of its dataclass."""
        return options_of(type(self.config))

    def create_format(self, options: Mapping[str, object] | None, caller: Caller) -> DataFormat:
        """Make a codec; whatever the plugin raises comes through."""
        del caller
        if self.plugin is None:
            raise RuntimeError("a format was asked for after the lease had been released")
        return self.plugin.create_format(decode(type(self.config), options, where="options", base=self.config))

    def let_go(self, codec: DataFormat) -> None:
        """Do nothing: it goes by itself."""

    def supersede(self) -> None:
        """Do nothing: streams that run go on."""

    def close(self) -> None:
        """Remove its modules."""
        self.plugin = None
        self.config = None
        self._space.close()
