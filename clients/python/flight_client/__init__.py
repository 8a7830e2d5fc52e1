"""A client of the Distributed Transformer: puts, gets and converts data over Arrow Flight."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flight_client.cancelling import Cancel
    from flight_client.client import Client, connect
    from flight_client.documents import Document
    from flight_client.errors import FlightClientError
    from flight_client.results import DatasetInfo, Progress, PutResult
    from flight_client.retries import Retries
    from flight_client.streams import Stream
    from flight_client.tls import Tls

__all__ = [
    "Cancel",
    "Client",
    "DatasetInfo",
    "Document",
    "FlightClientError",
    "Progress",
    "PutResult",
    "Retries",
    "Stream",
    "Tls",
    "connect",
]

#: Which module each name is of. They are imported when they are asked for: the command's help need not wait for pyarrow.
_HOMES = {
    "cancelling": ("Cancel",),
    "client": ("Client", "connect"),
    "documents": ("Document",),
    "errors": ("FlightClientError",),
    "results": ("DatasetInfo", "Progress", "PutResult"),
    "retries": ("Retries",),
    "streams": ("Stream",),
    "tls": ("Tls",),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
