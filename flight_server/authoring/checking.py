"""`plugin check`: the findings of the kit, told as they are made."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from flight_server.authoring.worker import WorkerEnded, answers
from flight_server.plugins.scanner import WHAT_IS_ONE, scan, sign
from format_plugins.spelling import did_you_mean

#: The kit ends a check that hangs by itself, well before.
_SILENCE_SECS = 600.0


class NothingToCheck(Exception):
    """There is no plugin at a path, or no check of a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which checks to run, all if ``only`` is empty, and the configuration of the server that is to take the plugin."""

    only: tuple[str, ...]
    config: Path | None
    overrides: tuple[str, ...]


def plugins_at(path: Path) -> list[Path]:
    """Return the plugins that ``path`` is or holds: what a server would take for one, or a folder of those.

    Raises ``NothingToCheck``.
    """
    if not path.exists():
        what = "is a link that leads nowhere" if path.is_symlink() else "is not there"
        raise NothingToCheck(f"{path} {what}; name a plugin ({WHAT_IS_ONE}), or a folder of those")
    if sign(path):
        return [path]
    if not path.is_dir():
        raise NothingToCheck(f"{path} is no plugin: {WHAT_IS_ONE}, is")
    try:
        found = [path / name for name in scan(path)]
    except OSError as error:
        raise NothingToCheck(f"{path} cannot be read: {error.strerror}") from None
    if not found:
        raise NothingToCheck(f"{path} holds no plugin, which is {WHAT_IS_ONE}; flight-server plugin new NAME begins one")
    return found


def named(only: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the checks that ``only`` spells, with spaces or hyphens too. Raises ``NothingToCheck``."""
    from flight_server.authoring.checker import names  # noqa: PLC0415 - the kit, which few calls need here

    known = names()
    spelled = tuple(name.replace(" ", "_").replace("-", "_") for name in only)
    for name in spelled:
        if name not in known:
            raise NothingToCheck(f"there is no check {name!r:.80}{did_you_mean(name, known)} (known: {', '.join(known)})")
    return spelled


def run(plugins: list[Path], wanted: Wanted, *, as_json: bool) -> bool:
    """Check ``plugins`` and print what is found; return whether all is well."""
    tell = _as_json if as_json else _Told(of_many=len(plugins) > 1)
    good = [_checked(plugin, wanted, tell) for plugin in plugins]
    return all(good)


def _checked(plugin: Path, wanted: Wanted, tell: Any) -> bool:  # noqa: ANN401 - one of the two below
    is_good = True
    for finding in _findings(plugin, wanted):
        is_good = is_good and finding.get("ok", "error" not in finding)
        tell(plugin, finding)
    tell(plugin, None)
    return is_good


def _findings(plugin: Path, wanted: Wanted) -> Iterator[dict[str, Any]]:
    question = {
        "plugin": str(plugin.absolute()),
        "only": wanted.only,
        "config": str(wanted.config.absolute()) if wanted.config else None,
        "overrides": wanted.overrides,
    }
    found = answers("checker", question, timeout_secs=_SILENCE_SECS)
    with closing(found):  # type: ignore[type-var] # a generator
        try:
            yield from found
        except WorkerEnded as error:
            yield {"error": f"the checks cannot go on: {error}", "detail": error.output}


def _as_json(plugin: Path, finding: dict[str, Any] | None) -> None:
    if finding is not None and ("check" in finding or "error" in finding):
        click.echo(json.dumps({"plugin": str(plugin), **finding}, ensure_ascii=False))


class _Told:
    """Findings for people: coloured marks on a terminal, words in a pipe."""

    def __init__(self, *, of_many: bool) -> None:
        self._of_many = of_many
        self._counts = {"ok": 0, "failed": 0, "skipped": 0}
        self._plugin: Path | None = None
        self._said: set[str] = set()
        is_terminal = sys.stdout.isatty()
        words = {"ok": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("-", None)}
        self._marks = {
            kind: click.style(mark, fg=color) if is_terminal else f"{kind:<7}" for kind, (mark, color) in words.items()
        }

    def __call__(self, plugin: Path, finding: dict[str, Any] | None) -> None:
        """Tell one finding, or with None that there are no more."""
        if plugin != self._plugin:
            self._plugin = plugin
            self._counts = dict.fromkeys(self._counts, 0)
            self._said.clear()
            if self._of_many:
                click.echo(f"{plugin}")
        if finding is None:
            self._total()
        elif "error" in finding:
            self._broken(finding["error"], "", finding.get("detail", ""))
        elif "check" in finding:
            self._finding(finding)
        elif finding["test"] is not None:
            click.echo(f"with what {os.path.relpath(finding['test'])} declares")

    def _finding(self, finding: dict[str, Any]) -> None:
        words = finding["check"].replace("_", " ")
        if not finding["ok"]:
            self._broken(words, finding["sentence"], finding["detail"], fix=finding["fix"])
            return
        kind = "skipped" if finding["skipped"] else "ok"
        self._counts[kind] += 1
        click.echo(f"{self._marks[kind]} {words}{': ' + finding['sentence'] if finding['skipped'] else ''}")

    def _broken(self, words: str, sentence: str, detail: str, *, fix: str = "") -> None:
        self._counts["failed"] += 1
        click.echo(f"{self._marks['failed']} {words}")
        parts = [sentence] if sentence in self._said else [sentence, fix and f"To repair it: {fix}", detail]
        self._said.add(sentence)  # a crash of one kind is explained once
        for line in "\n".join(part for part in parts if part).splitlines():
            click.echo(f"    {line}".rstrip())

    def _total(self) -> None:
        told = {"ok": "kept", "failed": "broken", "skipped": "not judged"}
        click.echo(", ".join(f"{self._counts[kind]} {word}" for kind, word in told.items() if self._counts[kind]))
