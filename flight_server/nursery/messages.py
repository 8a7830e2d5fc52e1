"""What the server and the prepared parent tell each other over the control socket, a datagram a message."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from flight_server.config import PluginLimits

#: A message is far smaller than this.
MESSAGE_BYTES = 16 << 10


class Order(msgspec.Struct, frozen=True):
    """Fork a child for ``task``; the datagram carries its connection, its standard output and its standard error.

    ``spool`` is the folder for its own files.
    """

    id: int
    task: str
    limits: PluginLimits
    spool: str


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The parent has imported everything and takes orders."""


class Born(msgspec.Struct, frozen=True, tag=True):
    """The child that was ordered runs; the datagram carries a descriptor of its process (``pidfd_open(2)``)."""

    id: int
    pid: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The child that was ordered could not be forked."""

    id: int
    why: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """A child has ended: its status as ``wait(2)`` gives it, the most memory that it held, the processor time it used."""

    id: int
    status: int
    peak_bytes: int
    cpu_secs: float


Report: TypeAlias = Ready | Born | Refused | Ended
