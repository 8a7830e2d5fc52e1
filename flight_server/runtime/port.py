"""The child's end of its connection: asks for input and waits for it, and puts output into slots of the ring."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from flight_server.runtime.frames import (
    LENGTH,
    Credit,
    Frame,
    Open,
    Part,
    Read,
    Setup,
    ToChild,
    Want,
    Write,
    decoder,
    packed,
)
from flight_server.runtime.ring import SLOT_BYTES, SLOTS, Ring
from format_plugins.streams import MIN_CHUNK_BYTES, ByteStream, copy_bytes

#: Whatever is left.
ALL = 1 << 62
_READ_BYTES = 256 << 10
#: Written pieces are sent when there is as much as this together, or when some have waited for so long.
_GATHERED_BYTES = 1 << 20
_GATHERED_SECS = 0.5


class Port:
    """Everything waits here. When the server has gone, or has lost interest, the process ends on the spot."""

    def __init__(self, connection: socket.socket, ring: Ring) -> None:
        self._connection = connection
        self._ring = ring
        self._decoder = decoder(ToChild)
        self._incoming = bytearray()
        self._parts: deque[Part] = deque()
        self._free: list[int] = []
        # The contract has one thread pull; native engines have been seen to take another for each pull.
        self._asking = threading.Lock()
        self._due = 0

    def setup(self) -> Setup:
        """Return the first frame."""
        frame = self._frame()
        return frame if isinstance(frame, Setup) else os._exit(1)

    def order(self, idle_secs: float) -> Open | Read | Write | None:
        """Return the next order, None when there was none for a while; what is left of an earlier stream is passed over."""
        self._connection.settimeout(idle_secs)
        try:
            while True:
                frame = self._frame()
                if isinstance(frame, Open | Read | Write):
                    break
        except TimeoutError:
            return None
        finally:
            self._connection.settimeout(None)
        if isinstance(frame, Open):
            self._parts.clear()
            self._free = list(range(SLOTS))
            self._due = 0
        return frame

    def send(self, frame: Frame) -> None:
        """Send a frame."""
        try:
            self._connection.sendall(packed(frame))
        except OSError:
            os._exit(0)

    def ask(self, size: int) -> tuple[pa.Buffer, Part]:
        """Wait for the next part of the input, and return a copy of it. ``size`` is what is wanted in all; 0 is a unit."""
        with self._asking:
            if self._due <= 0:
                self.send(Want(size))
                self._due = max(size, 1)
            while not self._parts:
                self._take(self._frame())
            part = self._parts.popleft()
            self._due = 0 if part.last else self._due - part.size
            piece = pa.allocate_buffer(part.size)
            copy_bytes(self._ring.slot("in", part.slot)[part.start : part.start + part.size], memoryview(piece))
            self.send(Credit(part.slot))
            return piece, part

    def ask_unit(self) -> pa.Buffer | None:
        """Wait for the next unit of the input; None at its end."""
        piece, part = self.ask(0)
        if part.last:
            return None
        pieces, missing = [piece], part.total - part.size
        while missing > 0:
            self._due = missing
            piece, part = self.ask(0)
            pieces.append(piece)
            missing -= part.size
        self._due = 0
        return pieces[0] if len(pieces) == 1 else pa.py_buffer(b"".join(pieces))

    def place(self, write: Callable[[memoryview], tuple[int, int] | None]) -> bool:
        """Send a unit that ``write`` puts into a slot, and says where in it; return False when it does not."""
        slot = self._slot()
        if (placed := write(self._ring.slot("out", slot))) is None:
            self._free.append(slot)
            return False
        start, size = placed
        self.send(Part(slot, size, size, start=start))
        return True

    def put(self, unit: Any) -> None:  # noqa: ANN401 - anything with the buffer protocol
        """Send a unit of output; waits while the server has not taken what came before."""
        view = memoryview(unit).cast("B")
        total = len(view)
        while view:
            slot = self._slot()
            size = min(len(view), SLOT_BYTES)
            copy_bytes(view[:size], self._ring.slot("out", slot)[:size])
            self.send(Part(slot, size, total))
            view, total = view[size:], 0

    def _slot(self) -> int:
        while not self._free:
            self._take(self._frame())
        return self._free.pop()

    def _take(self, frame: Any) -> None:  # noqa: ANN401 - a frame of the server
        if isinstance(frame, Part):
            self._parts.append(frame)
        elif isinstance(frame, Credit):
            self._free.append(frame.slot)

    def _frame(self) -> Any:  # noqa: ANN401 - a frame of the server
        while True:
            if len(self._incoming) >= LENGTH.size:
                end = LENGTH.size + LENGTH.unpack_from(self._incoming)[0]
                if len(self._incoming) >= end:
                    body = bytes(memoryview(self._incoming)[LENGTH.size : end])
                    del self._incoming[:end]
                    return self._decoder.decode(body)
            try:
                piece = self._connection.recv(_READ_BYTES)
            except TimeoutError:
                raise
            except OSError:
                os._exit(0)
            if not piece:
                os._exit(0)
            self._incoming += piece


class Document(ByteStream):
    """The document that the server hands in as it is asked for: never more of it than somebody waits for."""

    def __init__(self, port: Port, *, name: str | None, spool_dir: str, spool_limit_bytes: int | None) -> None:
        self._pulled = _Pulled(port)
        super().__init__(self._pulled, name=name, spool_dir=spool_dir, spool_limit_bytes=spool_limit_bytes)

    def __iter__(self) -> Iterator[pa.Buffer]:
        """Yield what is left, in chunks."""
        chunks = super().__iter__()
        while True:
            self._pulled.size = MIN_CHUNK_BYTES
            if (chunk := next(chunks, None)) is None:
                return
            yield chunk

    def read(self, n: int = -1) -> bytes:
        """Return the next ``n`` bytes."""
        held = sum(piece.size for piece in self._rest)
        self._pulled.size = ALL if n < 0 else max(n - held, 1)
        return super().read(n)

    def as_file(self) -> pa.NativeFile:
        """Return what is left as a seekable file."""
        self._pulled.size = ALL
        return super().as_file()


class _Pulled:
    """The chunks of a document; ``size`` is how much the next pull wants."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._ended = False
        self.size = MIN_CHUNK_BYTES

    def __iter__(self) -> Iterator[pa.Buffer]:
        return self

    def __next__(self) -> pa.Buffer:
        if self._ended:
            raise StopIteration
        piece, part = self._port.ask(self.size)
        self._ended = part.last
        if not piece.size:
            raise StopIteration
        return piece


class Gathered:
    """What a plugin writes, sent in pieces that are worth a frame."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._held = bytearray()
        self._since = 0.0

    def add(self, piece: memoryview) -> None:
        """Take a piece."""
        if len(piece) >= _GATHERED_BYTES // 4:
            self.flush()
            self._put(piece)
            return
        if not self._held:
            self._since = time.monotonic()
        self._held += piece
        if len(self._held) >= _GATHERED_BYTES or time.monotonic() - self._since > _GATHERED_SECS:
            self.flush()

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            held, self._held = self._held, bytearray()
            self._port.put(held)

    def _put(self, piece: memoryview) -> None:
        while piece:
            self._port.put(piece[:SLOT_BYTES])
            piece = piece[SLOT_BYTES:]
