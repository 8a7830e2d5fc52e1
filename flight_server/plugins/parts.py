"""The parts of the plugin host, made from the configuration and handed to each other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flight_server.config import PluginsConfig
from flight_server.nursery.nursery import Nursery
from flight_server.plugins.admission import Admission
from flight_server.plugins.audit import AuditLog
from flight_server.plugins.drain import Drain
from flight_server.plugins.folder import Folder
from flight_server.plugins.follower import Follower
from flight_server.plugins.keeper import Keeper
from flight_server.plugins.loader import Loader, Remote, Runtimes
from flight_server.plugins.policy import AllowList
from flight_server.plugins.publisher import Publisher
from flight_server.plugins.registry import Registry
from flight_server.plugins.retirement import Retirement
from flight_server.plugins.security import Guard
from flight_server.plugins.settings import Reread, Settings
from flight_server.plugins.state import StateFolder
from flight_server.plugins.trial import Trial

_AUDIT_LOG = "audit.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """``monotonic`` for how long things take, ``wall`` for when they happened; both in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a plugin host consists of."""

    settings: Settings
    guard: Guard
    audit: AuditLog
    admission: Admission
    retirement: Retirement
    drain: Drain
    keeper: Keeper
    publisher: Publisher
    follower: Follower

    @classmethod
    def of(  # noqa: PLR0913 - each by its name
        cls,
        config: PluginsConfig,
        registry: Registry,
        nursery: Nursery,
        *,
        trusted_dir: Path,
        state_dir: Path | None,
        reread: Reread | None,
        clocks: Clocks,
        remote: Remote,
    ) -> Parts:
        """Make them; ``state_dir`` is where last good bytes are kept, None for nowhere."""
        settings = Settings(config, reread)
        guard = Guard(config.folder_security, follow_symlinks=config.follow_symlinks)
        loader = Loader(
            timeout_secs=config.load_timeout_secs,
            compatibility=config.version_compatibility,
            configs=settings.configs,
            trial=Trial(nursery, timeout_secs=config.load_timeout_secs, limits=config.limits),
            trusted_dir=trusted_dir,
            runtimes=Runtimes(remote=remote, named=config.runtime, default=config.default_runtime),
        )
        audit = AuditLog(_audit_file(config, state_dir), wall=clocks.wall)
        admission = Admission(loader, audit, AllowList(config.allow), clock=clocks.monotonic)
        retirement = Retirement(audit, clock=clocks.monotonic, wall=clocks.wall)
        drain = Drain(config.drain_timeout_secs, retire=retirement.begin, clock=clocks.monotonic)
        keeper = Keeper(_state_folder(config, state_dir))
        publisher = Publisher(registry, drain, keeper, audit, override=config.override)
        folder = Folder(
            Path(config.plugin_dir),
            settle_secs=config.settle_ms / 1000,
            limit_bytes=config.max_plugin_bytes,
            guard=guard,
            clock=clocks.monotonic,
            wall=clocks.wall,
        )
        return cls(
            settings=settings,
            guard=guard,
            audit=audit,
            admission=admission,
            retirement=retirement,
            drain=drain,
            keeper=keeper,
            publisher=publisher,
            follower=Follower(folder, admission, publisher, repeats=config.enable_hot_reload, clock=clocks.monotonic),
        )


def _audit_file(config: PluginsConfig, state_dir: Path | None) -> Path | None:
    if config.audit_log is not None:
        return Path(config.audit_log)
    return None if state_dir is None else state_dir / _AUDIT_LOG


def _state_folder(config: PluginsConfig, state_dir: Path | None) -> StateFolder | None:
    if state_dir is None:
        return None
    # Nobody has a reason to put links into it.
    guard = Guard(config.folder_security, follow_symlinks=False)
    return StateFolder(state_dir, guard=guard, limit_bytes=config.max_plugin_bytes)
