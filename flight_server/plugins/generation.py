"""One load of one plugin: code, configuration and identity that never change, and the count of who still uses it."""

from __future__ import annotations

import time
from collections.abc import Callable

from flight_server.plugins.pins import plant
from flight_server.plugins.plugin_code import Code
from flight_server.plugins.source import Source
from format_plugins.contract import PluginMetadata


class Generation:
    """Serves until it is superseded, and then until its last lease is released; then its code is given back.

    It takes no lock: leases are released wherever a stream ends, a garbage collection included. What it does to its set
    of holders and to its list of farewells is atomic by itself.
    """

    def __init__(self, *, number: int, metadata: PluginMetadata, source: Source, code: Code) -> None:
        self.number = number
        self.metadata = metadata
        self.source = source
        self.code = code
        self.loaded_at = time.time()
        self.canaries = plant(code.name)
        #: In words, what its load left in the process.
        self.left: tuple[str, ...] = ()
        self._holders: set[object] = set()
        self._superseded = False
        self._farewells: list[Callable[[Generation], None]] = []

    @property
    def shown_as(self) -> tuple[str, ...]:
        """What the file names in this plugin's code objects begin with."""
        return self.code.shown_as

    @property
    def code_name(self) -> str:
        """What the names of its modules are, or begin with."""
        return self.code.name

    @property
    def leases(self) -> int:
        """How many streams use it now."""
        return len(self._holders)

    def hold(self) -> object | None:
        """Pin the generation and return the token that frees it again; None when it has been superseded meanwhile."""
        token = object()
        self._holders.add(token)
        # Looked at after the token is in: whoever supersedes now either sees the token or is seen here.
        if not self._superseded:
            return token
        self.free(token)
        return None

    def free(self, token: object) -> None:
        """Give a token back; the last one of a superseded generation retires it."""
        self._holders.discard(token)
        self._retire_if_idle()

    def supersede(self, farewell: Callable[[Generation], None]) -> None:
        """Take no more leases, and call ``farewell`` once when the generation is retired, which may be now."""
        self._farewells.append(farewell)
        self._superseded = True
        self.code.supersede()
        self._retire_if_idle()

    def discard(self) -> None:
        """Retire a generation that has never served."""
        self.supersede(lambda _: None)

    def _retire_if_idle(self) -> None:
        if not self._superseded or self._holders:
            return
        try:
            farewell = self._farewells.pop()
        except IndexError:  # another thread is retiring it
            return
        self.code.close()
        farewell(self)
