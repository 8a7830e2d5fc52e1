"""Every error that a client can see: its code, and who is to blame.

ServerError
    ClientError                 blame: client
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
    HostError                   blame: server
        Busy                    busy
        ShuttingDown            shutting_down
        StorageFull             storage_full
        Internal                internal

Nothing here knows Flight: ``boundary.py`` turns these, and whatever else is raised, into Flight errors.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Blame = Literal["client", "plugin", "server"]


class ServerError(Exception):
    """A failure with a stable code. ``detail`` holds what a program can use: row, column, known names."""

    code: ClassVar[str]
    blame: ClassVar[Blame]

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__(message)
        self.detail = {key: value for key, value in detail.items() if value is not None}


class ClientError(ServerError):
    """The request or its data is wrong; sending it again as it is will fail again."""

    blame = "client"


class BadRequest(ClientError):
    code = "bad_request"


class UnknownDataset(ClientError):
    code = "unknown_dataset"


class UnknownFormat(ClientError):
    code = "unknown_format"


class UnknownOption(ClientError):
    code = "unknown_option"


class UnknownVersion(ClientError):
    code = "unknown_version"


class DatasetExists(ClientError):
    code = "dataset_exists"


class SchemaMismatch(ClientError):
    code = "schema_mismatch"


class BadPayload(ClientError):
    code = "bad_payload"


class Unsupported(ClientError):
    code = "unsupported"


class LimitExceeded(ClientError):
    code = "limit_exceeded"


class Unauthenticated(ClientError):
    code = "unauthenticated"


class Forbidden(ClientError):
    code = "forbidden"


class IncompletePut(ClientError):
    code = "incomplete_put"


class PluginFault(ServerError):
    """A plugin misbehaved; its author has something to repair."""

    blame = "plugin"


class PluginFailed(PluginFault):
    code = "plugin_failed"


class PluginCrashed(PluginFault):
    code = "plugin_crashed"


class PluginTimeout(PluginFault):
    code = "plugin_timeout"


class HostError(ServerError):
    """The server cannot do it now; the same request may succeed later."""

    blame = "server"


class Busy(HostError):
    code = "busy"


class ShuttingDown(HostError):
    code = "shutting_down"


class StorageFull(HostError):
    code = "storage_full"


class Internal(HostError):
    code = "internal"
