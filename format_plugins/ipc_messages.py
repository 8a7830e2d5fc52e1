"""An Arrow IPC stream as the file that Arrow reads: whole messages, each measured before it is read or decompressed."""

from __future__ import annotations

import struct

import pyarrow as pa
from pyarrow import ipc

from format_plugins import ipc_layout
from format_plugins.contract import FormatError
from format_plugins.slicing import MAX_BATCH_ROWS
from format_plugins.streams import ByteStream

_CONTINUATION = 0xFFFFFFFF  # begins a message since Arrow 0.15; before, its length did
_FILE_MAGIC = b"ARROW1"


def read_options() -> pa.ipc.IpcReadOptions:
    """Return how Arrow is to read: other libraries that get the batches need aligned buffers."""
    return pa.ipc.IpcReadOptions(ensure_alignment=ipc.Alignment.DataTypeSpecific)  # type: ignore[attr-defined, call-arg]  # not in the stubs yet


class MessageBudget:
    """What the messages of one document may need; ``limit`` (bytes) bounds each message and all live dictionaries."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._dictionaries: dict[int, int] = {}

    def check_declared(self, size: int, *, offset: int) -> None:
        """Refuse a message, or a part of one, that says that it is ``size`` bytes long."""
        if not 0 <= size <= self._limit:
            raise FormatError(
                f"an Arrow message of {size:,} bytes, where {self._limit:,} are allowed",
                offset=offset,
                option="max_message_bytes",
            )

    def check_decoded(self, message: ipc_layout.Message, body: memoryview, *, offset: int) -> None:
        """Refuse a message whose buffers, or whose dictionary with what came before of it, would be too large."""
        decoded = message.decoded_bytes(body)
        if not 0 <= message.rows <= MAX_BATCH_ROWS:
            raise FormatError(f"an Arrow record batch of {message.rows:,} rows", offset=offset)
        self.check_declared(decoded, offset=offset)
        if message.dictionary is not None:
            before = self._dictionaries.get(message.dictionary, 0) if message.is_delta else 0
            self._dictionaries[message.dictionary] = before + decoded
            self.check_declared(sum(self._dictionaries.values()), offset=offset)


class MessageSource:
    """A file for ``pyarrow.ipc.open_stream``; each ``read`` is served from one message that was checked as a whole.

    ``failure`` is what ``read`` raised, for telling a source's own error from Arrow's.
    """

    def __init__(self, stream: ByteStream, *, max_message_bytes: int, require_end: bool) -> None:
        self.closed = False
        self.failure: BaseException | None = None
        self._stream = stream
        self._budget = MessageBudget(max_message_bytes)
        self._require_end = require_end
        self._position = 0
        self._parts: list[bytes] = []  # of the present message: prefix and metadata, then the body
        self._ended = False

    def read(self, n: int) -> bytes:
        """Return the next bytes, at most ``n``, never past a part of a message; ``b""`` after the end."""
        try:
            while not self._parts and not self._ended:
                self._parts = self._next_message()
        except BaseException as error:
            self.failure = error
            raise
        if not self._parts:
            return b""
        part = self._parts.pop(0)
        if n < len(part):
            self._parts.insert(0, part[n:])
        return part[:n]

    def check_end(self) -> None:
        """Raise ``FormatError`` unless the document ends here, with its end-of-stream marker when one is required."""
        if self._parts or (not self._ended and self._next_message() and not self._ended):
            raise FormatError("messages that Arrow does not read", offset=self._position)
        if self._stream.read(1):
            raise FormatError("bytes follow the end of the Arrow stream", offset=self._position)

    def close(self) -> None:
        """Say that nothing more is read; the stream belongs to who made it."""
        self.closed = True

    def _next_message(self) -> list[bytes]:
        start = self._position
        prefix = self._take(4, missing_at_border=True)
        if not prefix:
            return []
        if start == 0 and prefix == _FILE_MAGIC[:4] and self._stream.peek(2) == _FILE_MAGIC[4:]:
            raise FormatError("this is an Arrow file, not an Arrow stream", offset=0)
        (length,) = struct.unpack("<I", prefix)
        if length == _CONTINUATION:
            prefix += self._take(4)
            (length,) = struct.unpack_from("<I", prefix, 4)
        if length == 0:
            self._ended = True
            return [prefix]
        self._budget.check_declared(length, offset=start)
        metadata = self._take(length)
        message = ipc_layout.message(metadata)
        self._budget.check_declared(message.body_bytes, offset=start)
        body = self._take(message.body_bytes)
        self._budget.check_decoded(message, memoryview(body), offset=start)
        return [prefix, metadata, body] if body else [prefix, metadata]

    def _take(self, n: int, *, missing_at_border: bool = False) -> bytes:
        data = self._stream.read(n)
        at_border = missing_at_border and not data
        if at_border and not self._require_end and self._position:
            self._ended = True
            return b""
        if len(data) < n:
            where = "at the end of a message" if at_border else "inside a message"
            raise FormatError(
                f"the Arrow stream is cut short {where}" if self._position or data else "the Arrow stream is empty",
                offset=self._position + len(data),
                option="require_end" if at_border and self._position else None,
            )
        self._position += n
        return data
