"""The plugin host as the server sees it: what is loaded at start, follows the folder, and answers operators."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import structlog

from flight_server.config import PluginsConfig
from flight_server.errors import BadRequest, Internal, PluginFailed
from flight_server.nursery.nursery import Nursery
from flight_server.plugins.changes import Change
from flight_server.plugins.deployment import Deployment
from flight_server.plugins.drain import Drain
from flight_server.plugins.failure import Failure
from flight_server.plugins.folder import Folder, View
from flight_server.plugins.loader import Loader
from flight_server.plugins.plan import Load, plan
from flight_server.plugins.publisher import Publisher
from flight_server.plugins.reconciler import Reconciler
from flight_server.plugins.registry import Registry
from flight_server.plugins.scanner import scan, sign
from flight_server.plugins.security import Guard, Refused
from flight_server.plugins.source import Source, Unreadable, read
from flight_server.plugins.status import PluginStatus, statuses
from flight_server.plugins.trial import Trial
from flight_server.plugins.watcher import Watcher
from format_plugins.spelling import nearest


class PluginManager:
    """Owns the registry, and is the only one that changes it.

    One pass at a time changes what is loaded, under a lock that no stream and no status waits for. ``builtin_dir``
    is the folder of the formats that ship, if it is not that of ``format_plugins.builtin``.
    """

    def __init__(
        self,
        config: PluginsConfig,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        builtin_dir: Path | None = None,
    ) -> None:
        self.registry = Registry()
        self.nursery = Nursery()
        self._config = config
        self._clock = clock
        self._builtin_dir = builtin_dir or Path(str(files("format_plugins.builtin")))
        self._guard = Guard(config.folder_security, follow_symlinks=config.follow_symlinks)
        self._folder = Folder(
            Path(config.plugin_dir),
            settle_secs=config.settle_ms / 1000,
            limit_bytes=config.max_plugin_bytes,
            guard=self._guard,
            clock=clock,
            wall=wall,
        )
        self._loader = Loader(
            timeout_secs=config.load_timeout_secs,
            compatibility=config.version_compatibility,
            configs=config.plugin_configs,
            trial=Trial(self.nursery, timeout_secs=config.load_timeout_secs, limits=config.limits),
            trusted_dir=self._builtin_dir,
        )
        self._drain = Drain(config.drain_timeout_secs, clock=clock)
        self._publisher = Publisher(self.registry, self._drain, override=config.override)
        self._passing = threading.Lock()
        self._reconciler: Reconciler | None = None
        self._watcher: Watcher | None = None
        self._scanned_at: float | None = None
        self._fault: str | None = None
        self._log = structlog.get_logger("flight_server.plugins")

    def start(self) -> None:
        """Load the formats that ship and what lies in the folder, then follow the folder if the configuration says so.

        Call it before the server starts gRPC: it starts the process that child processes are forked from.
        """
        if self._config.enable_plugins:
            self.nursery.start()
        with self._passing:
            shipped = {name: self._builtin_dir / name for name in scan(self._builtin_dir)}
            self._apply({f"builtin/{name}": self._read(path) for name, path in shipped.items()}, ())
        if not self._config.enable_plugins:
            return
        self._make_folder()
        self._pass(settled=False)
        self._warn_of_unused_configs()
        if self._config.enable_hot_reload:
            self._reconciler = Reconciler(self._look, rescan_secs=self._config.rescan_secs)
            self._watcher = Watcher(self._folder.path, self._reconciler.hint)
            self._reconciler.start()

    def stop(self) -> None:
        """Follow the folder no more and serve nothing; streams that run keep their plugins to their end."""
        if self._reconciler is not None:
            self._reconciler.stop()
        if self._watcher is not None:
            self._watcher.stop()
        self.nursery.stop()
        self._reconciler = self._watcher = None
        with self._passing:
            self._publisher.publish({})

    def load_plugin(self, path: str | Path) -> PluginStatus:
        """Load one plugin file or package folder now, even if the same bytes failed before.

        A file of the plugin folder may be given by its base name, and goes on following the folder. The status says
        whether it serves. Raises ``BadRequest`` when there is no plugin at ``path`` or plugins are switched off.
        """
        if not self._config.enable_plugins:
            raise BadRequest("plugins are switched off (plugins.enable_plugins)")
        path = Path(path)
        if not path.exists() and (self._folder.path / path.name).exists():
            path = self._folder.path / path.name
        with self._passing:
            if not sign(path):
                raise BadRequest(f"{path.name!r:.200} is no plugin: a module '*.py', or a folder with an '__init__.py'")
            try:
                self._guard.check_folder(path.absolute().parent)
            except OSError as error:
                raise BadRequest(f"{path.name!r:.200} lies in a folder that cannot be used: {error.strerror}") from None
            key = path.name if self._is_followed(path) else str(path.absolute())
            self._apply({key: self._read(path, self._guard)}, ())
            return self._status_of(key)

    def reload(self) -> list[dict[str, Any]]:
        """Bring what is loaded in step with the folder now, without waiting until files are still.

        Returns what changed: ``plugin``, ``action`` (loaded, replaced, removed, rejected), ``generation``, ``error``.
        Raises ``Internal`` when the folder cannot be used; what is loaded goes on serving.
        """
        if not self._config.enable_plugins:
            return []
        changed, _ = self._pass(settled=False)
        self._drain.sweep()
        if self._fault is not None:
            raise Internal(f"the plugin folder cannot be used: {self._fault}; what is loaded goes on serving")
        return [change.as_dict() for change in changed]

    def rollback(self, name: str) -> PluginStatus:
        """Put the bytes back that served ``name`` before the present ones, until the file changes again.

        Once more brings the present ones back. Raises ``UnknownFormat``, ``BadRequest`` when there is nothing to go
        back to, and ``PluginFailed`` when the earlier bytes do not load any more.
        """
        with self._passing:
            generation = self.registry.snapshot.formats.get(name)
            ledger = self._publisher.ledger
            key = next((key for key in ledger.serving if ledger.deployments[key].active is generation), None)
            if generation is None or key is None:
                raise self.registry.unknown(name)
            deployment = ledger.deployments[key]
            if deployment.previous is None:
                raise BadRequest(f"the plugin {name!r} has no earlier generation to go back to")
            outcome = self._loader.load(deployment.previous)
            if isinstance(outcome, Failure):
                raise PluginFailed(f"the earlier generation of {name!r} does not load any more: {outcome.sentence}")
            self._publisher.publish({**ledger.deployments, key: deployment.put(outcome)})
            return self._status_of(key)

    def statuses(self) -> list[PluginStatus]:
        """Return how every plugin is doing: those that ship first, then in order of file names."""
        return list(statuses(self._publisher.ledger, self._drain.waiting()))

    def status(self, name: str) -> PluginStatus:
        """Return how the plugin ``name`` is doing: the one that serves, if several files claim it.

        Raises ``UnknownFormat``.
        """
        named = [status for status in self.statuses() if status.name == name]
        if not named:
            raise self.registry.unknown(name)
        return next((status for status in named if status.state in {"active", "degraded"}), named[0])

    def health(self) -> dict[str, Any]:
        """Return ``last_scan_age_secs`` (None before the first look), how many formats serve and files are rejected."""
        age = None if self._scanned_at is None else round(self._clock() - self._scanned_at, 3)
        return {
            "last_scan_age_secs": age,
            "loaded": len(self.registry.snapshot.formats),
            "rejected": sum(status.state in {"rejected", "degraded"} for status in self.statuses()),
            "draining": len(self._drain.waiting()),
            "watching": self._watcher is not None and self._watcher.is_watching,
            "folder_error": self._fault,
        }

    def _look(self) -> float | None:
        # Armed before the look: what changes after the look is told, what changed before it is seen.
        if self._watcher is not None:
            self._watcher.follow()
        _, due_secs = self._pass(settled=True)
        self._drain.sweep()
        return due_secs

    def _pass(self, *, settled: bool) -> tuple[list[Change], float | None]:
        with self._passing:
            try:
                view = self._folder.look(settled=settled)
            except OSError as error:  # a folder that is not there says nothing about its plugins: they stay
                self._note_fault(error)
                return [], None
            self._note_fault(None)
            self._scanned_at = self._clock()
            return self._follow(view), view.due_secs

    def _follow(self, view: View) -> list[Change]:
        actions = plan(view.scanned, self._publisher.ledger.tried())
        loads = [action.file for action in actions if isinstance(action, Load)]
        removes = [action.file for action in actions if not isinstance(action, Load)]
        if not actions:
            return []
        return self._apply({file: view.sources.get(file) or self._folder.read(file) for file in loads}, removes)

    def _apply(self, loads: Mapping[str, Source | Unreadable], removes: Iterable[str]) -> list[Change]:
        deployments = dict(self._publisher.ledger.deployments)
        for key, source in loads.items():
            deployment = deployments.get(key) or _new(key, source)
            deployments[key] = deployment.tried_with(self._loader.load(source), source.sha256)
        # After the loads: a plugin whose file was renamed is never gone between.
        for key in removes:
            del deployments[key]
        return self._publisher.publish(deployments)

    def _note_fault(self, error: OSError | None) -> None:
        fault = None if error is None else error.strerror or type(error).__name__
        if fault is not None and fault != self._fault:
            # The sentence goes to clients too; folders of the server are for its log.
            how = {"path": error.finding.path, "repair": error.finding.repair} if isinstance(error, Refused) else {}
            self._log.error("the plugin folder cannot be used; what is loaded goes on serving", error=fault, **how)
        elif fault is None and self._fault is not None:
            self._log.info("the plugin folder can be used again")
        self._fault = fault

    def _make_folder(self) -> None:
        try:
            self._folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._log.error("the plugin folder cannot be made", error=error.strerror)

    def _warn_of_unused_configs(self) -> None:
        names = {status.name for status in self.statuses()}
        for name in self._config.plugin_configs.keys() - names:
            self._log.warning(
                "plugins.plugin_configs has options for a plugin that is not there", plugin=name, nearest=nearest(name, names)
            )

    def _read(self, path: Path, guard: Guard | None = None) -> Source | Unreadable:
        return read(path, limit_bytes=self._config.max_plugin_bytes, guard=guard)

    def _is_followed(self, path: Path) -> bool:
        try:
            return path.absolute().parent.samefile(self._folder.path) and path.name in scan(self._folder.path)
        except OSError:
            return False

    def _status_of(self, key: str) -> PluginStatus:
        deployment = self._publisher.ledger.deployments[key]
        return next(each for each in self.statuses() if (each.file, each.origin) == (deployment.file, deployment.origin))


def _new(key: str, source: Source | Unreadable) -> Deployment:
    """Make the record of a file that was not known: its key says where it came from."""
    followed = "/" not in key
    return Deployment(file=source.file, origin="builtin" if key.startswith("builtin/") else "folder", followed=followed)
