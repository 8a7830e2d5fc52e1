"""What is loaded, made what is served: the ledger, the registry that follows from it, and what is let go of for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import structlog

from flight_server.plugins.audit import AuditLog, Event, Transition
from flight_server.plugins.changes import Change, changes
from flight_server.plugins.deployment import Deployment
from flight_server.plugins.drain import Drain
from flight_server.plugins.keeper import Keeper
from flight_server.plugins.ledger import Ledger, resolve
from flight_server.plugins.registry import Registry

_EVENTS: Mapping[str, Event] = {"loaded": "active", "replaced": "active", "removed": "undeployed", "rejected": "rejected"}


class Publisher:
    """The only one that changes the registry. One thread at a time publishes; anybody may read."""

    def __init__(self, registry: Registry, drain: Drain, keeper: Keeper, audit: AuditLog, *, override: Collection[str]) -> None:
        self._registry = registry
        self._drain = drain
        self._keeper = keeper
        self._audit = audit
        self._override = override
        self._ledger = Ledger()
        self._log = structlog.get_logger("flight_server.plugins")

    @property
    def ledger(self) -> Ledger:
        """All plugin files as they were last published."""
        return self._ledger

    def publish(self, deployments: Mapping[str, Deployment]) -> list[Change]:
        """Make ``deployments`` what serves, in one assignment, let go of what they no longer hold, and tell what changed."""
        before = self._ledger
        self._replace(deployments)
        changed = list(changes(before, self._ledger))
        for change in changed:
            self._log_change(change)
            self._audit.note(
                Transition(
                    event=_EVENTS[change.action],
                    plugin=change.plugin,
                    file=change.file,
                    from_generation=change.replaced,
                    to_generation=None if change.action == "removed" else change.generation,
                    sha256=change.sha256,
                    reason=change.error,
                )
            )
        self._warn_of_losses(before, {change.file for change in changed})
        self._keeper.offer(deployments)
        return changed

    def clear(self) -> None:
        """Serve nothing: the server stops. What is kept for its next start stays."""
        self._replace({})

    def _replace(self, deployments: Mapping[str, Deployment]) -> None:
        before, after = self._ledger, resolve(deployments, self._override)
        self._registry.replace(after.snapshot)
        self._ledger = after
        kept = {generation.number for _, generation in after.generations()}
        for deployment, generation in before.generations():
            if generation.number in kept:
                continue
            self._audit.note(
                Transition(
                    event="draining",
                    plugin=generation.metadata.name,
                    file=deployment.file,
                    from_generation=generation.number,
                    sha256=generation.source.sha256,
                    reason=f"{generation.leases} streams hold it" if generation.leases else None,
                )
            )
            self._drain.begin(generation, deployment)

    def _warn_of_losses(self, before: Ledger, changed: Collection[str]) -> None:
        """Tell of what serves on and lost something to another plugin, such as an extension: no change of its own tells it."""
        for key in sorted(before.serving & self._ledger.serving):
            deployment = self._ledger.deployments[key]
            lost = [each for each in self._ledger.conflicts.get(key, ()) if each not in before.conflicts.get(key, ())]
            if lost and deployment.file not in changed:
                self._log.warning(
                    "a plugin lost something to another one", plugin=deployment.name, file=deployment.file, conflicts=lost
                )

    def _log_change(self, change: Change) -> None:
        fields = ("plugin", "version", "file", "generation", "sha256", "load_ms")
        shown = {name: value for name in fields if (value := getattr(change, name)) is not None}
        if change.action != "rejected":
            self._log.info(f"a plugin was {change.action}", **shown)
            return
        if change.trace:
            shown["exception"] = change.trace
        self._log.error("a plugin was rejected", error=change.error, **shown)
