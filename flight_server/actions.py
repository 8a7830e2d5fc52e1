"""The actions: questions and commands beside the data, each a JSON object in and one JSON object a result out."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from flight_server import __version__, wire
from flight_server.calls import Calls
from flight_server.errors import BadRequest, UnknownFormat
from flight_server.host import Host
from flight_server.puts import answer
from format_plugins.content_encodings import ENCODINGS
from format_plugins.contract import API_VERSION
from format_plugins.spelling import did_you_mean

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Action:
    """One action: what it does in a line, the members of its body, and how it is carried out."""

    description: str
    body: Mapping[str, type]
    run: Callable[[Host, Calls, dict[str, Any]], Iterable[Result]]


def run(host: Host, calls: Calls, kind: str, body: bytes) -> Iterator[bytes]:
    """Carry out the action ``kind``; its body is checked before anything is done."""
    action = ACTIONS.get(kind)
    if action is None:
        raise BadRequest(f"unknown action {kind!r:.80}{did_you_mean(kind, ACTIONS)} (known: {', '.join(ACTIONS)})")
    for result in action.run(host, calls, wire.action_body(body, action.body)):
        yield wire.text(result)


def _health(host: Host, calls: Calls, _body: dict[str, Any]) -> Iterable[Result]:
    yield {
        "status": "draining" if calls.draining else "ok",
        "calls": len(calls.running),
        "store": host.store.stats(),
        "plugins": host.plugins.health(),
    }


def _server_info(host: Host, _calls: Calls, _body: dict[str, Any]) -> Iterable[Result]:
    yield {
        "name": "distributed-transformer",
        "version": __version__,
        "contract": ".".join(map(str, API_VERSION)),
        "pyarrow": pa.__version__,
        "python": platform.python_version(),
        "content_encodings": list(ENCODINGS),
        "limits": asdict(host.limits),
        "formats": sorted(host.registry.snapshot.formats),
    }


def _formats(host: Host, _calls: Calls, _body: dict[str, Any]) -> Iterable[Result]:
    for name in sorted(host.registry.snapshot.formats):
        # A lease, for a plugin that is replaced meanwhile gives its options back; one that is removed is left out.
        with suppress(UnknownFormat), host.registry.lease(name) as lease:
            metadata = lease.metadata
            yield {
                "name": name,
                "version": metadata.version,
                "description": metadata.description,
                "extensions": list(metadata.extensions),
                "media_types": list(metadata.media_types),
                "capabilities": asdict(metadata.capabilities),
                "generation": lease.generation,
                "options": list(lease.options),
            }


def _plugins(host: Host, _calls: Calls, _body: dict[str, Any]) -> Iterable[Result]:
    for status in host.plugins.statuses():
        yield status.as_dict()


def _plugin(host: Host, _calls: Calls, body: dict[str, Any]) -> Iterable[Result]:
    yield host.plugins.status(body["name"]).as_dict()


def _reload(host: Host, _calls: Calls, _body: dict[str, Any]) -> Iterable[Result]:
    yield from host.plugins.reload()


def _rollback(host: Host, _calls: Calls, body: dict[str, Any]) -> Iterable[Result]:
    yield host.plugins.rollback(body["plugin"]).as_dict()


def _versions(host: Host, _calls: Calls, body: dict[str, Any]) -> Iterable[Result]:
    for version in host.store.versions(wire.check_dataset(body["dataset"])):
        yield {**asdict(version), "created": wire.timestamp(version.created)}


def _drop(host: Host, _calls: Calls, body: dict[str, Any]) -> Iterable[Result]:
    yield asdict(host.store.drop(wire.check_dataset(body["dataset"])))


def _put_status(host: Host, _calls: Calls, body: dict[str, Any]) -> Iterable[Result]:
    receipt = host.store.put_status(body["put_id"])
    yield {"put_id": body["put_id"], "committed": receipt is not None, "result": None if receipt is None else answer(receipt)}


#: Every action by its name, in the order in which list_actions tells them.
ACTIONS: Mapping[str, Action] = {
    "health": Action("Whether the server is well: its calls, its store, its plugins.", {}, _health),
    "server_info": Action("What the server is: versions, limits, formats, content encodings.", {}, _server_info),
    "formats": Action("The formats that are served now, with their extensions and options; one result each.", {}, _formats),
    "plugins": Action("Every plugin, served or not, with its state and last error; one result each.", {}, _plugins),
    "plugin": Action('One plugin: {"name"}.', {"name": str}, _plugin),
    "reload": Action("Scan the plugin folder now; one result for each plugin that changed.", {}, _reload),
    "rollback": Action('Put the previous good generation of a plugin back: {"plugin"}.', {"plugin": str}, _rollback),
    "versions": Action('The readable versions of a dataset, oldest first: {"dataset"}.', {"dataset": str}, _versions),
    "drop": Action('Drop a dataset: {"dataset"}.', {"dataset": str}, _drop),
    "put_status": Action('Whether a put was committed, and its answer: {"put_id"}.', {"put_id": str}, _put_status),
}
