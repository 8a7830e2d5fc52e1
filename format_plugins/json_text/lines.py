"""Cutting a stream of newline-delimited JSON into blocks of whole lines."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from format_plugins.json_text.faults import RecordError, too_long
from format_plugins.json_text.options import JsonOptions
from format_plugins.json_text.records import Lines
from format_plugins.streams import ByteStream

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def without_mark(data: bytes) -> bytes:
    """Return the beginning of a document without its byte order mark; raise ``RecordError`` when it is not UTF-8's."""
    if data.startswith(_UTF16):
        raise RecordError("the text is UTF-16; JSON is UTF-8", offset=0)
    return data.removeprefix(codecs.BOM_UTF8)


def cut_lines(stream: ByteStream, options: JsonOptions) -> Iterator[Lines]:
    """Yield blocks of about ``block_bytes``; they do not depend on the chunks that the text arrives in.

    Raises ``RecordError`` for a line longer than ``max_record_bytes``.
    """
    offset = 0
    held: list[bytes] = []  # the beginning of a line whose end has not come yet
    size = 0
    text = stream.read(options.block_bytes)
    marked = len(text)
    text = without_mark(text)
    offset = marked - len(text)
    while text:
        first = text.find(b"\n")
        size += len(text) if first < 0 else first
        if size > options.max_record_bytes:
            raise too_long(options.max_record_bytes, index=0, offset=offset)
        cut = text.rfind(b"\n") + 1
        if cut:
            block = b"".join([*held, text[:cut]])
            yield Lines(block, offset)
            offset += len(block)
            held, size = [text[cut:]], len(text) - cut
        else:
            held.append(text)
        text = stream.read(options.block_bytes)
    rest = b"".join(held)
    if rest:
        yield Lines(rest, offset)
