"""`plugin list`: what a server would serve, or does serve, a line a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flight_server.authoring.quiet import Remark, loaded
from flight_server.config import PluginsConfig

COLUMNS = ("name", "version", "origin", "extensions", "does", "state", "file", "last_error")


def as_configured(config: PluginsConfig, remark: Remark) -> list[dict[str, Any]]:
    """Return what a server with ``config`` would serve, without one; ``remark`` is told what else it would say."""
    with loaded(config, remark) as manager:
        return [_row(status.as_dict()) for status in manager.statuses()]


def as_served(uri: str, token: str | None) -> list[dict[str, Any]]:
    """Ask the server at ``uri``; raises ``flight_client.errors.FlightClientError``."""
    import flight_client  # noqa: PLC0415 - the one question that needs the client

    with flight_client.connect(uri, token=token) as client:
        return [_row(each) for each in client.plugins()]


def _row(status: Mapping[str, Any]) -> dict[str, Any]:
    can = status.get("capabilities") or {}
    does = "+".join(f"{verb}s" for verb in ("read", "write") if can.get(verb))
    return {**{name: list(value) if isinstance(value, tuple) else value for name, value in status.items()}, "does": does}
