"""Progress on a terminal: a bar, a rate and the rest for each file, on stderr; nothing at all elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from flight_client.commands.failures import visible

if TYPE_CHECKING:
    from rich.progress import Progress

#: Told how many bytes have gone by.
Advance: TypeAlias = Callable[[int], None]


class Meter:
    """The bars of what runs now, for any number of threads."""

    def __init__(self, progress: Progress | None, files: int) -> None:
        self._progress = progress
        self._all = progress.add_task(f"{files} files", total=files) if progress and files > 1 else None

    @contextmanager
    def bar(self, name: str, total: int | None) -> Iterator[Advance]:
        """Show a bar for ``name`` while the block runs; ``total`` is in bytes, None if it is not known."""
        progress = self._progress
        if progress is None:
            yield lambda _: None
            return
        task = progress.add_task(visible(name), total=total)
        try:
            yield lambda done: progress.update(task, completed=done)
        finally:
            progress.remove_task(task)
            if self._all is not None:
                progress.advance(self._all)


@contextmanager
def metered(*, quiet: bool, files: int = 1) -> Iterator[Meter]:
    """Show progress within the block when stderr is a terminal and nobody asked for quiet."""
    if quiet or not sys.stderr.isatty():
        yield Meter(None, files)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Meter(progress, files)
