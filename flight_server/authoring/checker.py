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
from flight_server.configfile import load
from flight_server.nursery.nursery import Nursery
from flight_server.plugins.failure import authors_traceback, explained
from flight_server.plugins.loader import Rules
from flight_server.plugins.source import Unreadable, read
from flight_server.plugins.trial import Trial
from format_plugins.conformance import CHECKS, Declaration, Finding, check

#: The check that is not the kit's: the server's own, before it lets a plugin serve.
SERVED = "a_server_takes_it"
_LOADS = "it_can_be_loaded"


def main() -> None:
    """Answer with a line for the declaration that is used, and one for each finding."""
    asked = question()
    plugin = Path(asked["plugin"])
    with answering() as out:
        config = load(Path(asked["config"]) if asked["config"] else None, asked["overrides"]).plugins
        for answer in _answers(plugin, asked["only"], config):
            out.write(f"{json.dumps(answer)}\n")


def names() -> list[str]:
    """Return the names of all checks, in the order in which they run."""
    return [*(each.name for each in CHECKS), SERVED]


def _answers(plugin: Path, only: list[str], config: PluginsConfig) -> Iterator[dict[str, Any]]:
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
        yield dataclasses.asdict(_served(plugin, config))


def _served(plugin: Path, config: PluginsConfig) -> Finding:
    """Have a server's own trial held of the plugin, with the settings of ``config``."""
    source = read(plugin, limit_bytes=config.max_plugin_bytes)
    if isinstance(source, Unreadable):
        return Finding(check=SERVED, ok=False, sentence=f"{source.sentence}.", fix="Make it a file that can be read.")
    nursery = Nursery(sandbox=config.sandbox)
    if (objection := nursery.protection.objection) is not None:
        fix = "Check it where all of the sandbox is, or with --set plugins.sandbox=auto."
        return Finding(check=SERVED, ok=False, sentence=f"No server would start: {objection}.", fix=fix)
    nursery.start()
    try:
        trial = Trial(nursery, timeout_secs=config.load_timeout_secs, limits=config.limits)
        rules = Rules(compatibility=config.version_compatibility, options_of=config.plugin_configs.get)
        failure = trial.run(source, 1, rules)
    finally:
        nursery.stop()
    if failure is None:
        return Finding(check=SERVED, ok=True)
    fix = "Repair what is named; a server would go on with the last good bytes, or without the plugin."
    if failure.again:
        fix = "Check it again, on a machine that is less busy; if it says the same, repair what the plugin waits for."
    return Finding(check=SERVED, ok=False, sentence=f"{failure.sentence}.", fix=fix, detail=failure.traceback)


def _told(error: Exception, test: Path) -> str:
    return authors_traceback(error, (str(test),))


if __name__ == "__main__":
    main()
