"""The sink that a library's encoder writes into: it joins small writes and hands out pieces, and keeps no document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

#: Pieces handed out are at least this long, the last one excepted: encoders write headers of a few bytes.
MIN_PIECE_BYTES = 256 << 10


class PieceSink:
    """A binary file, write only, for one thread: ``write`` into it, and ``take`` what has come together."""

    def __init__(self) -> None:
        self.closed = False
        self._position = 0
        self._small = bytearray()
        self._ready: list[memoryview | bytes] = []

    def write(self, data: Any) -> int:  # noqa: ANN401 - whatever memoryview() takes
        """Take ``data``. What is large is kept, not copied, so it must not change afterwards."""
        view = memoryview(data).cast("B")
        size = len(view)
        self._position += size
        if self._small and size >= MIN_PIECE_BYTES:  # its head fills the small piece before it
            head = MIN_PIECE_BYTES - len(self._small)
            self._small += view[:head]
            self._seal()
            view = view[head:]
        if len(view) >= MIN_PIECE_BYTES:
            self._ready.append(view)
        else:
            self._small += view
            if len(self._small) >= MIN_PIECE_BYTES:
                self._seal()
        return size

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._position

    def flush(self) -> None:
        """Do nothing: what is too small to hand out waits for more."""

    def close(self) -> None:
        """Say that nothing more is written; what was written can still be taken."""
        self.closed = True

    def take(self) -> Iterator[pa.Buffer]:
        """Yield the pieces that are long enough."""
        ready, self._ready = self._ready, []
        for piece in ready:
            yield pa.py_buffer(piece)

    def rest(self) -> Iterator[pa.Buffer]:
        """Yield everything that is left, the short last piece too."""
        self._seal()
        yield from self.take()

    def _seal(self) -> None:
        if self._small:
            self._ready.append(bytes(self._small))
            self._small.clear()
