"""What a TLS connection is checked by, and what it shows of itself."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from flight_client.errors import BadRequest

#: A PEM text as bytes, or the path of a file that has it.
Pem: TypeAlias = bytes | str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a ``grpc+tls://`` server is known, and how this client shows who it is.

    ``root_certificates`` are whose word is believed, the system's if left out. ``certificate`` and ``key`` are this
    client's own (mutual TLS), and go together. ``server_name`` is the name in the server's certificate when it is not the
    one in the address. Each is PEM bytes or a path; a file is read when the client is made, and ``OSError`` says what
    is wrong with it.
    """

    root_certificates: Pem | None = None
    certificate: Pem | None = None
    key: Pem | None = field(default=None, repr=False)
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise BadRequest("a client's certificate and its key go together: give both, or neither")

    def arguments(self) -> dict[str, Any]:
        """Return what ``pyarrow.flight.FlightClient`` takes."""
        return {
            "tls_root_certs": _pem(self.root_certificates),
            "cert_chain": _pem(self.certificate),
            "private_key": _pem(self.key),
            "override_hostname": self.server_name,
        }


def _pem(given: Pem | None) -> bytes | None:
    return given if given is None or isinstance(given, bytes) else Path(given).read_bytes()
