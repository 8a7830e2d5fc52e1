"""What the demonstration prints: a line a step, in columns."""

from __future__ import annotations

from collections.abc import Callable

import click

_COLUMNS = "{step:<9}{what:<46}{rows:>10}{size:>14}{rate:>9}"


class Report:
    """A table that grows as things happen."""

    def __init__(self, write: Callable[[str], None] = click.echo) -> None:
        self._write = write
        head = _COLUMNS.format(step="step", what="what", rows="rows", size="bytes", rate="MB/s")
        write(f"{head}\n{'-' * len(head)}")

    def line(
        self, step: str, what: str, *, rows: int | None = None, size: int | None = None, rate: float | None = None
    ) -> None:
        """Print a step: rows, size in bytes, and rate in bytes per second, as far as they are known."""
        figures = {
            "rows": "" if rows is None else f"{rows:,}",
            "size": "" if size is None else f"{size:,}",
            "rate": "" if rate is None else f"{rate / 1e6:,.0f}",
        }
        self._write(_COLUMNS.format(step=step, what=what, **figures).rstrip())

    def note(self, text: str) -> None:
        """Print a sentence below the table."""
        self._write(text)
