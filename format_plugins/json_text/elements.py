"""Cutting a streamed JSON array of objects into blocks of whole elements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from format_plugins.json_text.faults import PARSE_ERRORS, RecordError, not_an_object, too_long
from format_plugins.json_text.lines import without_mark
from format_plugins.json_text.options import JsonOptions
from format_plugins.json_text.records import Elements
from format_plugins.json_text.scanning import Found, element_end, skip_blanks
from format_plugins.streams import ByteStream

_BLANKS = b" \t\r\n"
_OPEN, _CLOSE, _ARRAY = b"{]["
# A separator that ends where the next element begins; looked for in a short window before it.
_SEPARATOR = re.compile(rb"\}[ \t\r\n]*+,[ \t\r\n]*+\Z")
_WINDOW = 256
_GUESSES = 3


class ElementCutter:
    """One document on its way through: ``data`` is what was read and not cut yet.

    The truth about where elements end is a scan. Before it a guess is tried, which is many times faster: the text up
    to a likely separator is closed with ``]`` and given to a parser. JSON has no ambiguous prefixes, so a guess that
    parses is right.
    """

    def __init__(self, stream: ByteStream, options: JsonOptions) -> None:
        self._stream = stream
        self._block_bytes = options.block_bytes
        self._max_record_bytes = options.max_record_bytes
        self._array: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
        self._data = b""
        self._offset = 0  # of data[0], from the start of the document
        self._ended = False
        self._expect: Literal["first", "element", "separator"] = "first"
        self._closed = False
        self._marker = b""  # how elements begin, up to the first colon: what a guess looks for

    def blocks(self) -> Iterator[Elements]:
        """Yield blocks of about ``block_bytes``: one without elements for ``[]``, and none for an empty document.

        A document that is a single object is an array of that one. Raises ``RecordError`` for anything else.
        """
        self._begin()
        if not self._data:
            return
        if self._data[0] == _OPEN:
            end = self._element_end(0, 0)
            yield self._take(0, end, 1)
            self._drop(end)
        elif self._data[0] == _ARRAY:
            self._drop(1)
            while not self._closed:
                yield self._next()
        else:
            raise RecordError(
                f"the document is no array of objects: it begins with {chr(self._data[0])!r}", offset=self._offset
            )
        self._finish()

    def _begin(self) -> None:
        self._more()
        marked = len(self._data)
        self._data = without_mark(self._data)
        self._offset = marked - len(self._data)
        self._drop(skip_blanks(self._data, 0))
        while not self._data and self._more():
            self._drop(skip_blanks(self._data, 0))

    def _next(self) -> Elements:
        while len(self._data) < self._block_bytes and self._more():
            pass
        return self._guessed() or self._scanned()

    def _guessed(self) -> Elements | None:
        start = skip_blanks(self._data, 0)
        if self._expect == "separator" or self._data[start : start + 1] != b"{" or len(self._data) > self._max_record_bytes:
            return None
        if self._ended:
            return self._guessed_end(start)
        self._marker = self._marker or self._data[start : self._data.find(b":", start) + 1]
        end = len(self._data)
        for _ in range(_GUESSES):
            end = self._data.rfind(self._marker, start + 1, end)
            if end < 0 or len(self._marker) not in range(1, _WINDOW):
                return None
            separator = _SEPARATOR.search(self._data, max(end - _WINDOW, start), end)
            count = self._count(self._data[start : separator.start() + 1] + b"]") if separator else 0
            if separator and count:
                block = self._take(start, separator.start() + 1, count)
                self._drop(end)
                self._expect = "element"
                return block
        return None

    def _guessed_end(self, start: int) -> Elements | None:
        text = self._data[start:].rstrip(_BLANKS)
        count = self._count(text)
        if not count:
            return None
        block = self._take(start, start + len(text) - 1, count)
        self._drop(len(self._data))
        self._closed = True
        return block

    def _count(self, elements: bytes) -> int:
        try:
            return len(self._array.decode(b"[" + elements))
        except PARSE_ERRORS:
            return 0

    def _scanned(self) -> Elements:
        """Take the elements that are complete; read on until there is at least one, or the array is closed."""
        start = position = end = skip_blanks(self._data, 0)
        count = 0
        while not self._closed:
            position = skip_blanks(self._data, position)
            if position == len(self._data):
                if count:
                    break
                self._read_on(position)
                start = position = end = 0
                continue
            if self._separator(position, count):
                position += 1
                continue
            found = self._element_end(position, count)
            if not found:
                break
            start = start if count else position
            position = end = found
            count += 1
            self._expect = "separator"
        block = self._take(start, end, count)
        self._drop(position)
        return block

    def _read_on(self, position: int) -> None:
        self._drop(position)
        if not self._more():
            raise RecordError("the document ends before the array is closed", offset=self._offset)

    def _separator(self, position: int, index: int) -> bool:
        """Step over a comma or the closing bracket; tell whether there was one, and raise where one is missing."""
        byte = self._data[position]
        offset = self._offset + position
        if self._expect == "separator":
            if byte not in b",]":
                raise RecordError(f"',' or ']' must follow an element, not {chr(byte)!r}", offset=offset)
            self._expect = "element"
            self._closed = byte == _CLOSE
            return True
        if byte == _CLOSE and self._expect == "first":
            self._closed = True
            return True
        if byte == _OPEN:
            return False
        if byte in b"],":
            raise RecordError(f"an element is missing before {chr(byte)!r}", offset=offset)
        raise not_an_object(byte, index=index, offset=offset)

    def _element_end(self, position: int, index: int) -> int:
        """Return where the element ends; 0 when its end has not come and there are elements before it to take."""
        found = Found(position, 0)
        while True:
            try:
                found = element_end(self._data, *found)
            except RecordError as error:
                raise RecordError(str(error), index=index, offset=self._offset + position, option=error.option) from None
            if found.position - position > self._max_record_bytes:
                raise too_long(self._max_record_bytes, index=index, offset=self._offset + position)
            if not found.depth and found.position > position:
                return found.position
            if index:
                return 0
            if len(self._data) - position > self._max_record_bytes:
                raise too_long(self._max_record_bytes, index=index, offset=self._offset + position)
            if not self._more():
                raise RecordError("the document ends within a record", index=0, offset=self._offset + len(self._data))

    def _finish(self) -> None:
        while True:
            self._drop(skip_blanks(self._data, 0))
            if self._data:
                hint = "; for several documents there is the format ndjson" if self._data[0] in b"[{," else ""
                raise RecordError(f"{chr(self._data[0])!r} follows the end of the document{hint}", offset=self._offset)
            if not self._more():
                return

    def _take(self, start: int, end: int, count: int) -> Elements:
        return Elements(self._data[start:end], self._offset + start, count)

    def _drop(self, length: int) -> None:
        self._data = self._data[length:]
        self._offset += length

    def _more(self) -> bool:
        text = b"" if self._ended else self._stream.read(self._block_bytes)
        self._ended = not text
        self._data += text
        return bool(text)
