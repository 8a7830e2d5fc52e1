"""Files that are there whole or not at all, and the formats that their names stand for."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from flight_client.errors import UnknownFormat

#: Which content encoding each suffix stands for.
ENCODINGS: Mapping[str, str] = {
    ".gz": "gzip",
    ".zst": "zstd",
    ".lz4": "lz4",
    ".bz2": "bz2",
    ".sz": "snappy",
    ".xz": "xz",
    ".br": "brotli",
}
#: Says that a file is not compressed, whatever its name ends with.
IDENTITY = "identity"


class Formats:
    """Which format and content encoding a file's name stands for, as the server reads names."""

    def __init__(self, extensions: Callable[[], Mapping[str, str]]) -> None:
        self._ask = extensions
        self._known: Mapping[str, str] = {}

    def of(self, path: str, format_name: str | None, content_encoding: str | None) -> tuple[str, str | None]:
        """Fill in what was not said; raise ``UnknownFormat`` when the name does not tell."""
        if content_encoding is None:
            content_encoding = split(path)[1]
        elif content_encoding == IDENTITY:
            content_encoding = None
        return format_name or self._by_extension(path), content_encoding

    def _by_extension(self, path: str) -> str:
        name = by_extension(path, self._known)
        if name is None:  # a plugin may have been loaded since
            self._known = self._ask()
            name = by_extension(path, self._known)
        if name is None:
            known = sorted(self._known)
            raise UnknownFormat(
                f"no loaded format has the extension of {Path(path).name!r} (known: {', '.join(known)}): name the format",
                detail={"known": known},
            )
        return name


def split(path: str) -> tuple[str, str | None]:
    """Return a file's name without the suffix of its content encoding, and that encoding."""
    name = Path(path).name
    stem, dot, suffix = name.rpartition(".")
    encoding = ENCODINGS.get(dot + suffix.lower()) if stem else None
    return (name if encoding is None else stem), encoding


def by_extension(path: str, extensions: Mapping[str, str]) -> str | None:
    """Return the format of the longest extension of ``path`` that ``extensions`` knows."""
    stem, _ = split(path)
    for position in (index for index, letter in enumerate(stem) if letter == "." and index):
        if (name := extensions.get(stem[position:].lower())) is not None:
            return name
    return None


def replaceable(path: str | os.PathLike[str]) -> bool:
    """Say whether ``path`` is a file, or will be one: devices and pipes show what is written to them at once."""
    target = Path(path).resolve()  # a link stays, what it points at is replaced
    return target.is_file() or not target.exists()


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open ``path`` to be written: it has its new contents when the block ends well, and is untouched otherwise."""
    target = Path(path).resolve()
    if not replaceable(target):
        with target.open("wb") as device:  # such as /dev/stdout: nothing can take its place
            yield device
        return
    part = target.with_name(f".{target.name[:200]}.{uuid.uuid4().hex[:12]}.part")
    try:
        with _created(part, target) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _created(part: Path, target: Path) -> IO[bytes]:
    try:
        return part.open("xb")
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(target)) from None  # the name that the caller knows
