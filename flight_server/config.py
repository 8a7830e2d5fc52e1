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

    location: str = setting(
        "grpc://127.0.0.1:8815", "where to listen, grpc://host:port or grpc+unix:///path; port 0 takes a free one"
    )
    drain_timeout_secs: float = setting(30.0, "how long running streams may go on after SIGTERM or SIGINT", unit="seconds")
    progress_interval_secs: float = setting(5.0, "how often the client of a running put is told its progress", unit="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Where datasets are kept, and for how long."""

    path: str = setting("./data", "the folder of the store; made if missing; one server at a time")
    retain_secs: float = setting(3600.0, "how long versions that were replaced or dropped stay readable", unit="seconds")
    put_id_retain_secs: float = setting(30 * 86400.0, "how long the answer to a put_id is remembered", unit="seconds")
    sweep_interval_secs: float = setting(30.0, "how often old versions are removed and small segments merged", unit="seconds")
    inline_limit_bytes: int = setting(64 << 10, "segments up to this size are stored in the catalogue itself", unit="bytes")
    compact_below_bytes: int = setting(32 << 20, "segments smaller than this are merged in the background", unit="bytes")
    compact_min_segments: int = setting(8, "merge only when at least this many small segments follow one another")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginLimits:
    """What a child process that runs a plugin may take."""

    memory_bytes: int = setting(1 << 30, "the most memory of one process; each of its threads takes 8 MiB", unit="bytes")
    cpu_secs: int = setting(3600, "the most processor time of one process", unit="seconds")
    batch_timeout_secs: float = setting(
        30.0, "how long a plugin may work without giving output or asking for input", unit="seconds"
    )
    open_files: int = setting(256, "the most files and connections that one process may have open")
    file_bytes: int = setting(64 << 30, "the longest file that one process may write", unit="bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginsConfig:
    """Where plugins come from, and how they are replaced."""

    plugin_dir: str = setting("./plugins", "the folder for plugins; made if missing")
    enable_plugins: bool = setting(True, "load plugins from plugin_dir; the formats that ship are always loaded")
    enable_hot_reload: bool = setting(True, "watch plugin_dir and follow its changes")
    enable_entry_points: bool = setting(
        True, "load plugins that pip installed, found by their entry points in the group format_plugins.plugins"
    )
    load_timeout_secs: float = setting(10.0, "how long the trial of a plugin may take, and then again its load", unit="seconds")
    drain_timeout_secs: float = setting(
        60.0, "how long streams may use a replaced plugin before the log says so", unit="seconds"
    )
    version_compatibility: Literal["strict", "semver", "off"] = setting(
        "semver", "how a plugin's api range is compared with the server's version of the contract"
    )
    folder_security: Literal["strict", "lenient", "unchecked"] = setting(
        "lenient",
        "which files are refused: strict: those that other accounts own or can write to; "
        "lenient: those that they can write to; unchecked: none",
    )
    follow_symlinks: bool = setting(True, "whether plugins may be symbolic links, as in link-swap deployments")
    settle_ms: int = setting(150, "how long a file must be unchanged before it is loaded", unit="milliseconds")
    rescan_secs: float = setting(2.0, "how often the folder is scanned even if nothing seems to have changed", unit="seconds")
    max_plugin_bytes: int = setting(32 << 20, "the largest plugin, all files of a package together", unit="bytes")
    state_dir: str | None = setting(
        None, "where the last good bytes of plugins are kept for restarts; the folder plugins inside store.path if left out"
    )
    audit_log: str | None = setting(
        None, "the file for the audit log, one line of JSON for each step of each plugin; audit.jsonl in state_dir if left out"
    )
    allow: dict[str, str | list[str]] = setting(
        {}, "the sha256 (or several) that each plugin may have, by name; as soon as there is an entry, nothing else is loaded"
    )
    quarantine_crashes: int = setting(
        3, "a plugin that crashes this often within quarantine_secs is put in quarantine; 0: never"
    )
    quarantine_secs: float = setting(60.0, "the time within which quarantine_crashes crashes are too many", unit="seconds")
    override: list[str] = setting(
        [], "formats that a plugin may take over: from one that ships, or as a file from one that is installed"
    )
    plugin_configs: dict[str, dict[str, Any]] = setting(
        {}, "options of each plugin, by its name; they override the plugin's defaults"
    )
    sandbox: Literal["auto", "require", "off"] = setting(
        "auto",
        "what bounds the files, network and signals of plugins' processes: auto: what the kernel has; "
        "require: all of it, or the server does not start; off: nothing",
    )
    default_runtime: Runtime = setting(
        "process",
        "where plugins run that runtime does not name: in child processes, or in the server's own, which they can crash",
    )
    runtime: dict[str, Runtime] = setting(
        {}, "where each plugin runs, by its name; formats that ship run in the server's process if they are not named here"
    )
    max_children: int = setting(32, "the most child processes for plugins at a time; each serves one stream")
    child_idle_secs: float = setting(
        10.0, "how long an idle child process is kept; one of each plugin always is", unit="seconds"
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

    level: Literal["debug", "info", "warning", "error"] = setting("info", "the least severe messages that are logged")
    format: Literal["auto", "console", "json"] = setting(
        "auto", "auto: readable text on a terminal, otherwise one JSON object per line"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """What one request may take."""

    expansion_ratio: int = setting(1000, "how many times its compressed size a document may have, beyond 64 MiB")
    spool_bytes: int = setting(
        64 << 30, "the largest document of a format that needs the whole document before it can be read", unit="bytes"
    )
    batch_bytes: int = setting(256 << 20, "the largest record batch that a client or a plugin may send", unit="bytes")
    columns: int = setting(16384, "the most columns a dataset may have")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of a server."""

    server: ServerConfig = field(default_factory=ServerConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    plugins: PluginsConfig = field(default_factory=PluginsConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    log: LogConfig = field(default_factory=LogConfig)
