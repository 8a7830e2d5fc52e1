"""The process of `plugin check`: finds out what the plugin's test declares, and runs the conformance kit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flight_server.authoring.declared import declaration_in, test_of
from flight_server.authoring.worker import answering, question
from flight_server.config import PluginsConfig
from flight_server.nursery.nursery import Nursery
from flight_server.plugins.failure import authors_traceback, explained
from flight_server.plugins.loader import Rules
from flight_server.plugins.source import Unreadable, read
from flight_server.plugins.trial import Trial
from format_plugins.conformance import CHECKS, Declaration, Finding, check
from format_plugins.spelling import did_you_mean

#: The check that is not the kit's: the server's own, before it lets a plugin serve.
SERVED = "a_server_takes_it"
_LOADS = "it_can_be_loaded"


def main() -> None:
    """Answer with a line for the declaration that is used, and one for each finding."""
    asked = question()
    plugin = Path(asked["plugin"])
    with answering() as out:
        for answer in _answers(plugin, asked["only"]):
            out.write(f"{json.dumps(answer)}\n")


def _answers(plugin: Path, only: list[str]) -> Iterator[dict[str, Any]]:
    names = {each.name for each in CHECKS} | {SERVED}
    if unknown := [name for name in only if name not in names]:
        yield {"error": f"there is no check {unknown[0]!r:.80}{did_you_mean(unknown[0], names)}"}
        return
    test = test_of(plugin)
    declaration = None
    if test is not None:
        try:
            declaration = declaration_in(test, plugin)
        except Exception as error:  # noqa: BLE001 - the author's own test may raise anything
            yield {"error": f"its test {test.name} cannot be read: {explained(error)}", "detail": _told(error, test)}
            return
    yield {"test": None if declaration is None else str(test)}
    ours = [name for name in only if name != SERVED]
    for finding in check(plugin, declaration or Declaration(), only=ours, isolated=True) if ours or not only else ():
        yield dataclasses.asdict(finding)
        if finding.check == _LOADS and not finding.ok:
            return  # all the others would say the same, and one that hangs would hang in each
    if not only or SERVED in only:
        yield dataclasses.asdict(_served(plugin))


def _served(plugin: Path) -> Finding:
    """Have a server's own trial held of the plugin, with the settings that a server has if nobody sets any."""
    config = PluginsConfig()
    source = read(plugin, limit_bytes=config.max_plugin_bytes)
    if isinstance(source, Unreadable):
        return Finding(check=SERVED, ok=False, sentence=f"{source.sentence}.", fix="Make it a file that can be read.")
    nursery = Nursery()
    nursery.start()
    try:
        trial = Trial(nursery, timeout_secs=config.load_timeout_secs, limits=config.limits)
        failure = trial.run(source, 1, Rules(compatibility=config.version_compatibility, options_of=lambda _name: None))
    finally:
        nursery.stop()
    if failure is None:
        return Finding(check=SERVED, ok=True)
    fix = "Repair what is named; a server would go on with the last good bytes, or without the plugin."
    return Finding(check=SERVED, ok=False, sentence=f"{failure.sentence}.", fix=fix, detail=failure.traceback)


def _told(error: Exception, test: Path) -> str:
    return authors_traceback(error, (str(test),))


if __name__ == "__main__":
    main()
