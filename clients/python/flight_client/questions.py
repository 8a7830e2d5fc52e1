"""Questions to a server, each with a deadline, and asked again where that does no harm."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Mapping
from typing import Any

from pyarrow import flight

from flight_client.errors import FlightClientError
from flight_client.line import Line
from flight_client.results import DatasetInfo, PutResult
from flight_client.sending import message

#: The actions that only look: asking them twice does no more than asking them once.
_LOOKING = frozenset({"formats", "health", "plugin", "plugins", "put_status", "server_info", "versions"})


class Questions:
    """What can be asked over a line; and done, where it is done at once."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def list(self, prefix: str = "") -> builtins.list[DatasetInfo]:
        """Return the datasets whose names begin with ``prefix``, in name order."""
        criteria = message({"prefix": prefix}) if prefix else b""
        return self._line.ask(
            lambda options: [DatasetInfo.of(info) for info in self._line.flight.list_flights(criteria, options)]  # type: ignore[arg-type]  # the stubs ask for text
        )

    def info(self, dataset: str, *, version: int | None = None) -> DatasetInfo:
        """Return what is known of a dataset, or of one version of it, without reading its rows."""
        descriptor = flight.FlightDescriptor.for_command(message({"dataset": dataset, "version": version}))
        return self._line.ask(lambda options: DatasetInfo.of(self._line.flight.get_flight_info(descriptor, options)))

    def versions(self, dataset: str) -> builtins.list[dict[str, Any]]:
        """Return the versions of a dataset that can be read, oldest first."""
        return self.action("versions", {"dataset": dataset})

    def drop(self, dataset: str) -> dict[str, Any]:
        """Drop a dataset; streams that read it go on to their end."""
        return self._answer("drop", {"dataset": dataset})

    def formats(self) -> builtins.list[dict[str, Any]]:
        """Return the formats that the server has now: name, extensions, capabilities, options and more."""
        return self.action("formats")

    def plugins(self) -> builtins.list[dict[str, Any]]:
        """Return every plugin, served or not, with its state and its last error."""
        return self.action("plugins")

    def reload(self) -> builtins.list[dict[str, Any]]:
        """Have the plugin folder, and the options of plugins, looked at now; return what changed."""
        return self.action("reload")

    def rollback(self, plugin: str) -> dict[str, Any]:
        """Have the bytes serve that ``plugin`` had before the present ones; return its status."""
        return self._answer("rollback", {"plugin": plugin})

    def health(self) -> dict[str, Any]:
        """Return how the server is."""
        return self._answer("health")

    def put_status(self, put_id: str) -> PutResult | None:
        """Return the answer of the put with this id, or None when it was not stored."""
        return _status(self._answer("put_status", {"put_id": put_id}))

    def action(self, name: str, body: Mapping[str, Any] | None = None) -> builtins.list[dict[str, Any]]:
        """Carry out any action of the server's, and return its results.

        An action that changes something is made again only when the server turned it away unseen.
        """
        return self._line.ask(self._question(name, body), safe=name in _LOOKING)

    def _answer(self, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return _only(name, self.action(name, body))

    def _put_status_once(self, put_id: str) -> PutResult | None:
        question = self._question("put_status", {"put_id": put_id})
        return _status(_only("put_status", self._line.ask_once(question)))

    def _question(
        self, name: str, body: Mapping[str, Any] | None
    ) -> Callable[[flight.FlightCallOptions], builtins.list[dict[str, Any]]]:
        action = flight.Action(name, message(body or {}))
        return lambda options: [json.loads(result.body.to_pybytes()) for result in self._line.flight.do_action(action, options)]


def _only(name: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    if len(results) != 1:
        raise FlightClientError(f"the server answered {name!r} {len(results)} times, not once")
    return results[0]


def _status(answer: Mapping[str, Any]) -> PutResult | None:
    return PutResult.of(answer["result"]) if answer["committed"] else None
