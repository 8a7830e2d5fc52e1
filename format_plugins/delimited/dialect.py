"""Where records and fields end: the grammar of delimited text, as pyarrow's parser has it."""

from __future__ import annotations

import enum
import re
import secrets
import string

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from format_plugins.delimited.options import DelimitedOptions

#: After so many line ends inside quoted values the search goes on with the full grammar.
_MAX_STEPS_BACK = 1000

_MARK_LETTERS = 12
_BLANK_LINES = re.compile(rb"[\r\n]*+")


class Ends(enum.IntEnum):
    """How the end of a record is looked for."""

    LINES = 0  # guess: each line is a record
    COUNTED = 1  # guess: each quote is a special one, so that inside a quoted value their number is odd
    KNOWN = 2  # look at each quote


class Dialect:
    """The grammar of one document.

    A quote is special at the start of a field only: ``6" pipe`` is text. A quoted field ends with the first quote that
    is neither doubled nor escaped; what follows up to the delimiter belongs to it. A record ends with LF, CRLF or CR.
    """

    def __init__(self, options: DelimitedOptions) -> None:
        self.delimiter = options.delimiter.encode()
        self.quote = options.quote.encode() if options.quote else None
        self.escape = options.escape.encode() if options.escape else None
        self.double_quote = options.double_quote
        self._field = re.compile(_field_pattern(self), re.DOTALL)
        one = _field_pattern(self)
        fields = one + rb"(?:" + re.escape(self.delimiter) + one + rb")*+"
        # A CR at the very end of what is there may be the first half of a CRLF.
        self._record = re.compile(fields + rb"(?:\n|\r\n|\r(?!\Z))", re.DOTALL)
        self._last_record = re.compile(fields + rb"(?:\r\n?|\n|\Z)", re.DOTALL)
        starts = [self.delimiter, b"\n", b"\r"] + ([self.quote] if self.quote and self.double_quote else [])
        self._before_opener = pa.array([byte[0] for byte in starts], pa.uint8())

    def parse_options(self, *, skip_blank_lines: bool) -> pacsv.ParseOptions:
        """Return the same grammar for pyarrow."""
        return pacsv.ParseOptions(
            delimiter=self.delimiter.decode(),
            quote_char=self.quote.decode() if self.quote else False,
            double_quote=self.double_quote,
            escape_char=self.escape.decode() if self.escape else False,
            newlines_in_values=True,
            ignore_empty_lines=skip_blank_lines,
        )

    def unlike_text(self) -> str:
        """Return random letters, none of them special: no document holds them but by chance of one in 10**20."""
        letters = [
            letter for letter in string.ascii_letters if letter.encode() not in {self.delimiter, self.quote, self.escape}
        ]
        return "".join(secrets.choice(letters) for _ in range(_MARK_LETTERS))

    def records_end(self, data: bytes, ends: Ends = Ends.KNOWN) -> int:
        """Return where a late record of ``data`` ends, which begins with a record; 0 when none is found complete."""
        if ends is Ends.LINES:
            return line_end(data)
        if self.escape is not None and self.escape in data:
            return self.records_end_by_grammar(data)
        if self.quote is None or self.quote not in data:
            return line_end(data)
        quotes = data.count(self.quote) if ends is Ends.COUNTED else self._quotes(data)
        end = 0 if quotes is None else _even_line_end(data, self.quote, quotes)
        return end or self.records_end_by_grammar(data)

    def records_end_by_grammar(self, data: bytes) -> int:
        """Return the same as ``records_end``, more slowly, and never an earlier end than the last one."""
        end = 0
        while found := self._record.match(data, end):
            end = found.end()
        return end

    def is_complete(self, data: bytes) -> bool:
        """Tell whether a document may end with ``data``, which begins with a record: no quoted field is open."""
        if self.escape is None or self.escape not in data:
            quotes = self._quotes(data) if self.quote and self.quote in data else 0
            if quotes is not None:
                return quotes % 2 == 0
        end = self.records_end_by_grammar(data)
        return end == len(data) or self._last_record.fullmatch(data, end) is not None

    def first_record(self, data: bytes) -> tuple[int, int]:
        """Return where the first record of ``data`` that is not a blank line begins, and where the next one does."""
        start = blank_until(data)
        found = self._last_record.match(data, start)
        return start, found.end() if found else len(data)

    def count_fields(self, record: bytes, most: int) -> int:
        """Return how many fields ``record`` has, counting no further than one more than ``most``."""
        if record.count(self.delimiter) < most:
            most = len(record) + 1  # they are few enough: count them all
        count, at = 1, 0
        while count <= most:
            found = self._field.match(record, at)
            at = found.end() if found else len(record)
            if record[at : at + 1] != self.delimiter:
                break
            count, at = count + 1, at + 1
        return count

    def _quotes(self, data: bytes) -> int | None:
        """Count the quotes of ``data``; None when one of them is text, so that counting says nothing.

        When each quote with an even number stands at the start of a field, or behind another quote, then it opens a
        field, or is the second of a doubled pair; each other one closes, or is the first of a pair. So a place is
        inside a quoted field exactly when the number of quotes before it is odd.
        """
        assert self.quote is not None  # noqa: S101 - callers have looked
        octets = pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])
        places = pc.indices_nonzero(pc.equal(octets, pa.scalar(self.quote[0], pa.uint8())))
        count = len(places)
        pairs = pa.FixedSizeListArray.from_arrays(places.slice(0, count // 2 * 2), 2)
        openers = pc.list_element(pairs, 0)
        if count % 2:
            openers = pa.concat_arrays([openers, places.slice(count - 1)])
        if openers[0].as_py() == 0:
            openers = openers.slice(1)
        before = pc.take(octets, pc.subtract(openers, pa.scalar(1, pa.uint64())))
        return count if pc.all(pc.is_in(before, self._before_opener), min_count=0).as_py() else None


def blank_until(data: bytes | memoryview) -> int:
    """Return how many bytes of line ends ``data`` begins with."""
    found = _BLANK_LINES.match(data)
    return found.end() if found else 0


def _field_pattern(dialect: Dialect) -> bytes:
    """Return the grammar of a field, without backtracking: each part is possessive."""
    escape = re.escape(dialect.escape) if dialect.escape else b""
    escaped = b"|" + escape + b"." if escape else b""
    plain = rb"(?:[^" + re.escape(dialect.delimiter) + rb"\r\n" + escape + rb"]++" + escaped + rb")*+"
    if dialect.quote is None:
        return plain
    quote = re.escape(dialect.quote)
    doubled = b"|" + quote + quote if dialect.double_quote else b""
    body = rb"(?:[^" + quote + escape + rb"]++" + doubled + escaped + rb")*+"
    return rb"(?:" + quote + body + quote + rb"|(?!" + quote + rb"))" + plain


def line_end(data: bytes) -> int:
    """Return the last line end of text without quotes; a CR at the very end may be half of a CRLF."""
    end = data.rfind(b"\n") + 1
    return end or data.rfind(b"\r", 0, max(0, len(data) - 1)) + 1


def _even_line_end(data: bytes, quote: bytes, quotes: int) -> int:
    """Return the last LF that an even number of quotes precedes; 0 when it is not found soon."""
    limit, before = len(data), quotes
    for _ in range(_MAX_STEPS_BACK):
        at = data.rfind(b"\n", 0, limit)
        if at < 0:
            return 0
        before -= data.count(quote, at, limit)
        if before % 2 == 0:
            return at + 1
        limit = data.rfind(quote, 0, at)
        before -= 1
    return 0
