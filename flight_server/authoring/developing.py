"""`plugin dev`: the server's own plugin host on a folder, and what it does with each change told at once."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from flight_server.authoring.quiet import following, warning
from flight_server.authoring.worker import WorkerEnded, answers
from flight_server.config import PluginsConfig
from flight_server.plugins.manager import PluginManager
from flight_server.plugins.status import PluginStatus

_SAMPLE_SECS = 60.0
_SAMPLE_ROWS = 5
_RELOADED = {"a plugin was loaded": "loaded", "a plugin was replaced": "replaced"}
_OTHERS = {"a plugin was rejected", "a plugin was removed", "a plugin was tried, with a remark"}

#: A sentence of the host's log, and its fields.
Event = tuple[str, dict[str, Any]]


def develop(config: PluginsConfig, sample: Path | None) -> None:
    """Follow the folder of ``config`` and tell of each change, until ``KeyboardInterrupt``."""
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    folder = Path(config.plugin_dir)
    with following(replace(config, enable_plugins=True, enable_hot_reload=True), lambda *event: events.put(event)) as manager:
        told = _Told(manager, folder, sample, config.plugin_configs)
        shown = 0
        with suppress(queue.Empty):
            while True:
                shown += told.tell(*events.get_nowait())
        nothing = "cannot be used as it is" if manager.health()["folder_error"] else "holds no plugin yet"
        click.echo(f"Watching {folder}{'' if shown else f', which {nothing}'}; Ctrl-C ends it.")
        while True:
            told.tell(*events.get())


class _Told:
    """What the host does, for people."""

    def __init__(
        self, manager: PluginManager, folder: Path, sample: Path | None, configs: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._manager = manager
        self._folder = folder
        self._sample = sample
        self._configs = configs

    def tell(self, sentence: str, fields: Mapping[str, Any]) -> bool:
        """Tell one event, if it is of a plugin of the folder; return whether it was."""
        if sentence not in _OTHERS and sentence not in _RELOADED:
            if (grave := warning(sentence, fields)) is not None:
                click.echo(f"{_mark('!', 'yellow')} {grave}")
            return False
        status = self._status(str(fields.get("file") or fields["plugin"]))
        if sentence in _RELOADED:
            if status is None:  # it ships
                return False
            self._reloaded(status, _RELOADED[sentence])
        elif sentence == "a plugin was rejected":
            self._rejected(fields, status)
        elif sentence == "a plugin was removed":
            click.echo(f"{_mark('-', 'yellow')} {fields['plugin']}: removed, for {fields['file']} is gone")
        else:
            click.echo(f"{_mark('!', 'yellow')} {fields['plugin']}: {fields['remark']}")
        return True

    def _reloaded(self, status: PluginStatus, how: str) -> None:
        took = f", {status.load_ms:.0f} ms" if status.load_ms is not None else ""
        click.echo(
            f"{_mark('✓', 'green')} {status.name} {status.version}: {how} as generation {status.generation} from"
            f" {status.file}{took}"
        )
        for conflict in status.conflicts:
            click.echo(f"    {conflict}")
        if self._sample is not None:
            self._decode(self._folder / status.file, self._sample)

    def _rejected(self, fields: Mapping[str, Any], status: PluginStatus | None) -> None:
        file, error = str(fields.get("file", "")), str(fields["error"])
        click.echo(f"{_mark('✗', 'red')} {error if error.startswith(file) else f'{file}: {error}'}")
        for line in str(fields.get("exception", "")).splitlines():
            click.echo(f"    {line}")
        if status is not None and status.state == "degraded":
            click.echo(f"    {status.name} {status.version}, generation {status.generation}, goes on serving")

    def _decode(self, plugin: Path, sample: Path) -> None:
        asked = {"plugin": str(plugin), "sample": str(sample), "rows": _SAMPLE_ROWS, "configs": self._configs}
        try:
            for answer in answers("sampler", asked, timeout_secs=_SAMPLE_SECS):
                _show(sample, answer)
        except WorkerEnded as error:
            click.echo(f"{_mark('✗', 'red')} {sample.name} cannot be decoded: {error}")
            for line in error.output.splitlines():
                click.echo(f"    {line}")

    def _status(self, file: str) -> PluginStatus | None:
        found = (each for each in self._manager.statuses() if each.file == file and each.origin == "folder")
        return next(found, None)


def _show(sample: Path, answer: Mapping[str, Any]) -> None:
    schema = answer["schema"]
    if schema:
        count = f"{'at least ' if answer['is_cut'] else ''}{answer['count']:,}"
        click.echo(f"  {sample.name}: {count} rows of {', '.join(f'{name}: {kind}' for name, kind in schema)}")
        table = [[name for name, _ in schema], *answer["rows"]]
        widths = [max(len(row[column]) for row in table) for column in range(len(schema))]
        for row in table:
            click.echo("    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if answer["count"] > len(answer["rows"]):
            click.echo("    ...")
    if "error" in answer:
        click.echo(f"  {_mark('✗', 'red')} {sample.name}: {answer['error']}")


def _mark(sign: str, color: str) -> str:
    # click leaves the colour out where it is no terminal.
    return click.style(sign, fg=color)
