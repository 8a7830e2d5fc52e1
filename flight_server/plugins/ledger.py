"""All plugin files at one moment, and what follows from them: who serves which name and extension, and who is in conflict.

The rules depend on the files alone, not on their history, so that a restart changes nothing:

* What ships comes before what is installed, and that before files. The earlier one keeps its name and its extensions,
  unless ``plugins.override`` lists the name: then the latest has it.
* Of several of one origin that claim one name, the first in order of file names has it; the others wait, loaded, until it
  goes.
* Of several plugins that claim one extension, those that ship come first, then those that replace one of them, then those
  that are installed or replace one of these, then the others in order of file names. The losers serve under their names
  and their other extensions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from flight_server.plugins.deployment import Deployment
from flight_server.plugins.generation import Generation
from flight_server.plugins.registry import RegistrySnapshot
from format_plugins.contract import PluginMetadata


@dataclass(frozen=True, slots=True)
class Ledger:
    """Deployments by key, the snapshot to serve, the keys that serve, and each key's lost claims in sentences."""

    deployments: Mapping[str, Deployment] = field(default_factory=lambda: MappingProxyType({}))
    snapshot: RegistrySnapshot = field(default_factory=RegistrySnapshot)
    serving: frozenset[str] = frozenset()
    conflicts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def tried(self) -> dict[str, str]:
        """Return the digest last tried of each file that the plugin folder brought."""
        return {key: each.tried for key, each in self.deployments.items() if each.followed}

    def is_overridden(self, key: str) -> bool:
        """Say whether a plugin that is loaded gave its name to one of a later origin."""
        deployment = self.deployments[key]
        holders = (each for each in map(self.deployments.__getitem__, self.serving) if each.name == deployment.name)
        return deployment.active is not None and any(holder.rank > deployment.rank for holder in holders)

    def is_undisputed(self, key: str, metadata: PluginMetadata) -> bool:
        """Say whether the plugin of ``key`` could serve as ``metadata`` says without any change for other files."""
        active = self.deployments[key].active if key in self.deployments else None
        if active is not None:
            return (active.metadata.name, active.metadata.extensions) == (metadata.name, metadata.extensions)
        return metadata.name not in self.snapshot.formats and self.snapshot.extensions.keys().isdisjoint(metadata.extensions)

    def generations(self) -> Iterator[tuple[Deployment, Generation]]:
        """Yield what is loaded, whether it serves or waits for a name."""
        for deployment in self.deployments.values():
            if deployment.active is not None:
                yield deployment, deployment.active


def resolve(deployments: Mapping[str, Deployment], override: Collection[str]) -> Ledger:
    """Decide who serves what."""
    claims = _Claims(deployments, override)
    for key in sorted(deployments, key=lambda key: (deployments[key].rank, deployments[key].file, key)):
        claims.claim_name(key)
    claims.tell_the_overridden()
    for key in sorted(claims.names.values(), key=claims.extension_order):
        claims.claim_extensions(key)
    return Ledger(
        deployments=MappingProxyType(dict(deployments)),
        snapshot=claims.snapshot(),
        serving=frozenset(claims.names.values()),
        conflicts=MappingProxyType({key: tuple(sentences) for key, sentences in claims.conflicts.items()}),
    )


class _Claims:
    def __init__(self, deployments: Mapping[str, Deployment], override: Collection[str]) -> None:
        self._deployments = deployments
        self._override = override
        self._first: dict[str, int] = {}  # the rank of the first that claimed a name
        self._overridden: list[str] = []
        self.names: dict[str, str] = {}
        self.extensions: dict[str, str] = {}
        self.conflicts: dict[str, list[str]] = {}

    def claim_name(self, key: str) -> None:
        deployment = self._deployments[key]
        if deployment.active is None:
            return
        name = deployment.name
        self._first.setdefault(name, deployment.rank)
        holder = self.names.get(name)
        if holder is None:
            self.names[name] = key
        elif deployment.rank > self._deployments[holder].rank:
            self._take_over(key, holder)
        else:
            rival = self._deployments[holder].file
            self._lose(
                key, f"the name {name!r} is held by {rival}, which comes first in order of file names: rename or delete one"
            )

    def tell_the_overridden(self) -> None:
        for key in self._overridden:
            name = self._deployments[key].name
            holder = self._deployments[self.names[name]].file
            self._lose(key, f"{holder} serves the name {name!r}, as plugins.override lists it")

    def extension_order(self, key: str) -> tuple[bool, int, str, str]:
        deployment = self._deployments[key]
        return (deployment.origin != "builtin", self._first[deployment.name], deployment.file, key)

    def claim_extensions(self, key: str) -> None:
        deployment = self._deployments[key]
        for extension in deployment.active.metadata.extensions if deployment.active else ():
            owner = self.extensions.setdefault(extension, deployment.name)
            if owner != deployment.name:
                self._lose(
                    key, f"the extension {extension!r} is held by the format {owner!r}: requests for this one must name it"
                )

    def snapshot(self) -> RegistrySnapshot:
        formats = {name: active for name, key in self.names.items() if (active := self._deployments[key].active)}
        rejected = {
            each.claimed: each.failure.sentence
            for each in self._deployments.values()
            if each.failure is not None and each.claimed not in formats
        }
        return RegistrySnapshot(
            formats=MappingProxyType(formats),
            extensions=MappingProxyType(self.extensions),
            rejected=MappingProxyType(rejected),
            quarantined=frozenset(each.claimed for each in self._deployments.values() if each.held == "quarantined"),
        )

    def _take_over(self, key: str, earlier: str) -> None:
        name, holder = self._deployments[key].name, self._deployments[earlier]
        if name in self._override:
            self.names[name] = key
            self._overridden.append(earlier)
            return
        whose = "that of a format that ships" if holder.origin == "builtin" else f"held by {holder.file}, which is installed"
        self._lose(key, f"the name {name!r} is {whose}; plugins.override does not list it: add it there to have this one serve")

    def _lose(self, key: str, sentence: str) -> None:
        self.conflicts.setdefault(key, []).append(sentence)
