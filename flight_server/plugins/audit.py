"""The audit log: what became of every plugin, a line of JSON each, only ever appended to."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

import structlog

#: In the order of a plugin's life. verified: its bytes may run. tried: it loads. undeployed: its file is gone.
Event: TypeAlias = Literal[
    "discovered", "verified", "tried", "active", "draining", "retired",
    "rejected", "quarantined", "rolled back", "restored", "undeployed",
]  # fmt: skip

#: A log that has grown to this is renamed to ``<name>.1``, whose older content is dropped.
MAX_BYTES = 16 << 20
_REASON_CHARS = 1000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step of one plugin. ``at`` is in seconds since 1970; None is now."""

    event: Event
    plugin: str
    file: str
    from_generation: int | None = None
    to_generation: int | None = None
    sha256: str | None = None
    reason: str | None = None
    at: float | None = None


class AuditLog:
    """Appends to ``path``; to nothing when it is None. Safe for threads. A failure to write is logged, and stops nothing.

    The file is opened for every line, so that it may be renamed or removed by others at any time. A line is one write.
    """

    def __init__(self, path: Path | None, *, wall: Callable[[], float] = time.time, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._wall = wall
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._fault: str | None = None
        self._torn = False
        self._log = structlog.get_logger("flight_server.plugins")

    def note(self, step: Transition) -> None:
        """Append one line."""
        if self._path is None:
            return
        line = self._line(step)
        with self._lock:
            try:
                self._append(self._path, line)
            except OSError as error:
                self._note_fault(error.strerror or type(error).__name__)
            else:
                self._note_fault(None)

    def _line(self, step: Transition) -> bytes:
        at = datetime.fromtimestamp(self._wall() if step.at is None else step.at, UTC)
        members = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event": step.event,
            "plugin": step.plugin,
            "file": step.file,
            "from_generation": step.from_generation,
            "to_generation": step.to_generation,
            "sha256": step.sha256,
            "result": "failed" if step.event in {"rejected", "quarantined"} else "ok",
            "reason": step.reason and step.reason[:_REASON_CHARS],
        }
        return json.dumps(members, ensure_ascii=False).encode(errors="replace") + b"\n"

    def _append(self, path: Path, line: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size + len(line) > self._max_bytes:
                os.close(descriptor)
                path.replace(path.with_name(f"{path.name}.1"))
                descriptor = os.open(path, flags, 0o600)
            # After half a line a new one begins, so that only the half is lost.
            whole = b"\n" + line if self._torn else line
            self._torn = os.write(descriptor, whole) < len(whole)
        finally:
            os.close(descriptor)
        if self._torn:
            raise OSError(28, "only a part of a line could be written")

    def _note_fault(self, fault: str | None) -> None:
        if fault is not None and fault != self._fault:
            self._log.error("the audit log cannot be written; plugins are loaded all the same", error=fault)
        elif fault is None and self._fault is not None:
            self._log.info("the audit log can be written again")
        self._fault = fault
