"""What is served now: an immutable snapshot, replaced whole by one assignment and read without a lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from flight_server.errors import PluginCrashed, UnknownFormat
from flight_server.plugins.generation import Generation
from flight_server.plugins.lease import Lease
from flight_server.wire import NATIVE
from format_plugins.spelling import did_you_mean

__all__ = ["Lease", "Registry", "RegistrySnapshot"]


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RegistrySnapshot:
    """All that is served at one moment.

    ``formats`` by name; ``extensions`` (".csv", lower case) to the name of the format that owns each; ``rejected`` by the
    name that a plugin would have had, to the sentence that says why it has it not; ``quarantined`` the names of which
    that is because the plugin crashed too often.
    """

    formats: Mapping[str, Generation] = field(default_factory=lambda: MappingProxyType({}))
    extensions: Mapping[str, str] = field(default_factory=_nothing)
    rejected: Mapping[str, str] = field(default_factory=_nothing)
    quarantined: frozenset[str] = frozenset()


class Registry:
    """The one place where streams find their plugins."""

    def __init__(self) -> None:
        self._snapshot = RegistrySnapshot()

    @property
    def snapshot(self) -> RegistrySnapshot:
        """What is served now; it never changes under its reader."""
        return self._snapshot

    def replace(self, snapshot: RegistrySnapshot) -> None:
        """Serve ``snapshot`` from now on; done before any generation that is not in it is superseded."""
        self._snapshot = snapshot

    def lease(self, name: str) -> Lease:
        """Hold the generation that serves ``name`` now, until the lease is released.

        Raises ``UnknownFormat`` that names the known formats and the nearest, and says so when a rejected plugin would
        have served it; and ``PluginCrashed`` when its plugin is in quarantine.
        """
        return self.lease_together([name])[name]

    def lease_together(self, names: Iterable[str]) -> dict[str, Lease]:
        """Hold what serves ``names`` at one and the same moment; raises as ``lease`` does."""
        wanted = list(names)
        while True:
            snapshot = self._snapshot
            leases: dict[str, Lease] = {}
            for name in wanted:
                generation = snapshot.formats.get(name)
                token = generation.hold() if generation is not None else None
                if generation is None or token is None:
                    break
                leases[name] = Lease(generation, token)
            else:
                return leases
            for lease in leases.values():
                lease.release()
            if generation is None:
                raise self.unknown(name)
            # It was replaced in this moment: there is a newer snapshot.

    def unknown(self, name: str) -> UnknownFormat | PluginCrashed:
        """Make the error for a format that is not served."""
        snapshot = self._snapshot
        if name in snapshot.quarantined & snapshot.rejected.keys():
            return PluginCrashed(f"the format {name!r} is not served: {snapshot.rejected[name]}", format=name)
        known = sorted({*snapshot.formats, NATIVE})
        if name in snapshot.rejected:
            why = f": its plugin was rejected, because of {snapshot.rejected[name]}"
        else:
            why = did_you_mean(name, known)
        return UnknownFormat(f"unknown format {name!r:.80}{why} (known: {', '.join(known)})", format=name[:80], known=known)
