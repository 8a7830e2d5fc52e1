"""The bytes of one plugin, read once: what is hashed is what runs."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flight_server.plugins.failure import without_folders
from flight_server.plugins.scanner import package_files


@dataclass(frozen=True, slots=True)
class Source:
    r"""A plugin's files by their names relative to the plugin: one for a module, ``__init__.py`` and more for a package.

    ``sha256`` of a module is that of the file. Of a package it is that of the lines ``<sha256>  <name>\n`` of all its
    files in name order, which is what ``sha256sum`` prints.
    """

    path: Path
    files: Mapping[str, bytes]
    sha256: str
    is_package: bool

    @property
    def file(self) -> str:
        """The base name of the module or package folder."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A plugin whose bytes could not be had. ``sha256`` stands for the reason: it is tried again when that changes."""

    path: Path
    sentence: str

    @property
    def file(self) -> str:
        """The base name of the module or package folder."""
        return self.path.name

    @property
    def sha256(self) -> str:
        """No digest, yet the same for the same reason."""
        return f"unreadable: {self.sentence}"


def read(path: Path, *, limit_bytes: int) -> Source | Unreadable:
    """Read the plugin at ``path``, all of its files together at most ``limit_bytes`` long."""
    try:
        if not path.is_dir():
            content = _read_file(path, limit_bytes)
            return Source(path, {path.name: content}, hashlib.sha256(content).hexdigest(), is_package=False)
        files: dict[str, bytes] = {}
        left = limit_bytes
        for name, _ in package_files(path):
            files[name] = _read_file(path / name, left)
            left -= len(files[name])
    except OSError as error:
        return Unreadable(path, f"{path.name} cannot be read: {error.strerror or without_folders(str(error))}")
    except _TooLargeError:
        return Unreadable(path, f"{path.name} is larger than the {limit_bytes:,} bytes of plugins.max_plugin_bytes")
    return Source(path, files, _digest(files), is_package=True)


class _TooLargeError(Exception):
    """More bytes than a plugin may have."""


def _read_file(path: Path, limit: int) -> bytes:
    # Opening a named pipe that has taken the file's place must not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path.name} is not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise _TooLargeError
    return content


def _digest(files: Mapping[str, bytes]) -> str:
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
