"""A document on its way to a file or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import closing
from typing import IO, TYPE_CHECKING, Protocol

import click

from flight_client.commands.meter import Advance, Meter
from flight_client.commands.parameters import STANDARD
from flight_client.commands.printing import STANDARD_OUTPUT
from flight_client.commands.work import Interrupt

if TYPE_CHECKING:
    import pyarrow as pa


class Document(Iterable["pa.Buffer"], Protocol):
    """A document that can be stopped, of a server or made here."""

    media_type: str | None
    content_encoding: str | None

    def close(self) -> None:
        """Stop whoever makes it."""
        ...


def written(document: Document, path: str, interrupt: Interrupt, meter: Meter) -> int:
    """Write all of ``document`` to ``path`` (``-`` is standard output) and return its length in bytes.

    A file is there whole or not at all. When the reader of standard output goes, or the work is to end, the document is
    closed: a server then stops.
    """
    from flight_client.files import naming, whole

    with closing(document):
        if path != STANDARD:
            with whole(path) as file, meter.bar(path, None) as advance:
                return _copied(document, file, path, interrupt, advance)
        out = sys.stdout.buffer
        if sys.stdout.isatty() and not _is_text(document):
            raise click.UsageError("this would print what is no text to a terminal: give -o FILE, or send it on by a pipe")
        with meter.bar(STANDARD_OUTPUT, None) as advance:
            size = _copied(document, out, STANDARD_OUTPUT, interrupt, advance)
        with naming(STANDARD_OUTPUT):
            out.flush()
        return size


def shown(path: str) -> bool:
    """Say whether ``path`` is a terminal, where a progress bar would stand among the data."""
    return path == STANDARD and sys.stdout.isatty()


def _copied(document: Document, out: IO[bytes], name: str, interrupt: Interrupt, advance: Advance) -> int:
    from flight_client.files import naming

    size = 0
    for chunk in document:
        with naming(name):
            out.write(chunk)
        size += chunk.size
        advance(size)
        interrupt.check()
    return size


def _is_text(document: Document) -> bool:
    media_type = document.media_type or ""
    return document.content_encoding is None and (media_type.startswith("text/") or "json" in media_type)
