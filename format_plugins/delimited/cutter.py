"""Cutting text into blocks of whole records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from format_plugins.delimited.dialect import Dialect
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.delimited.text import TextSource


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records, and where they begin: ``offset`` counts bytes of the text in UTF-8."""

    data: bytes
    offset: int


class CutError(Exception):
    """The record at ``offset`` cannot be cut; ``option`` names the option that cures it."""

    def __init__(self, message: str, *, offset: int, option: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.option = option


def cut_blocks(source: TextSource, dialect: Dialect, options: DelimitedOptions) -> Iterator[Block]:
    """Yield the text in blocks of about ``block_bytes``, the first ones no longer than the sample.

    Where a block ends depends on the text and the options alone, never on how the bytes came in. Raises ``CutError``
    for a record longer than ``max_record_bytes``, and for a quoted value that is still open at the end.
    """
    rest = b""
    offset = 0
    while True:
        # A record longer than a block is looked at again each time that the text has doubled.
        wanted = options.block_bytes if offset >= options.sample_bytes else min(options.block_bytes, options.sample_bytes)
        room = options.max_record_bytes + 1 - len(rest)
        data = rest + source.read(min(max(wanted, len(rest)), room))
        cut = _cut(data, source, dialect)
        if cut:
            yield Block(data[:cut], offset)
        rest = data[cut:]
        offset += cut
        if source.ended and not rest:
            return
        if source.ended:
            raise CutError("ends inside a quoted or escaped value: its quote is never closed", offset=offset, option="quote")
        if len(rest) > options.max_record_bytes:
            raise _too_long(offset, options)


def _cut(data: bytes, source: TextSource, dialect: Dialect) -> int:
    if not source.ended:
        return dialect.records_end(data)
    # When the document ends inside a record the error names that one: every record before it counts.
    return len(data) if dialect.is_complete(data) else dialect.records_end_by_grammar(data)


def _too_long(offset: int, options: DelimitedOptions) -> CutError:
    return CutError(
        f"is longer than max_record_bytes ({options.max_record_bytes:,}); a quote that is never closed also looks so",
        offset=offset,
        option="max_record_bytes",
    )
