"""Blocks of whole records, as the cutters make them, and what can be asked of a block."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.json_text.faults import not_an_object
from format_plugins.json_text.scanning import element_end, skip_blanks

_BLANKS = b" \t\r\n"
_LINE_FEED = pa.scalar(ord("\n"), pa.uint8())
_OPEN = ord("{")


class Parsers(NamedTuple):
    """One strict parser in two forms: of a record, and of an array of them."""

    record: msgspec.json.Decoder[Any]
    records: msgspec.json.Decoder[list[Any]]

    @classmethod
    def of(cls, type_: Any, dec_hook: Any = None) -> Parsers:  # noqa: ANN401 - msgspec takes any type
        """Make both forms of a parser of ``type_``."""
        return cls(msgspec.json.Decoder(type_, dec_hook=dec_hook), msgspec.json.Decoder(list[type_], dec_hook=dec_hook))


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines of a document, one record in each that is not blank."""

    data: bytes
    offset: int  # of the first byte, from the start of the document

    def most_records(self) -> int:
        """Return a bound on the number of records."""
        # Arrow counts in half the time of Python, and lets others work meanwhile.
        octets = pa.Array.from_buffers(pa.uint8(), len(self.data), [None, pa.py_buffer(self.data)])
        return pc.equal(octets, _LINE_FEED).true_count + 1

    def parse(self, parsers: Parsers) -> list[Any]:
        """Return the records; raise one of ``PARSE_ERRORS``.

        Each line is given to the parser by itself: a parser of many lines would also take several records in a line,
        and a record over several lines, and to count what rules that out takes as long as to parse.
        """
        try:
            return list(map(parsers.record.decode, io.BytesIO(self.data)))
        except msgspec.DecodeError:  # of a wrong line, or of a blank one
            return [parsers.record.decode(self.data[start:end]) for start, end in self.extents()]

    def extents(self) -> Iterator[tuple[int, int]]:
        """Yield where each record begins and ends within ``data``."""
        start = 0
        while start < len(self.data):
            end = self.data.find(b"\n", start)
            end = len(self.data) if end < 0 else end
            if self.data[start:end].strip(_BLANKS):
                yield start, end
            start = end + 1

    def part(self, start: int, end: int, records: int) -> Lines:  # noqa: ARG002 - as of Elements
        """Return the block of the ``records`` between two extents."""
        return Lines(self.data[start:end], self.offset + start)


@dataclass(frozen=True, slots=True)
class Elements:
    """Whole elements of an array, with the commas between them."""

    data: bytes
    offset: int  # of the first byte, from the start of the document
    count: int

    def most_records(self) -> int:
        """Return the number of records."""
        return self.count

    def parse(self, parsers: Parsers) -> list[Any]:
        """Return the records; raise one of ``PARSE_ERRORS``."""
        return parsers.records.decode(b"[" + self.data + b"]")

    def extents(self) -> Iterator[tuple[int, int]]:
        """Yield where each record begins and ends within ``data``; raise ``RecordError`` at one that is no object."""
        start = skip_blanks(self.data, 0)
        for index in range(self.count):
            if self.data[start] != _OPEN:
                raise not_an_object(self.data[start], index=index, offset=self.offset + start)
            end = element_end(self.data, start).position
            yield start, end
            start = skip_blanks(self.data, skip_blanks(self.data, end) + 1)

    def part(self, start: int, end: int, records: int) -> Elements:
        """Return the block of the ``records`` between two extents."""
        return Elements(self.data[start:end], self.offset + start, records)


Block: TypeAlias = Lines | Elements
