"""Segments: immutable Arrow IPC streams, and the folders that hold those too large for the catalogue.

The IPC *stream*, not the file: the file format refuses a dictionary that changes on the way.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from flight_server.failpoints import Failpoints

SUFFIX = ".arrows"
_FOLDERS = [f"{number:02x}" for number in range(256)]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stored segment: ``size`` bytes whose xxh3_128 is ``digest``; in the file of that name, or inline when None."""

    id: int
    rows: int
    size: int
    digest: bytes
    file: str | None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A segment that is complete and not yet in the catalogue: its bytes as ``data``, or durable in staging as ``file``."""

    rows: int
    size: int
    digest: bytes
    data: bytes | None
    file: str | None


class SegmentFolder:
    """``staging/`` and ``segments/<2 hex digits>/`` of a store. Names are made here; no client's word becomes a path."""

    def __init__(self, root: Path, failpoints: Failpoints) -> None:
        self._staging = root / "staging"
        self._segments = root / "segments"
        self._failpoints = failpoints

    def make(self) -> None:
        """Make the folders that are missing, durably."""
        self._staging.mkdir(parents=True, exist_ok=True)
        self._segments.mkdir(exist_ok=True)
        missing = [name for name in _FOLDERS if not (self._segments / name).is_dir()]
        for name in missing:
            (self._segments / name).mkdir()
        if missing:
            sync_folder(self._segments)
            sync_folder(self._segments.parent)

    def create(self) -> tuple[str, int]:
        """Make a file in staging; return its name and a descriptor to write to."""
        name = uuid.uuid4().hex
        return name, os.open(self._staged(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def discard(self, name: str) -> None:
        """Remove a staged file."""
        self._staged(name).unlink(missing_ok=True)

    def place(self, names: Collection[str]) -> None:
        """Move staged files to where they stay; those that are there already stay."""
        for name in names:
            self._failpoints.hit("store.segment.rename")
            with contextlib.suppress(FileNotFoundError):
                self._staged(name).rename(self.path(name))
            self._failpoints.hit("store.segment.renamed")

    def sync(self, names: Collection[str]) -> None:
        """Make the places of these files durable, one fsync a folder."""
        for folder in sorted({self.path(name).parent for name in names}):
            self._failpoints.hit("store.folder.fsync")
            sync_folder(folder)
            self._failpoints.hit("store.folder.fsynced")

    def withdraw(self, names: Collection[str]) -> None:
        """Remove files of a change that failed, wherever they are."""
        for name in names:
            for path in (self._staged(name), self.path(name)):
                with contextlib.suppress(OSError):  # the next start sweeps what is left
                    path.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a segment's file; its row in the catalogue is gone already."""
        self.path(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Return where a segment's file stays."""
        return self._segments / name[:2] / f"{name}{SUFFIX}"

    def names(self) -> Iterator[str]:
        """Yield the name of each segment's file that is there."""
        for folder in _FOLDERS:
            with os.scandir(self._segments / folder) as entries:
                yield from (entry.name.removesuffix(SUFFIX) for entry in entries if entry.name.endswith(SUFFIX))

    def clear_staging(self) -> int:
        """Remove what puts of an earlier process left; return how many files."""
        left = list(self._staging.iterdir())
        for path in left:
            path.unlink()
        return len(left)

    def _staged(self, name: str) -> Path:
        return self._staging / f"{name}{SUFFIX}"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
