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
from flight_server.plugins.security import Guard, Refused
from format_plugins.native.filename import library_name


@dataclass(frozen=True, slots=True)
class Source:
    r"""A plugin's files by their names relative to the plugin: one for a module or a library, more for a package.

    ``sha256`` of one file is that of the file. Of a package it is that of the lines ``<sha256>  <name>\n`` of all its
    files in name order, which is what ``sha256sum`` prints.
    """

    path: Path
    files: Mapping[str, bytes]
    sha256: str
    is_package: bool

    @property
    def file(self) -> str:
        """The base name of the module, library or package folder."""
        return self.path.name

    @property
    def is_installed(self) -> bool:
        """Whether it is an entry point of a distribution, and not a file."""
        return self.path.parent.suffix == ".dist-info"

    @property
    def is_native(self) -> bool:
        """Whether it is a shared library, whose one file ``content`` is."""
        return not self.is_package and not self.is_installed and library_name(self.file) is not None

    @property
    def content(self) -> bytes:
        """The bytes of a plugin of one file."""
        return self.files[self.file]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A plugin whose bytes could not be had. ``sha256`` stands for the reason: it is tried again when that changes."""

    path: Path
    sentence: str

    @property
    def file(self) -> str:
        """The base name of the module, library or package folder."""
        return self.path.name

    @property
    def sha256(self) -> str:
        """No digest, yet the same for the same reason."""
        return f"unreadable: {self.sentence}"


def read(path: Path, *, limit_bytes: int, guard: Guard | None = None) -> Source | Unreadable:
    """Read the plugin at ``path``, all of its files together at most ``limit_bytes`` long, if ``guard`` lets it pass."""
    guard = guard or Guard()
    try:
        guard.check_link(path, path.name)
        if not path.is_dir():
            content = _read_file(path, limit_bytes, guard)
            return Source(path, {path.name: content}, hashlib.sha256(content).hexdigest(), is_package=False)
        files = _read_package(path, limit_bytes, guard)
    except Refused as error:
        return Unreadable(path, error.sentence)
    except OSError as error:
        return Unreadable(path, f"{path.name} cannot be read: {error.strerror or without_folders(str(error))}")
    except _TooLargeError:
        return Unreadable(path, f"{path.name} is larger than the {limit_bytes:,} bytes of plugins.max_plugin_bytes")
    return Source(path, files, _digest(files), is_package=True)


class _TooLargeError(Exception):
    """More bytes than a plugin may have."""


def _read_package(path: Path, limit: int, guard: Guard) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    folders: set[Path] = set()
    for name, _ in package_files(path):
        guard.check_link(path / name, f"{path.name}/{name}")
        files[name] = _read_file(path / name, limit, guard)
        limit -= len(files[name])
        folders.update(parent for parent in (path / name).parents if parent.is_relative_to(path))
    for folder in sorted(folders):
        guard.check_file(folder, folder.stat(), folder.relative_to(path.parent).as_posix())
    return files


def _read_file(path: Path, limit: int, guard: Guard) -> bytes:
    # Opening a named pipe that has taken the file's place must not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | guard.opening())
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path.name} is not a regular file")
        # What was opened is what is looked at: another file may have taken its name meanwhile.
        guard.check_file(path, status, path.name)
        content = file.read(limit + 1)
    if len(content) > limit:
        raise _TooLargeError
    return content


def _digest(files: Mapping[str, bytes]) -> str:
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
