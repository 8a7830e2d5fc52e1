"""A document that a server sends, read in chunks as they arrive."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from flight_client.streams import Stream


class Document:
    """The bytes of a document: iterate it for ``pyarrow.Buffer`` of 1 to 2 MiB, or read all of it.

    An error on the way is raised as a ``FlightClientError``: a document that ended without one is complete. Close it
    early to stop the server.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._chunks: deque[pa.Buffer] = deque()
        metadata = stream.schema.metadata or {}
        self.format = _text(metadata.get(b"format"))
        self.media_type = _text(metadata.get(b"media_type"))
        self.content_encoding = _text(metadata.get(b"content_encoding"))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pa.Buffer:
        while not self._chunks:
            column: pa.Array[Any] = next(self._stream).column(0)
            self._chunks.extend(value.as_buffer() for value in column)
        return self._chunks.popleft()

    def read_all(self) -> bytes:
        """Return what is left."""
        return b"".join(memoryview(chunk) for chunk in self)

    def close(self) -> None:
        """Stop the server when it has not sent all."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
