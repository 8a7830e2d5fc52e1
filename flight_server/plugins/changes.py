"""What a pass over the plugins changed, as operators and the log are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from flight_server.plugins.deployment import Deployment, Origin
from flight_server.plugins.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One plugin that began to serve, was replaced, went, or was turned down; ``trace`` is for the log only.

    ``replaced`` is the generation that served before; ``sha256`` of what was turned down is that of the bytes last tried.
    ``load_ms`` is how long the load took, in milliseconds.
    """

    plugin: str
    action: Literal["loaded", "replaced", "removed", "rejected"]
    file: str
    origin: Origin
    generation: int | None = None
    replaced: int | None = None
    version: str | None = None
    sha256: str | None = None
    load_ms: float | None = None
    error: str | None = None
    trace: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return what the ``reload`` action answers."""
        return {"plugin": self.plugin, "action": self.action, "generation": self.generation, "error": self.error}


def changes(before: Ledger, after: Ledger) -> Iterator[Change]:
    """Yield what became different between two moments, in key order."""
    for key in sorted(before.deployments.keys() | after.deployments.keys()):
        old, new = before.deployments.get(key), after.deployments.get(key)
        if new is None:
            if old is not None and old.active is not None:
                yield _change(old, "removed", generation=old.active.number, replaced=old.active.number)
            continue
        if new.failure is not None and new.failures != (old.failures if old else 0):
            yield _change(new, "rejected", error=new.failure.sentence, trace=new.failure.traceback)
        was = old.active if old else None
        served = key in before.serving
        if key in after.serving:
            if not served or new.active is not was:
                before_it = _number(old) if old is not None and served else None
                yield _change(new, "replaced" if served else "loaded", generation=_number(new), replaced=before_it)
        elif new.active is not None and not after.is_overridden(key) and (served or new.active is not was):
            yield _change(new, "rejected", generation=_number(new), error=after.conflicts[key][0])


def _number(deployment: Deployment) -> int | None:
    return deployment.active.number if deployment.active else None


def _change(deployment: Deployment, action: Any, **more: Any) -> Change:  # noqa: ANN401 - passed on to Change's own types
    if action == "rejected":
        more["sha256"] = deployment.tried_sha256
    elif deployment.active is not None:
        more["sha256"] = deployment.active.source.sha256
        more["version"] = deployment.active.metadata.version
    if action != "removed":
        more["load_ms"] = deployment.load_ms
    name = deployment.claimed if action == "rejected" else deployment.name
    return Change(plugin=name, action=action, file=deployment.file, origin=deployment.origin, **more)
