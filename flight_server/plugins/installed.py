"""Plugins that pip installed: found by their entry points, and loaded as any other; what replaces one is a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

import structlog

from flight_server.plugins.source import Source, Unreadable

#: The group of entry points. Each names a module that exports ``create_plugin``, or that function: ``module:function``.
GROUP = "format_plugins.plugins"
#: What the keys of installed plugins begin with.
INSTALLED = "installed/"


def installed() -> dict[str, Source | Unreadable]:
    """Return every plugin of the environment by its key, in order of names; runs none of their code.

    The bytes of such a plugin are two lines that import it, so that it takes the same way in as a file. Its ``sha256``
    is that of what its distribution lists: the hashes of all its files.
    """
    found: dict[str, Source | Unreadable] = {}
    for distribution in distributions():
        try:
            entries = _entries(distribution)
            for entry in entries:
                # Of two distributions of one name the first on the path counts, as it does for imports.
                found.setdefault(f"{INSTALLED}{distribution.name}/{entry.name}", _source(distribution, entry))
        except Exception:  # noqa: BLE001 - what is wrong with one distribution hides no other
            _log().exception("the entry points of a distribution cannot be read")
    return dict(sorted(found.items()))


def _entries(distribution: Distribution) -> Iterable[EntryPoint]:
    # Few have any of ours, and to parse all of an environment takes longer than to look.
    text = distribution.read_text("entry_points.txt") or ""
    return [entry for entry in distribution.entry_points if entry.group == GROUP] if GROUP in text else []


def _source(distribution: Distribution, entry: EntryPoint) -> Source | Unreadable:
    name = entry.name.replace("/", "_")
    home = f"{distribution.name.replace('-', '_')}-{distribution.version}.dist-info"
    path = Path(str(distribution.locate_file(home)), name)
    module, _, attribute = (part.strip() for part in entry.value.partition("[")[0].partition(":"))
    attribute = attribute or "create_plugin"
    if not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        return Unreadable(path, f"{name}: its entry point {entry.value!r:.200} names no module, and no function of one")
    head, _, rest = attribute.partition(".")
    code = f"from {module} import {head} as found\n\ncreate_plugin = found{'.' if rest else ''}{rest}\n".encode()
    listed = distribution.read_text("RECORD") or ""
    sha256 = hashlib.sha256(f"{distribution.version}\n{entry.value}\n{listed}".encode()).hexdigest()
    return Source(path, {name: code}, sha256, is_package=False)


def _log() -> structlog.stdlib.BoundLogger:
    log: structlog.stdlib.BoundLogger = structlog.get_logger("flight_server.plugins")
    return log
