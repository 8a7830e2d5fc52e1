"""The text of a document: its bytes in UTF-8, without a byte order mark, in pieces of the length asked for."""

from __future__ import annotations

import codecs

from format_plugins.contract import FormatError
from format_plugins.streams import ByteStream

_MARK = codecs.BOM_UTF8


class TextSource:
    """Reads a stream as UTF-8. Where a piece ends depends on what was asked for, never on how the bytes came in."""

    def __init__(self, stream: ByteStream, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        # UTF-8 goes through untouched: whether it is valid is checked where the values are.
        is_utf8 = codecs.lookup(encoding).name == "utf-8"
        self._decoder = None if is_utf8 else codecs.getincrementaldecoder(encoding)()
        self._consumed = 0
        self._begun = False
        self._unread = b""
        self._failure: Exception | None = None
        #: As many bytes of text are read as were asked for.
        self.is_exact = is_utf8
        self._exhausted = False
        #: Nothing follows what was read last.
        self.ended = False

    def read(self, size: int) -> bytes:
        """Return about ``size`` bytes of text (exactly, for a document in UTF-8), and set ``ended`` at the end.

        Raises ``FormatError`` with the offset of bytes that the encoding does not have.
        """
        wanted = max(size, len(_MARK))
        text, self._unread = self._unread[:wanted], self._unread[wanted:]
        if len(text) < wanted:
            text += self._next(wanted - len(text))
            self.ended = self._exhausted
        return text

    def unread(self, text: bytes) -> None:
        """Give back ``text``, which was read last: it is read again. Only when ``is_exact``."""
        self._unread = text + self._unread
        self.ended = False

    def close(self) -> None:
        """Let go of what was read, and of a failure: its traceback holds the call that the stream belongs to."""
        self._failure = None
        self._unread = b""

    def _next(self, wanted: int) -> bytes:
        if self._failure is not None:  # a stream that has failed looks, when it is asked again, as if it had ended
            raise self._failure
        try:
            raw = self._stream.read(wanted)
        except Exception as error:
            self._failure = error
            raise
        self._exhausted = len(raw) < wanted
        text = raw if self._decoder is None else self._decoded(self._decoder, raw)
        self._consumed += len(raw)
        if not self._begun and text:
            self._begun = True
            text = text.removeprefix(_MARK)
        return text

    def _decoded(self, decoder: codecs.IncrementalDecoder, raw: bytes) -> bytes:
        kept = decoder.getstate()[0]  # the first bytes of a character that the last piece ended in
        try:
            return decoder.decode(raw, self._exhausted).encode()
        except UnicodeError as error:
            start = error.start if isinstance(error, UnicodeDecodeError) else 0
            offset = max(0, self._consumed - len(kept) + start)
            raise FormatError(
                f"the bytes at offset {offset} are not {self._encoding} text; set encoding to the document's own",
                offset=offset,
                option="encoding",
            ) from None
