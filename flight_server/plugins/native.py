"""Native plugins as a host loads them: what a file says before any of its code runs, and its code, in a child process."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from flight_server.plugins import metadata as metadatas
from flight_server.plugins.failure import LoadError
from flight_server.plugins.source import Source
from format_plugins.contract import PluginMetadata
from format_plugins.native.elf import LibraryError
from format_plugins.native.library import Callbacks, NativePlugin, checked, load


def examined(source: Source) -> PluginMetadata | None:
    """Return who a library says it is in its embedded manifest, None if it has none; runs none of its code.

    Raises ``LoadError`` for what cannot be loaded: no library, not for this machine, not whole, or with a wrong manifest.
    """
    try:
        manifest = checked(source.content)
    except LibraryError as error:
        raise LoadError(str(error)) from None
    return None if manifest is None else metadatas.checked(manifest.metadata)


def opened(source: Source, witness: Callable[[str], None]) -> NativePlugin:
    """Load a library into this process, which its code may end: never the server. What it logs goes to standard error.

    ``witness`` is told each step before it is taken. Raises ``LoadError``.
    """
    try:
        # What is open stays so when its file is gone; bytes that no file has cannot be overwritten.
        with tempfile.TemporaryDirectory() as folder:
            return load(source.content, Path(folder), callbacks=Callbacks(log=_say), witness=witness)
    except LibraryError as error:
        raise LoadError(str(error)) from None


def _say(level: int, line: str) -> None:
    sys.stderr.write(f"{logging.getLevelName(level).lower()}: {line}\n")
