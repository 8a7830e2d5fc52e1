"""What a file's name says: the dataset, the format, and how it is packed, as the server's short form reads names."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flight_client.client import Client
from flight_client.errors import UnknownFormat
from flight_client.files import IDENTITY, split


@dataclass(frozen=True, slots=True)
class Named:
    """A file's name, read."""

    stem: str  # without the extension and the suffix of the packing
    format: str
    encoding: str | None


class Names:
    """Reads names with the extensions of the formats that a server has, which is asked when it is needed."""

    def __init__(self, extensions: Mapping[str, str]) -> None:
        self._extensions = extensions

    @classmethod
    def of(cls, client: Client) -> Names:
        """Ask ``client`` for the extensions."""
        return cls({extension: item["name"] for item in client.formats() for extension in item["extensions"]})

    def read(self, path: str, format_name: str | None = None, encoding: str | None = None, *, flag: str) -> Named:
        """Read ``path``; what is given goes first.

        Raises ``UnknownFormat`` when nothing tells the format, which says that ``flag`` does, and ``IsADirectoryError``
        when that is since there is no file.
        """
        plain, packed = split(path)
        stem, found = self._longest(plain)
        if format_name is None and found is None:
            if Path(path).is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            known = sorted(self._extensions)
            raise UnknownFormat(
                f"no loaded format has the extension of {Path(path).name!r} (known: {', '.join(known)}): "
                f"{flag} names the format",
                detail={"known": known},
            )
        chosen = packed if encoding is None else encoding
        return Named(stem, format_name or found or "", None if chosen == IDENTITY else chosen)

    def _longest(self, plain: str) -> tuple[str, str | None]:
        for position in (index for index, letter in enumerate(plain) if letter == "." and index):
            if (found := self._extensions.get(plain[position:].lower())) is not None:
                return plain[:position], found
        return plain, None
