"""Files that are there whole or not at all, and the formats that their names stand for."""

from __future__ import annotations

import errno
import os
import re
import stat
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
    if _descriptor(path) is not None:
        return False
    target = Path(path).resolve()  # a link stays, what it points at is replaced
    return target.is_file() or not target.exists()


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open ``path`` to be written: it has its new contents when the block ends well, and is untouched otherwise.

    A file that is replaced keeps its permissions, and one that may not be written is not replaced.
    """
    if not replaceable(path):
        yield from _shown(path)
        return
    target = Path(path).resolve()
    part = target.with_name(f".{target.name[:200]}.{uuid.uuid4().hex[:12]}.part")
    try:
        with _created(part, target, path) as file:
            yield file
            with naming(path):
                file.flush()
                os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Have the failure of a write within the block name ``path``: the system's own does not."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # Python's own, of a file that cannot do this
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _shown(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    number = _descriptor(path)
    # A stream that is open is written on from where it stands: opening it by its name would begin it anew.
    with naming(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC) if number is None else os.dup(number)
    file = os.fdopen(descriptor, "wb")
    try:
        yield file
    finally:
        with naming(path):
            file.close()


def _created(part: Path, target: Path, path: str | os.PathLike[str]) -> IO[bytes]:
    """Open ``part``, as who may write ``target``; errors have the name that the caller knows."""
    with naming(path):
        if os.fspath(path).endswith(os.sep):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        there = target.stat() if target.exists() else None
        if there is not None and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        file = part.open("xb")
        if there is not None:
            part.chmod(stat.S_IMODE(there.st_mode))
        return file


#: The names of streams that this process has open. Where such a stream leads is not to be replaced under who reads it.
_STREAM = re.compile(r"/dev/(?P<name>stdout|stderr)|(?:/dev|/proc/self)/fd/(?P<number>\d+)")


def _descriptor(path: str | os.PathLike[str]) -> int | None:
    found = _STREAM.fullmatch(os.fspath(path))
    if found is None:
        return None
    return int(found["number"]) if found["number"] else {"stdout": 1, "stderr": 2}[found["name"]]
