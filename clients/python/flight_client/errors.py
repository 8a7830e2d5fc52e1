"""Every error that this client raises: its code, and who is to blame.

FlightClientError
    Refused                     blame: client
        BadRequest              bad_request
        UnknownDataset          unknown_dataset
        UnknownFormat           unknown_format
        UnknownOption           unknown_option
        UnknownVersion          unknown_version
        DatasetExists           dataset_exists
        SchemaMismatch          schema_mismatch
        BadPayload              bad_payload
        Unsupported             unsupported
        LimitExceeded           limit_exceeded
        Unauthenticated         unauthenticated
        Forbidden               forbidden
        IncompletePut           incomplete_put
    PluginFault                 blame: plugin
        PluginFailed            plugin_failed
        PluginCrashed           plugin_crashed
        PluginTimeout           plugin_timeout
    ServerFault                 blame: server
        Busy                    busy
        ShuttingDown            shutting_down
        StorageFull             storage_full
        Internal                internal
    NoAnswer                    blame: network
        Unavailable             unavailable
        DeadlineExceeded        deadline_exceeded
    Cancelled                   blame: client; code: cancelled

All but the last three are the server's own. A code that a newer server has and this client does not know is a
``FlightClientError`` with that code; an error that has none has the code ``unknown``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import flight


class FlightClientError(Exception):
    """What went wrong, as the server said it.

    ``code`` is stable and ``detail`` holds what a program can use (row, column, known names); ``blame`` is ``client``,
    ``plugin``, ``server`` or ``network``. Under ``id`` the server's log says more; it is empty when no server spoke.
    ``retryable`` says that the same request, unchanged, may succeed in a moment.
    """

    code: str = "unknown"
    blame: str = ""
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        blame: str = "",
        error_id: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.blame = blame or type(self).blame
        self.id = error_id
        self.detail: Mapping[str, Any] = detail or {}


class Refused(FlightClientError):
    """The request or its data is wrong; sending it again as it is will fail again."""

    blame = "client"


class BadRequest(Refused):
    """The request cannot be understood."""

    code = "bad_request"


class UnknownDataset(Refused):
    """There is no such dataset."""

    code = "unknown_dataset"


class UnknownFormat(Refused):
    """No loaded plugin has this format."""

    code = "unknown_format"


class UnknownOption(Refused):
    """The format has no such option, or the option cannot have this value."""

    code = "unknown_option"


class UnknownVersion(Refused):
    """The dataset has no such version any more, or not yet."""

    code = "unknown_version"


class DatasetExists(Refused):
    """The dataset was to be created, and is there."""

    code = "dataset_exists"


class SchemaMismatch(Refused):
    """The data has not the schema of the dataset that it was to be added to."""

    code = "schema_mismatch"


class BadPayload(Refused):
    """The data is broken; ``detail`` says where, as far as the format knows."""

    code = "bad_payload"


class Unsupported(Refused):
    """What was asked for is understood, and not offered."""

    code = "unsupported"


class LimitExceeded(Refused):
    """A limit of the server was passed."""

    code = "limit_exceeded"


class Unauthenticated(Refused):
    """The server does not know who is asking."""

    code = "unauthenticated"


class Forbidden(Refused):
    """Who is asking may not do this."""

    code = "forbidden"


class IncompletePut(Refused):
    """The server did not get all that was sent, and has stored nothing."""

    code = "incomplete_put"


class PluginFault(FlightClientError):
    """A plugin misbehaved; its author has something to repair."""

    blame = "plugin"


class PluginFailed(PluginFault):
    """The plugin raised an error that is not about the data."""

    code = "plugin_failed"


class PluginCrashed(PluginFault):
    """The plugin's process died."""

    code = "plugin_crashed"


class PluginTimeout(PluginFault):
    """The plugin took too long."""

    code = "plugin_timeout"


class ServerFault(FlightClientError):
    """The server cannot do it now; the same request may succeed later."""

    blame = "server"


class Busy(ServerFault):
    """The server has too much to do."""

    code = "busy"
    retryable = True


class ShuttingDown(ServerFault):
    """The server is stopping."""

    code = "shutting_down"
    retryable = True


class StorageFull(ServerFault):
    """The server has no room left."""

    code = "storage_full"


class Internal(ServerFault):
    """The server failed; its log says more under ``id``."""

    code = "internal"


class NoAnswer(FlightClientError):
    """No answer came; whether a put was stored is not known (``Client.put_status`` tells)."""

    blame = "network"


class Unavailable(NoAnswer):
    """No connection to the server, or it broke."""

    code = "unavailable"
    retryable = True


class DeadlineExceeded(NoAnswer):
    """The server did not answer in time."""

    code = "deadline_exceeded"
    retryable = True


class Cancelled(FlightClientError):
    """The caller's own ``Cancel`` ended the call, or another thread closed the stream that was being read."""

    code = "cancelled"
    blame = "client"


@contextmanager
def translated() -> Iterator[None]:
    """Turn what pyarrow raises within the block into errors of this module."""
    try:
        yield
    except FlightClientError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise from_flight(error) from None


def from_flight(error: BaseException) -> FlightClientError:
    """Return the error that ``error``, raised by pyarrow, stands for.

    ``extra_info`` is believed first, then the ``[code]`` in the message, then the type.
    """
    text = str(error)
    members = _extra_info(error)
    said = _SAID.search(text)
    code = members.get("code") or (said["code"] if said else _code_of_type(error))
    kind = _by_code().get(code, FlightClientError)
    return kind(
        said["sentence"] if said else _first_sentence(text),
        code=code,
        blame=members.get("blame", ""),
        error_id=members.get("id") or (said["id"] if said else ""),
        detail=members.get("detail"),
    )


#: The server's message. gRPC repeats it further on, in what it calls its debug context: the first one ends first.
_SAID = re.compile(r"\[(?P<code>[a-z_]+)\] (?P<sentence>.*?) \(id (?P<id>[0-9a-f]+)\)", re.DOTALL)
_DEBUG_CONTEXT = re.compile(r"\.? *(gRPC client debug context|Client context|Detail):.*", re.DOTALL)
_PREAMBLE = re.compile(
    r"^(IOError: )?((Flight returned \w+ error, with message|Flight cancelled call, with message|Flight error): )?"
    r"(failed to connect to all addresses; last error: \w+: )?"
)


def _extra_info(error: BaseException) -> dict[str, Any]:
    try:
        members = json.loads(getattr(error, "extra_info", None) or b"{}")
    except (ValueError, TypeError):  # of a server that is none of ours
        return {}
    return members if isinstance(members, dict) and isinstance(members.get("code"), str) else {}


def _code_of_type(error: BaseException) -> str:
    if isinstance(error, flight.FlightUnavailableError | flight.FlightCancelledError):
        return Unavailable.code
    if isinstance(error, flight.FlightTimedOutError):
        return DeadlineExceeded.code
    return FlightClientError.code


def _first_sentence(text: str) -> str:
    return _DEBUG_CONTEXT.sub("", _PREAMBLE.sub("", text)).splitlines()[0] if text else "no reason was given"


def _by_code(root: type[FlightClientError] = FlightClientError) -> dict[str, type[FlightClientError]]:
    found = {}
    for kind in root.__subclasses__():
        found.update({kind.code: kind} if "code" in vars(kind) else _by_code(kind))
    return found
