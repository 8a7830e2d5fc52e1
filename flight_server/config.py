"""The one definition of every setting: frozen dataclasses whose fields carry default, unit and comment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from format_plugins.options import option as setting

#: Where the code of a plugin runs: in a child process, or in the server's own.
Runtime: TypeAlias = Literal["process", "in_process"]

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """How the server listens, and how it stops."""

    location: str = setting("grpc://127.0.0.1:8815", "where to listen; port 0 takes a free one")
    drain_timeout_secs: float = setting(30.0, "how long running streams may go on after SIGTERM or SIGINT", unit="seconds")
    progress_interval_secs: float = setting(5.0, "how often a running put is told its progress", unit="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Where datasets are kept, and for how long."""

    path: str = setting("./data", "the folder of the store; made if missing; one server at a time")
    retain_secs: float = setting(3600.0, "how long superseded and dropped versions stay readable", unit="seconds")
    put_id_retain_secs: float = setting(
        30 * 86400.0, "how long the answer of a put is remembered by its put_id", unit="seconds"
    )
    sweep_interval_secs: float = setting(
        30.0, "how often old versions are looked for and small segments compacted", unit="seconds"
    )
    inline_limit_bytes: int = setting(64 << 10, "segments up to this size live in the catalogue itself", unit="bytes")
    compact_below_bytes: int = setting(32 << 20, "segments smaller than this are merged in the background", unit="bytes")
    compact_min_segments: int = setting(8, "merge only when at least this many small segments lie side by side")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginLimits:
    """What a child process that runs a plugin may take."""

    memory_bytes: int = setting(1 << 30, "the most memory that it may hold; each thread takes 8 MiB of it", unit="bytes")
    cpu_secs: int = setting(3600, "the most processor time that it may use", unit="seconds")
    batch_timeout_secs: float = setting(
        30.0, "how long a stream may wait for it while it waits for nothing itself", unit="seconds"
    )
    open_files: int = setting(256, "the most files and connections that it may have open")
    file_bytes: int = setting(64 << 30, "the longest file that it may write", unit="bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginsConfig:
    """Where plugins come from, and how they are replaced."""

    plugin_dir: str = setting("./plugins", "the folder that plugins are dropped into; made if missing")
    enable_plugins: bool = setting(True, "load plugins from plugin_dir; the formats that ship are always there")
    enable_hot_reload: bool = setting(True, "watch plugin_dir and follow its changes")
    enable_entry_points: bool = setting(
        True, "load the plugins that pip installed, which its entry points in the group format_plugins.plugins name"
    )
    load_timeout_secs: float = setting(
        10.0, "how long a plugin may take in its trial, and again to load after it", unit="seconds"
    )
    drain_timeout_secs: float = setting(
        60.0, "how long streams may hold a replaced plugin before it is reported", unit="seconds"
    )
    version_compatibility: Literal["strict", "semver", "off"] = setting(
        "semver", "how a plugin's api range is held against the server's contract version"
    )
    folder_security: Literal["strict", "lenient", "unchecked"] = setting(
        "lenient",
        "what of plugin_dir is refused: strict: what other accounts own or may write to; lenient: what they may write to",
    )
    follow_symlinks: bool = setting(True, "whether plugins may be symbolic links, as deployments by link swap make them")
    settle_ms: int = setting(150, "how long a file must be still before it is loaded", unit="milliseconds")
    rescan_secs: float = setting(2.0, "how often the folder is scanned without being told to", unit="seconds")
    max_plugin_bytes: int = setting(32 << 20, "a plugin, all files of its package together, may be this long", unit="bytes")
    state_dir: str | None = setting(
        None, "where the last good bytes of plugins are kept for restarts; the folder plugins in store.path if left out"
    )
    audit_log: str | None = setting(
        None, "the file that has a line of JSON for each step of each plugin; audit.jsonl in the state folder if left out"
    )
    allow: dict[str, str | list[str]] = setting(
        {}, "the sha256, or several, that the plugin of each name may have; when there are any, nothing else is loaded"
    )
    quarantine_crashes: int = setting(3, "a dropped plugin that crashes so often in quarantine_secs is put aside; 0: never")
    quarantine_secs: float = setting(60.0, "in what time quarantine_crashes crashes are too many", unit="seconds")
    override: list[str] = setting(
        [], "names of formats that a plugin may take over from one that ships, and a file from one that is installed"
    )
    plugin_configs: dict[str, dict[str, Any]] = setting({}, "options of each plugin by its name, laid over its own defaults")
    sandbox: Literal["auto", "require", "off"] = setting(
        "auto",
        "what bounds the files, the network and the signals of plugins' processes: "
        "auto: what the kernel has; require: all of it, or the server does not start; off: nothing",
    )
    default_runtime: Runtime = setting(
        "process", "where dropped plugins run: in child processes, or in the server's own, which they can then take along"
    )
    runtime: dict[str, Runtime] = setting(
        {}, "where the plugin of each name runs, those that ship too, which run in the server's process if they are not named"
    )
    max_children: int = setting(32, "the most child processes that run plugins at a time; each serves one stream")
    child_idle_secs: float = setting(
        10.0, "how long a child process waits for another stream; one of each plugin always waits", unit="seconds"
    )
    limits: PluginLimits = field(default_factory=PluginLimits)

    def __post_init__(self) -> None:
        """Refuse hashes that are none, which would refuse every plugin, and a number of children that serves nobody."""
        if self.max_children < 1:
            raise ValueError(f"max_children: {self.max_children} is too few; there must be 1 at least")
        for name, listed in self.allow.items():
            for each in [listed] if isinstance(listed, str) else listed:
                if not _SHA256.fullmatch(each):
                    raise ValueError(f"allow.{name}: {each!r:.80} is no sha256, which has 64 hexadecimal digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = setting("info", "the least severe message that is logged")
    format: Literal["auto", "console", "json"] = setting("auto", "auto: readable on a terminal, JSON lines otherwise")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """What one request may take."""

    expansion_ratio: int = setting(1000, "a compressed document may grow by this factor, after its first 64 MiB")
    spool_bytes: int = setting(64 << 30, "the largest document of a format that must be spooled to be read", unit="bytes")
    batch_bytes: int = setting(256 << 20, "the largest record batch taken from a client or a plugin", unit="bytes")
    columns: int = setting(16384, "the most columns a dataset may have")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of a server."""

    server: ServerConfig = field(default_factory=ServerConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    plugins: PluginsConfig = field(default_factory=PluginsConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    log: LogConfig = field(default_factory=LogConfig)
