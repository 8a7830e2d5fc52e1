"""What changes a plugin although its file has not changed: going back, a quarantine, and other settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from flight_server.errors import BadRequest, Busy, PluginFailed
from flight_server.plugins.audit import Event, Transition
from flight_server.plugins.changes import Change
from flight_server.plugins.deployment import Deployment, Held
from flight_server.plugins.failure import Failure
from flight_server.plugins.generation import Generation
from flight_server.plugins.parts import Parts
from flight_server.plugins.policy import AllowList
from flight_server.plugins.quarantine import Quarantine
from flight_server.plugins.registry import Registry
from flight_server.plugins.settings import Difference


class Interventions:
    """For one thread at a time: whoever calls holds the lock of the passes."""

    def __init__(self, parts: Parts, registry: Registry, quarantine: Quarantine, *, clock: Callable[[], float]) -> None:
        self._parts = parts
        self._registry = registry
        self._quarantine = quarantine
        self._clock = clock
        self._log = structlog.get_logger("flight_server.plugins")

    def rollback(self, name: str) -> str:
        """Put the bytes back that served ``name`` before the present ones; return the key of their deployment.

        Raises ``UnknownFormat``, ``PluginCrashed``, ``BadRequest`` when there is nothing to go back to,
        ``PluginFailed`` when the earlier bytes do not load any more, and ``Busy`` when they cannot be tried now.
        """
        generation = self._registry.snapshot.formats.get(name)
        key = self._key_of(generation.number) if generation is not None else None
        if generation is None or key is None:
            raise self._registry.unknown(name)
        deployment = self._parts.publisher.ledger.deployments[key]
        if deployment.previous is None:
            raise BadRequest(f"the plugin {name!r} has no earlier generation to go back to")
        outcome = self._parts.admission.admit(deployment.previous)
        if isinstance(outcome.result, Failure):
            if outcome.result.again:
                raise Busy(f"the earlier generation of {name!r} cannot be put back now: {outcome.result.sentence}")
            raise PluginFailed(f"the earlier generation of {name!r} does not load any more: {outcome.result.sentence}")
        # The file's own bytes, put back, are not held against it: they follow the file.
        held: Held = None if outcome.sha256 == deployment.tried else "rolled back"
        back = replace(deployment.put(outcome.result), held=held, load_ms=outcome.took_ms)
        self._note("rolled back", deployment, reason="an operator asked for it", to=outcome.result)
        self._publish(key, replace(back, failure=None) if held is None else back)
        return key

    def crashed(self, number: int, reason: str) -> bool:
        """Count a crash of a generation; with one too many, the bytes before take its place. Return whether it was that.

        The formats that ship are counted as well, but never put aside: nothing could take their place.
        """
        key = self._key_of(number)
        deployment = self._parts.publisher.ledger.deployments[key] if key is not None else None
        if key is None or deployment is None or deployment.active is None or deployment.origin == "builtin":
            return False
        if not self._quarantine.note((key, deployment.active.source.sha256), self._clock()):
            return False
        crashed = deployment.active
        sentence = (
            f"{deployment.file} is in quarantine: its generation {number} crashed {self._quarantine.rule}"
            f"{': ' + reason if reason else ''}; it is tried again {_again(deployment)}"
        )
        earlier = self._earlier(deployment)
        self._log.error(
            "a plugin was put in quarantine",
            plugin=deployment.name,
            file=deployment.file,
            generation=number,
            sha256=crashed.source.sha256,
            error=sentence,
            earlier_generation=earlier.number if earlier else None,
        )
        self._note("quarantined", deployment, reason=sentence, to=earlier)
        put_aside = replace(
            deployment,
            active=earlier,
            previous=None,
            tried=crashed.source.sha256,
            failure=Failure(sentence=sentence, metadata=crashed.metadata),
            held="quarantined",
        )
        self._publish(key, put_aside)
        return True

    def reconfigure(self, difference: Difference) -> list[Change]:
        """Make new instances of the plugins whose options changed, and stop what is not allowed any more."""
        if difference.allow:
            self._parts.admission.allow = AllowList(self._parts.settings.allow)
        deployments = dict(self._parts.publisher.ledger.deployments)
        for key, deployment in deployments.items():
            if difference.allow and (refusal := self._refusal(deployment)) is not None:
                deployments[key] = deployment.revoked(refusal)
            elif deployment.active is not None and deployment.name in difference.plugins:
                deployments[key] = self._renewed(deployment, deployment.active)
        changed = [key for key, each in deployments.items() if each is not self._parts.publisher.ledger.deployments[key]]
        return self._parts.publisher.publish(deployments) if changed else []

    def due_again(self, difference: Difference) -> set[str]:
        """Return the files whose bytes are to be tried anew.

        In quarantine, turned down under settings that changed, or not tried yet because they could not be.
        """
        due = set()
        for key, each in self._parts.publisher.ledger.deployments.items():
            is_turned_down = each.failure is not None and not (each.active and each.active.source.sha256 == each.tried)
            is_other = (
                difference.allow or each.claimed in difference.plugins or (each.failure is not None and each.failure.again)
            )
            if each.followed and (each.held == "quarantined" or (is_turned_down and is_other)):
                due.add(key)
        return due

    def _renewed(self, deployment: Deployment, active: Generation) -> Deployment:
        """Load the bytes that serve once more, under their new options: no state of the old instance is shared."""
        outcome = self._parts.admission.admit(active.source, ships=deployment.origin == "builtin")
        if isinstance(outcome.result, Failure):
            return replace(deployment, failure=outcome.result, failures=deployment.failures + 1, load_ms=outcome.took_ms)
        renewed = replace(deployment.put(outcome.result), load_ms=outcome.took_ms)
        return replace(renewed, failure=None) if deployment.tried == outcome.sha256 else renewed

    def _earlier(self, deployment: Deployment) -> Generation | None:
        if deployment.previous is None:
            return None
        result = self._parts.admission.admit(deployment.previous).result
        return result if isinstance(result, Generation) else None

    def _refusal(self, deployment: Deployment) -> str | None:
        active, allow = deployment.active, self._parts.admission.allow
        if active is None or deployment.origin == "builtin":
            return None
        return allow.refusal(active.source) or allow.refusal_of_name(active.source, active.metadata.name)

    def _key_of(self, number: int) -> str | None:
        deployments = self._parts.publisher.ledger.deployments
        return next((key for key, each in deployments.items() if each.active and each.active.number == number), None)

    def _publish(self, key: str, deployment: Deployment) -> None:
        self._parts.publisher.publish({**self._parts.publisher.ledger.deployments, key: deployment})

    def _note(self, event: Event, deployment: Deployment, *, reason: str, to: Generation | None) -> None:
        self._parts.audit.note(
            Transition(
                event=event,
                plugin=deployment.name,
                file=deployment.file,
                from_generation=deployment.active.number if deployment.active else None,
                to_generation=to.number if to else None,
                sha256=deployment.active.source.sha256 if deployment.active else None,
                reason=reason,
            )
        )


def _again(deployment: Deployment) -> str:
    """Say what ends a quarantine: only of a file that is followed is a change noticed."""
    if deployment.followed:
        return "when the file changes or when it is reloaded"
    if deployment.origin == "installed":
        return "when plugins are reloaded (flight-client reload), or at the next start"
    return "when it is loaded again"
