"""The plugin host as the server sees it: what is loaded at start, follows the folder, and answers operators."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import structlog

from flight_server.config import LimitsConfig, PluginsConfig
from flight_server.configfile import ConfigError
from flight_server.errors import BadRequest, Internal
from flight_server.nursery.nursery import Nursery
from flight_server.plugins.changes import Change
from flight_server.plugins.follower import BUILTIN
from flight_server.plugins.installed import installed
from flight_server.plugins.interventions import Interventions
from flight_server.plugins.ledger import Ledger
from flight_server.plugins.parts import Clocks, Parts
from flight_server.plugins.quarantine import Quarantine
from flight_server.plugins.reconciler import Reconciler
from flight_server.plugins.registry import Registry
from flight_server.plugins.restart import Restart
from flight_server.plugins.scanner import WHAT_IS_ONE, scan, sign
from flight_server.plugins.security import Guard
from flight_server.plugins.settings import Difference, Reread
from flight_server.plugins.source import Source, Unreadable, read
from flight_server.plugins.status import PluginStatus, statuses
from flight_server.plugins.watcher import Watcher
from flight_server.runtime.pool import Pool
from format_plugins.spelling import nearest


class PluginManager:
    """Owns the registry, and is the only one that changes it.

    One pass at a time changes what is loaded, under a lock that no stream and no status waits for. ``state_dir`` is where
    last good bytes are kept, None for nowhere; ``reread`` reads the configuration again. ``builtin_dir`` is the folder of
    the formats that ship, if it is not that of ``format_plugins.builtin``. ``batch_bytes`` is the largest record batch that
    is taken from a plugin.
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        config: PluginsConfig,
        *,
        state_dir: Path | None = None,
        reread: Reread | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        builtin_dir: Path | None = None,
        batch_bytes: int = LimitsConfig().batch_bytes,
    ) -> None:
        self.registry = Registry()
        self.nursery = Nursery(sandbox=config.sandbox)
        self.children = Pool(self.nursery, config, batch_bytes=batch_bytes, on_crash=self.note_crash)
        self._config = config
        self._clock = clock
        self._folder = Path(config.plugin_dir)
        self._builtin_dir = builtin_dir or Path(str(files("format_plugins.builtin")))
        self._parts = Parts.of(
            config,
            self.registry,
            self.nursery,
            trusted_dir=self._builtin_dir,
            state_dir=state_dir,
            reread=reread,
            clocks=Clocks(monotonic=clock, wall=wall),
            remote=self.children,
        )
        self._follower = self._parts.follower
        quarantine = Quarantine(config.quarantine_crashes, config.quarantine_secs)
        self._interventions = Interventions(self._parts, self.registry, quarantine, clock=clock)
        self._passing = threading.Lock()
        self._reconciler: Reconciler | None = None
        self._watcher: Watcher | None = None
        self._log = structlog.get_logger("flight_server.plugins")

    @property
    def ledger(self) -> Ledger:
        """All plugin files at this moment, and what follows from them."""
        return self._parts.publisher.ledger

    def start(self) -> None:
        """Load what ships, what is installed and what lies in the folder; follow the folder if the configuration says so.

        Of a file that does not load, the last good bytes serve. Call it before the server starts gRPC: it starts the
        process that child processes are forked from. Raises ``ConfigError`` when the machine lacks what
        ``plugins.sandbox`` requires, or there is no place for temporary files.
        """
        if self._config.enable_plugins or "process" in self._config.runtime.values():
            self._start_nursery()
            self.children.start()
        with self._passing:
            kept = self._parts.keeper.open(self._folder)
            self._follower.apply({f"{BUILTIN}{name}": self._read(self._builtin_dir / name) for name in scan(self._builtin_dir)})
            if not self._config.enable_plugins:
                return
            self._follower.apply(self._installed())
            self._make_folder()
            self._parts.keeper.begin()
            self._follower.begin(kept, Restart(self._parts.admission.admit, self._parts.audit))
        self._warn_of_unused_configs()
        if self._config.enable_hot_reload:
            self._reconciler = Reconciler(self._look, rescan_secs=self._config.rescan_secs)
            self._watcher = Watcher(self._folder, self._reconciler.hint)
            self._follower.admissions.wake = self._reconciler.hint
            self._reconciler.start()

    def stop(self) -> None:
        """Follow the folder no more and serve nothing; streams that run keep their plugins to their end."""
        if self._reconciler is not None:
            self._reconciler.stop()
        if self._watcher is not None:
            self._watcher.stop()
        self.children.stop()
        self.nursery.stop()
        self._follower.close()
        self._reconciler = self._watcher = None
        with self._passing:
            self._parts.keeper.close()
            self._parts.publisher.clear()
            self._parts.retirement.sweep()

    def load_plugin(self, path: str | Path) -> PluginStatus:
        """Load one plugin file or package folder now, even if the same bytes failed before or are in quarantine.

        A file of the plugin folder may be given by its base name, and goes on following the folder. The status says
        whether it serves. Raises ``BadRequest`` when there is no plugin at ``path``, when it lies where others could
        change it, or when plugins are switched off.
        """
        if not self._config.enable_plugins:
            raise BadRequest("plugins are switched off (plugins.enable_plugins)")
        path = Path(path)
        if not path.exists() and (self._folder / path.name).exists():
            path = self._folder / path.name
        with self._passing:
            if not sign(path):
                raise BadRequest(f"{path.name!r:.200} is no plugin: {WHAT_IS_ONE}")
            try:
                self._parts.guard.check_folder(path.absolute().parent)
            except OSError as error:
                raise BadRequest(f"{path.name!r:.200} lies in a folder that cannot be used: {error.strerror}") from None
            key = path.name if self._is_followed(path) else str(path.absolute())
            self._follower.apply({key: self._read(path, self._parts.guard)})
            self._parts.keeper.flush()
            return self._status_of(key)

    def reload(self) -> list[dict[str, Any]]:
        """Bring what is loaded in step with the folder and the configuration now, without waiting until files are still.

        Of the configuration only the options of plugins and the list of what is allowed are taken in. What is in
        quarantine is tried anew. Returns what changed: ``plugin``, ``action`` (loaded, replaced, removed, rejected),
        ``generation``, ``error``; and with the action ``needs_restart`` which other settings differ. Raises ``Internal``
        when the configuration or the folder cannot be used; what is loaded goes on serving.
        """
        with self._passing:
            difference = self._parts.settings.refresh()
            again = self._interventions.due_again(difference)
            changed = self._interventions.reconfigure(difference) + self._retry_unfollowed(difference)
            if self._config.enable_plugins:
                changed += self._follower.follow_at_once(again=again)
            self._parts.keeper.flush()
            self._sweep()
            fault = self._follower.fault
        if fault is not None:
            raise Internal(f"the plugin folder cannot be used: {fault}; what is loaded goes on serving")
        return [change.as_dict() for change in changed] + self._told_of_restart(difference)

    def rollback(self, name: str) -> PluginStatus:
        """Put the bytes back that served ``name`` before the present ones, until the file changes again.

        Once more brings the present ones back. Raises ``UnknownFormat``, ``BadRequest`` when there is nothing to go
        back to, and ``PluginFailed`` when the earlier bytes do not load any more.
        """
        with self._passing:
            key = self._interventions.rollback(name)
            self._parts.keeper.flush()
            return self._status_of(key)

    def note_crash(self, generation: int, reason: str = "") -> bool:
        """Take note that ``generation`` crashed, and return whether that puts its plugin in quarantine.

        Then the good bytes before it serve, if there are some; it may take as long as a load. A generation that does not
        serve any more is not counted.
        """
        with self._passing:
            return self._interventions.crashed(generation, reason)

    def statuses(self) -> list[PluginStatus]:
        """Return how every plugin is doing: those that ship first, then in order of file names, then what is on its way."""
        return list(
            statuses(
                self._parts.publisher.ledger,
                draining=self._parts.drain.waiting(),
                retired=self._parts.retirement.pinned(),
                pending=self._follower.pending,
            )
        )

    def status(self, name: str) -> PluginStatus:
        """Return how the plugin ``name`` is doing: the one that serves, if several files claim it.

        Raises ``UnknownFormat``.
        """
        named = [status for status in self.statuses() if status.name == name]
        if not named:
            raise self.registry.unknown(name)
        return next((status for status in named if status.state in {"active", "degraded"}), named[0])

    def health(self) -> dict[str, Any]:
        """Return ``last_scan_age_secs`` (None before the first look), how many formats serve and files are rejected.

        ``pinned`` counts replaced generations that something keeps in memory. A reconciler that has ended is started anew.
        """
        if self._reconciler is not None:
            self._reconciler.revive()
        scanned_at = self._follower.scanned_at
        states = [status.state for status in self.statuses()]
        return {
            "last_scan_age_secs": None if scanned_at is None else round(self._clock() - scanned_at, 3),
            "loaded": len(self.registry.snapshot.formats),
            "rejected": sum(state in {"rejected", "degraded"} for state in states),
            "quarantined": states.count("quarantined"),
            "draining": len(self._parts.drain.waiting()),
            "pinned": len(self._parts.retirement.pinned()),
            "children": self.children.children,
            "watching": self._watcher is not None and self._watcher.is_watching,
            "folder_error": self._follower.fault,
            "sandbox": self.nursery.protection.as_dict(),
        }

    def _look(self) -> float | None:
        # Armed before the look: what changes after the look is told, what changed before it is seen.
        if self._watcher is not None:
            self._watcher.follow()
        with self._passing:
            due_secs = self._follower.follow()
            self._sweep()
        return due_secs

    def _start_nursery(self) -> None:
        protection = self.nursery.protection
        if protection.objection is not None:
            raise ConfigError(protection.objection)
        try:
            self.nursery.start()
        except OSError as error:
            raise ConfigError(f"there is no folder for temporary files (TMPDIR): {error.strerror}") from None
        say = self._log.warning if protection.missing else self._log.info
        say("the sandbox of plugins", **protection.as_dict())

    def _sweep(self) -> None:
        self._parts.drain.sweep()
        self._parts.retirement.sweep()

    def _retry_unfollowed(self, difference: Difference) -> list[Change]:
        """Try again what is installed and does not serve, and what ships and could not be loaded with its earlier options."""
        failed = {key: each for key, each in self.ledger.deployments.items() if each.active is None and not each.followed}
        sources = self._installed() if any(each.origin == "installed" for each in failed.values()) else {}
        if difference.plugins:
            shipped = (key for key, each in failed.items() if each.origin == "builtin")
            sources.update({key: self._read(self._builtin_dir / key.removeprefix(BUILTIN)) for key in shipped})
        again = {key: source for key, source in sources.items() if key in failed}
        return self._follower.apply(again) if again else []

    def _installed(self) -> dict[str, Source | Unreadable]:
        return installed() if self._config.enable_plugins and self._config.enable_entry_points else {}

    def _told_of_restart(self, difference: Difference) -> list[dict[str, Any]]:
        if not difference.needs_restart:
            return []
        why = f"these settings differ and need a restart: {', '.join(difference.needs_restart)}"
        self._log.warning("not all of the configuration was taken in", reason=why)
        return [{"plugin": "", "action": "needs_restart", "generation": None, "error": why}]

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._log.error("the plugin folder cannot be made", error=error.strerror)

    def _warn_of_unused_configs(self) -> None:
        names = {status.name for status in self.statuses()}
        for name in self._parts.settings.configs.keys() - names:
            self._log.warning(
                "plugins.plugin_configs has options for a plugin that is not there", plugin=name, nearest=nearest(name, names)
            )

    def _read(self, path: Path, guard: Guard | None = None) -> Source | Unreadable:
        return read(path, limit_bytes=self._config.max_plugin_bytes, guard=guard)

    def _is_followed(self, path: Path) -> bool:
        try:
            return path.absolute().parent.samefile(self._folder) and path.name in scan(self._folder)
        except OSError:
            return False

    def _status_of(self, key: str) -> PluginStatus:
        deployment = self._parts.publisher.ledger.deployments[key]
        return next(each for each in self.statuses() if (each.file, each.origin) == (deployment.file, deployment.origin))
