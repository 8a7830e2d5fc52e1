"""The plugin folder as it is now: scanned, settled and hashed, reading only what has changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flight_server.plugins.plan import Scanned
from flight_server.plugins.scanner import Signature, newest_change, scan, sign
from flight_server.plugins.security import Guard
from flight_server.plugins.settler import Settler
from flight_server.plugins.source import Source, Unreadable, read
from flight_server.plugins.writers import is_being_written

# File systems stamp changes with a coarse clock: a file hashed this soon after a change may change again without
# its signature moving, so it is hashed again until it is older. Git calls such entries racy.
RACY_SECS = 2.0


@dataclass(frozen=True, slots=True)
class View:
    """One look at the folder. ``sources`` holds what had to be read for it; ``due_secs`` is when to look again, if known.

    ``open_files`` says of each plugin that is being written which file it is: of a package, one inside.
    """

    scanned: Scanned
    sources: Mapping[str, Source | Unreadable]
    open_files: Mapping[str, str]
    due_secs: float | None


@dataclass(frozen=True, slots=True)
class _Digest:
    signature: Signature
    sha256: str
    racy: bool


class Folder:
    """Looks at one folder, one thread at a time."""

    def __init__(
        self,
        path: Path,
        *,
        settle_secs: float,
        limit_bytes: int,
        guard: Guard | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._limit_bytes = limit_bytes
        self._guard = guard or Guard()
        self._settler = Settler(settle_secs)
        self._digests: dict[str, _Digest] = {}
        self._clock = clock
        self._wall = wall

    def look(self, *, settled: bool = True) -> View:
        """Scan the folder; with ``settled`` only files at rest count, without it all but those that have a writer.

        Raises ``OSError`` when the folder is not there or cannot be read, and ``Refused`` when it is not to be trusted.
        """
        self._guard.check_folder(self.path)
        now = self._clock()
        found = scan(self.path)
        moving = self._settler.observe(found, now)
        if not settled:
            moving = frozenset()
        still: dict[str, str] = {}
        written: dict[str, str] = {}
        sources: dict[str, Source | Unreadable] = {}
        for file in [file for file in found if file not in moving]:
            digest = self._known(file, found[file])
            if digest is None:
                sources[file] = source = self.read(file)
                # Both are asked after reading: what came meanwhile may have been read half way.
                open_file = self._open_file(source)
                if open_file is not None:
                    written[file] = open_file
                if open_file is not None or (settled and sign(self.path / file) != found[file]):
                    self._settler.disturb(file, now)
                    moving |= {file}
                    continue
                digest = self._remember(file, found[file], source.sha256)
            still[file] = digest
        self._digests = {file: digest for file, digest in self._digests.items() if file in found}
        due_secs = self._settler.due(now)
        if due_secs is not None:  # what came to rest during the look is due, not forgotten
            due_secs = max(due_secs - (self._clock() - now), 0.0)
        return View(Scanned(still, moving - written.keys(), frozenset(written)), sources, written, due_secs)

    def read(self, file: str) -> Source | Unreadable:
        """Read one plugin of the folder as it is now."""
        return read(self.path / file, limit_bytes=self._limit_bytes, guard=self._guard)

    def _open_file(self, source: Source | Unreadable) -> str | None:
        """Return which file of a plugin somebody has open for writing, None if none."""
        if isinstance(source, Unreadable):
            return None
        names = (f"{source.file}/{name}" if source.is_package else name for name in source.files)
        return next((name for name in names if is_being_written(self.path / name)), None)

    def _known(self, file: str, signature: Signature) -> str | None:
        known = self._digests.get(file)
        return known.sha256 if known and known.signature == signature and not known.racy else None

    def _remember(self, file: str, signature: Signature, sha256: str) -> str:
        racy = self._wall() - newest_change(signature) < RACY_SECS
        self._digests[file] = _Digest(signature, sha256, racy)
        return sha256
