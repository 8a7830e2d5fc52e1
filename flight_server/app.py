"""The composition root: makes the parts of a server, hands them to each other, and runs its life from start to stop."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import pyarrow as pa
import structlog

from flight_server.boundary import keep_tracebacks_in
from flight_server.calls import Calls
from flight_server.config import Config, PluginsConfig
from flight_server.configfile import ConfigError, differing
from flight_server.errors import Internal, ServerError
from flight_server.host import Host
from flight_server.logs import log_strays
from flight_server.memory import keep_small
from flight_server.plugins.manager import PluginManager
from flight_server.progress import Progress
from flight_server.service import Service
from flight_server.signals import StopSignals
from flight_server.store.store import Store

log = structlog.get_logger("flight_server")

#: Python's default of 5 ms between threads makes a stream of small steps wait ten times its work on a busy server.
_SWITCH_INTERVAL_SECS = 0.0005
#: How long streams that were cut have to unwind before the process ends without them.
_UNWIND_SECS = 2.0
#: The settings that a reload takes in.
_LIVE = frozenset({"plugins.plugin_configs", "plugins.allow"})


class Server:
    """A running server; a context manager that serves between its two ends."""

    def __init__(self, config: Config, reread: Callable[[], Config] | None = None) -> None:
        self._config = config
        self._reread = reread
        with ExitStack() as undo:  # what was started when the rest cannot be
            self._store = Store.open(config.store)
            undo.callback(self._store.close)
            self._plugins = PluginManager(
                config.plugins,
                state_dir=_state_dir(config),
                reread=self._read_again,
                batch_bytes=config.limits.batch_bytes,
            )
            # Before gRPC is: it starts the process that child processes are forked from.
            self._plugins.start()
            undo.callback(self._plugins.stop)
            self._progress = Progress(config.server.progress_interval_secs)
            self._progress.start()
            undo.callback(self._progress.stop)
            self._calls = Calls()
            host = Host(self._store, self._plugins, config.limits, self._progress)
            self._service = _listening(config.server.location, host, self._calls)
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def location(self) -> str:
        """Where it listens, with the port that it really has."""
        asked = urlsplit(self._config.server.location)
        if asked.hostname is None:
            return self._config.server.location
        host = f"[{asked.hostname}]" if ":" in asked.hostname else asked.hostname
        return f"{asked.scheme}://{host}:{self._service.port}"

    def reload(self) -> None:
        """Bring the plugins in step with their folder and the configuration; what goes wrong is logged."""
        log.info("reloading: the configuration and the plugin folder are read again")
        try:
            self._plugins.reload()
        except ServerError as error:
            log.error("not everything could be reloaded", reason=str(error))  # noqa: TRY400 - the sentence says it all

    def stop(self) -> bool:
        """Let running streams end, cut them when the time is up, and close. Return whether all of them let go."""
        self._calls.draining = True
        # gRPC waits for running calls for ever, and must not be called from a signal handler or a call.
        shutdown = threading.Thread(target=self._service.shutdown, name="shutdown", daemon=True)
        shutdown.start()
        shutdown.join(self._config.server.drain_timeout_secs)
        if shutdown.is_alive():
            running = [call.method for call in self._calls.running]
            log.warning("the drain time is up: streams are cut", streams=running)
            self._calls.cut()
            shutdown.join(_UNWIND_SECS)
        self._progress.stop()
        self._plugins.stop()
        self._store.close()
        return not shutdown.is_alive()

    def _read_again(self) -> tuple[PluginsConfig, list[str]]:
        """Read the configuration again; return its plugins, and which keys differ from those that the server runs with.

        Raises ``Internal`` when it cannot be used.
        """
        if self._reread is None:
            return self._config.plugins, []
        try:
            fresh = self._reread()
        except ConfigError as error:
            log.error("the configuration cannot be used", reason=str(error))  # noqa: TRY400 - the sentence says it all
            raise Internal("the configuration cannot be used, the log says why; nothing was reloaded") from None
        return fresh.plugins, [key for key in differing(self._config, fresh) if key not in _LIVE]


def run(config: Config, reread: Callable[[], Config] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain and stop; a second signal stops at once.

    SIGHUP reloads; ``reread`` then reads the configuration again, and raises ``ConfigError``.
    """
    keep_small()
    keep_tracebacks_in()
    log_strays()
    sys.setswitchinterval(_SWITCH_INTERVAL_SECS)
    with StopSignals() as signals:
        server = Server(config, reread)
        gc.collect()
        gc.freeze()  # what lives as long as the server need not be looked at again
        ready = {"event": "ready", "location": server.location, "pid": os.getpid()}
        print(json.dumps(ready), flush=True)  # noqa: T201 - the contract with whoever starts a server
        log.info("serving", location=server.location)
        signals.wait(server.reload)
        log.info("stopping: running streams are drained", timeout_secs=config.server.drain_timeout_secs)
        clean = server.stop()
        log.info("stopped", clean=clean)
        if not clean:
            # A call that hangs in native code or in a plugin cannot be ended; everything acknowledged is durable.
            os._exit(0)


def _state_dir(config: Config) -> Path:
    return Path(config.plugins.state_dir or Path(config.store.path) / "plugins")


def _listening(location: str, host: Host, calls: Calls) -> Service:
    try:
        return Service(location, host, calls)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ConfigError(
            f"server.location: cannot listen at {location}: {str(error).splitlines()[0]} (is the port taken? "
            "port 0 takes a free one)"
        ) from None
