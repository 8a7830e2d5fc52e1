"""`plugin check`: the findings of the kit, told as they are made."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from flight_server.authoring.worker import WorkerEnded, answers
from flight_server.plugins.scanner import WHAT_IS_ONE, scan, sign

#: The kit ends a check that hangs by itself, well before.
_SILENCE_SECS = 600.0


class NothingToCheck(Exception):
    """There is no plugin at a path."""


def plugins_at(path: Path) -> list[Path]:
    """Return the plugins that ``path`` is or holds: what a server would take for one, or a folder of those.

    Raises ``NothingToCheck``.
    """
    if not path.exists():
        raise NothingToCheck(f"{path} is not there")
    if sign(path):
        return [path]
    if not path.is_dir():
        raise NothingToCheck(f"{path} is no plugin: {WHAT_IS_ONE}, is")
    found = [path / name for name in scan(path)]
    if not found:
        raise NothingToCheck(f"{path} holds no plugin: {WHAT_IS_ONE}")
    return found


def run(plugins: list[Path], only: list[str], *, as_json: bool) -> bool:
    """Check ``plugins`` and print what is found; return whether all is well."""
    tell = _as_json if as_json else _Told(of_many=len(plugins) > 1)
    good = [_checked(plugin, only, tell) for plugin in plugins]
    return all(good)


def _checked(plugin: Path, only: list[str], tell: Any) -> bool:  # noqa: ANN401 - one of the two below
    is_good = True
    for finding in _findings(plugin, only):
        is_good = is_good and finding.get("ok", "error" not in finding)
        tell(plugin, finding)
    tell(plugin, None)
    return is_good


def _findings(plugin: Path, only: list[str]) -> Iterator[dict[str, Any]]:
    question = {"plugin": str(plugin.absolute()), "only": only}
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
