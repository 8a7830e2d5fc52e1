"""How one plugin is doing, as operators and clients are shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

from flight_server.config import Runtime
from flight_server.plugins.deployment import Deployment, Origin
from flight_server.plugins.drain import Draining
from flight_server.plugins.ledger import Ledger
from flight_server.plugins.retirement import Retired
from flight_server.plugins.scanner import claimed_name
from format_plugins.contract import PluginCapabilities, PluginMetadata

#: discovered: new, and not still yet. verified: its bytes may run, and it is being tried. active: serves, from the bytes
#: last tried. degraded: serves, but newer bytes were rejected. rejected: does not serve. quarantined: it crashed too often;
#: earlier bytes serve if there are some. overridden: gave way to one of a later origin. draining: its file is gone, and
#: streams still hold it. retired: its file is gone, nobody uses it, and something keeps its code in memory.
State: TypeAlias = Literal[
    "discovered", "verified", "active", "degraded", "rejected", "quarantined", "overridden", "draining", "retired"
]


@dataclasses.dataclass(frozen=True, slots=True)
class Pending:
    """A file of the plugin folder on its way in; ``open_file`` is what of it somebody has open for writing."""

    file: str
    state: Literal["discovered", "verified"]
    open_file: str | None = None

    @property
    def waits(self) -> str | None:
        """Say what it waits for, a sentence, if it is for its writer."""
        if self.open_file is None:
            return None
        what = "it" if self.open_file == self.file else self.file
        return f"{self.open_file} is open for writing; {what} is loaded when it has been closed"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PluginStatus:
    """One plugin file. Holds text and figures only, so it can be kept.

    ``extensions`` are those that select it; ``conflicts`` says what it asked for and did not get. ``generation`` and
    ``sha256`` are of what serves (or would), ``file_sha256`` of the bytes last tried. ``loads`` and ``failures`` count
    since the file came. ``loaded_at`` is in seconds since 1970, ``load_ms`` how long the last load took, in milliseconds.
    ``runtime`` says where the generation runs, ``children`` in how many processes now, and ``crashes`` how many of those it
    has ended. ``draining`` lists its older generations still held by streams; ``pinned_by`` says what keeps those in memory
    that no stream holds.
    """

    name: str
    state: State
    origin: Origin
    file: str
    version: str | None = None
    description: str = ""
    extensions: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    capabilities: PluginCapabilities | None = None
    generation: int | None = None
    sha256: str | None = None
    file_sha256: str | None = None
    leases: int = 0
    loads: int = 0
    failures: int = 0
    last_error: str | None = None
    conflicts: tuple[str, ...] = ()
    loaded_at: float | None = None
    load_ms: float | None = None
    runtime: Runtime | None = None
    children: int = 0
    crashes: int = 0
    draining: tuple[int, ...] = ()
    pinned_by: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return dataclasses.asdict(self)


def statuses(
    ledger: Ledger,
    *,
    draining: Iterable[Draining],
    retired: Iterable[Retired] = (),
    pending: Mapping[str, Pending] | None = None,
) -> Iterator[PluginStatus]:
    """Yield the status of every plugin: what ships, what is installed, then files in order of their names, then what comes.

    ``retired`` are the generations that something keeps in memory.
    """
    held, pinned, coming = list(draining), list(retired), pending or {}
    files = sorted(ledger.deployments.items(), key=lambda item: (item[1].rank, item[1].file, item[0]))
    for key, deployment in files:
        older = (each.generation.number for each in held if _id(each.deployment) == _id(deployment))
        status = _status(key, deployment, ledger, tuple(sorted(older)))
        # Who wonders why the new bytes do not serve finds out here; they are no failure, and the state stays.
        waits = coming[key].waits if key in coming else None
        yield dataclasses.replace(status, pinned_by=_pins(deployment, pinned), last_error=status.last_error or waits)
    for key, each in sorted(coming.items()):
        if key not in ledger.deployments:
            yield _pending(each)
    present = {_id(deployment) for _, deployment in files}
    for drained in held:
        if _id(drained.deployment) not in present:
            yield _serving(drained.deployment, drained.generation.metadata, "draining", conflicts=())
    for gone in {_id(each.deployment): each for each in pinned if _id(each.deployment) not in present}.values():
        file, pins = gone.deployment.file, _pins(gone.deployment, pinned)
        yield PluginStatus(name=gone.name, state="retired", origin=gone.deployment.origin, file=file, pinned_by=pins)


def _pins(deployment: Deployment, retired: Iterable[Retired]) -> tuple[str, ...]:
    """Say what keeps the old generations of a file in memory; what keeps several is said once."""
    found: dict[str, list[int]] = {}
    for each in retired:
        if _id(each.deployment) == _id(deployment):
            for pin in each.pinned_by:
                found.setdefault(pin, []).append(each.number)
    return tuple(f"generation {', '.join(map(str, numbers))}: {pin}" for pin, numbers in found.items())


def _pending(pending: Pending) -> PluginStatus:
    name = claimed_name(pending.file)
    return PluginStatus(name=name, state=pending.state, origin="folder", file=pending.file, last_error=pending.waits)


def _id(deployment: Deployment) -> tuple[str, str]:
    return (deployment.file, deployment.origin)


def _status(key: str, deployment: Deployment, ledger: Ledger, draining: tuple[int, ...]) -> PluginStatus:
    conflicts = ledger.conflicts.get(key, ())
    metadata = deployment.active.metadata if deployment.active else None
    if metadata is None and deployment.failure is not None:
        metadata = deployment.failure.metadata
    status = _serving(deployment, metadata, _state(key, deployment, ledger), conflicts=conflicts)
    owned = tuple(each for each in status.extensions if ledger.snapshot.extensions.get(each) == status.name)
    return dataclasses.replace(status, extensions=owned if key in ledger.serving else (), draining=draining)


def _state(key: str, deployment: Deployment, ledger: Ledger) -> State:
    if deployment.held == "quarantined":
        return "quarantined"
    if key in ledger.serving:
        return "active" if deployment.failure is None else "degraded"
    return "overridden" if ledger.is_overridden(key) else "rejected"


def _serving(
    deployment: Deployment, metadata: PluginMetadata | None, state: State, *, conflicts: tuple[str, ...]
) -> PluginStatus:
    error = deployment.failure.sentence if deployment.failure else None
    if error is None and state == "rejected" and conflicts:
        error = f"{deployment.file}: {conflicts[0]}"
    status = PluginStatus(
        name=deployment.name,
        state=state,
        origin=deployment.origin,
        file=deployment.file,
        file_sha256=deployment.tried_sha256,
        loads=deployment.loads,
        failures=deployment.failures,
        load_ms=deployment.load_ms,
        last_error=error,
        conflicts=conflicts,
    )
    if metadata is not None:
        status = dataclasses.replace(
            status,
            version=metadata.version,
            description=metadata.description,
            extensions=metadata.extensions,
            media_types=metadata.media_types,
            capabilities=metadata.capabilities,
        )
    if (active := deployment.active) is not None:
        status = dataclasses.replace(
            status,
            generation=active.number,
            sha256=active.source.sha256,
            leases=active.leases,
            runtime=active.code.runtime,
            children=active.code.children,
            crashes=active.code.crashes,
            loaded_at=active.loaded_at,
        )
    return status
