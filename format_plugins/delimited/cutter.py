"""Cutting text into blocks of whole records."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from format_plugins.delimited.dialect import Dialect, Ends, line_end
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.delimited.text import TextSource


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records, and where they begin: ``offset`` counts bytes of the text in UTF-8.

    That they are whole is only guessed when not every quote before the end was looked at. Then ``marked`` is the same
    bytes with what ``Cutter.guess`` was given behind them.
    """

    data: bytes | memoryview
    offset: int
    marked: bytes | None = None


class CutError(Exception):
    """The record at ``offset`` cannot be cut; ``option`` names the option that cures it."""

    def __init__(self, message: str, *, offset: int, option: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.option = option


class Cutter:
    """Cuts a text into blocks of about ``block_bytes``, the first ones no longer than the sample.

    Where a block ends depends on the text and the options alone, never on how the bytes came in.

    After ``guess`` the end of a block is guessed, since looking at each quote takes as long as parsing. Who decodes the
    blocks sees whether the guess was right, and says so: ``confirm`` for each block, in order, or ``cut_again``.
    """

    def __init__(self, source: TextSource, dialect: Dialect, options: DelimitedOptions) -> None:
        self._source = source
        self._dialect = dialect
        self._options = options
        self._ends = Ends.KNOWN
        self._mark = b""
        self._rest = b""
        self._offset = 0
        self._unconfirmed: deque[Block] = deque()

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks from where the last call was left.

        Raises ``CutError`` for a record longer than ``max_record_bytes``, and for a quoted value that is still open
        at the end.
        """
        while not (self._source.ended and not self._rest):
            block = self._next()
            if block is not None:
                self._offset += len(block.data)
                if self._ends is not Ends.KNOWN:
                    self._unconfirmed.append(block)
                yield block
                del block  # its memory is not held while the next one is waited for
            self._check_rest()

    def guess(self, mark: bytes) -> None:
        """Guess from here on where records end: whoever takes the blocks decodes them all, and looks for ``mark``."""
        if self._source.is_exact:
            self._ends = Ends.LINES
            self._mark = mark

    def confirm(self, offset: int) -> None:
        """Believe the block at ``offset``: it was decoded, and so were all before it."""
        while self._unconfirmed and self._unconfirmed[0].offset <= offset:
            self._unconfirmed.popleft()

    def cut_again(self) -> None:
        """Go back behind the last block that was confirmed, and go on with more care."""
        self._ends = Ends(self._ends + 1)
        self._source.unread(b"".join([*(block.data for block in self._unconfirmed), self._rest]))
        self._offset = self._unconfirmed[0].offset
        self._unconfirmed.clear()
        self._rest = b""

    def close(self) -> None:
        """Let go of what was read."""
        self._unconfirmed.clear()
        self._rest = b""
        self._source.close()

    def _next(self) -> Block | None:
        text = self._source.read(self._wanted())
        if self._ends is Ends.LINES and not self._source.ended and (end := line_end(text)):
            block = self._marked(self._rest, memoryview(text)[:end])
            self._rest = text[end:]
            return block
        data = self._rest + text
        cut = self._cut(data)
        self._rest = data[cut:]
        if not cut:
            return None
        if self._ends is Ends.KNOWN or self._source.ended:
            return Block(data[:cut], self._offset)
        return self._marked(memoryview(data)[:cut])

    def _marked(self, *parts: bytes | memoryview) -> Block:
        marked = b"".join((*parts, self._mark))  # the one copy that is made of a block
        return Block(memoryview(marked)[: len(marked) - len(self._mark)], self._offset, marked)

    def _wanted(self) -> int:
        options = self._options
        wanted = options.block_bytes if self._offset >= options.sample_bytes else min(options.block_bytes, options.sample_bytes)
        # A record longer than a block is looked at again each time that the text has doubled.
        return min(max(wanted, len(self._rest)), options.max_record_bytes + 1 - len(self._rest))

    def _cut(self, data: bytes) -> int:
        if not self._source.ended:
            return self._dialect.records_end(data, self._ends)
        # When the document ends inside a record the error names that one: every record before it counts.
        return len(data) if self._dialect.is_complete(data) else self._dialect.records_end_by_grammar(data)

    def _check_rest(self) -> None:
        if not self._rest:
            return
        if self._source.ended:
            raise CutError(
                "ends inside a quoted or escaped value: its quote is never closed", offset=self._offset, option="quote"
            )
        if len(self._rest) > (most := self._options.max_record_bytes):
            raise CutError(
                f"is longer than max_record_bytes ({most:,}); a quote that is never closed also looks so",
                offset=self._offset,
                option="max_record_bytes",
            )
