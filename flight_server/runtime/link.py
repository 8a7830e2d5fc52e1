"""The server's end of a child's connection: frames in and out, and never a wait but the one that is asked for."""

from __future__ import annotations

import select
import socket
from typing import Any

import msgspec

from flight_server.runtime.frames import FRAME_BYTES, LENGTH, Frame, FromChild, decoder, packed

_READ_BYTES = 256 << 10
#: Who does not read what it is sent is no child of ours: that is bounded by the slots of the ring.
_UNREAD_BYTES = 1 << 20


class LinkClosed(Exception):
    """The child has closed its end, or ended."""


class LinkError(Exception):
    """What came is not what a child says."""


class Link:
    """For one thread at a time."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._decoder = decoder(FromChild)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._incoming = bytearray()
        self._outgoing = bytearray()

    def send(self, frame: Frame) -> None:
        """Send a frame, or what of it goes now; the rest goes while ``receive`` waits. Raises ``LinkClosed``, ``LinkError``."""
        self._outgoing += packed(frame)
        self._flush()

    def send_all(self, frame: Frame, secs: float) -> None:
        """Send a frame of any length, and wait so long at the most for each piece of it. Raises ``LinkClosed``."""
        self._connection.settimeout(secs)
        try:
            self._connection.sendall(packed(frame))
        except TimeoutError:
            raise LinkClosed from None
        except OSError:
            raise LinkClosed from None
        finally:
            self._connection.setblocking(False)

    def receive(self, secs: float) -> Any:  # noqa: ANN401 - a frame of a child
        """Return the next frame, None when none comes within ``secs`` seconds. Raises ``LinkClosed`` and ``LinkError``."""
        frame = self._next()
        if frame is not None or not self._wait(secs):
            return frame
        return self._next()

    def _wait(self, secs: float) -> bool:
        """Wait for more, and take it in; return whether there was any."""
        wanted = select.POLLIN | (select.POLLOUT if self._outgoing else 0)
        self._poll.modify(self._connection, wanted)
        events = self._poll.poll(max(secs, 0) * 1000)
        if not events:
            return False
        if events[0][1] & select.POLLOUT:
            self._flush()
        if not events[0][1] & (select.POLLIN | select.POLLHUP | select.POLLERR):
            return False
        try:
            piece = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            raise LinkClosed from None
        if not piece:
            raise LinkClosed
        self._incoming += piece
        return True

    def _next(self) -> Any:  # noqa: ANN401 - a frame of a child
        if len(self._incoming) < LENGTH.size:
            return None
        (size,) = LENGTH.unpack_from(self._incoming)
        if size > FRAME_BYTES:
            raise LinkError(f"a frame of {size:,} bytes")
        end = LENGTH.size + size
        if len(self._incoming) < end:
            return None
        body = bytes(memoryview(self._incoming)[LENGTH.size : end])
        del self._incoming[:end]
        try:
            return self._decoder.decode(body)
        except msgspec.MsgspecError:
            raise LinkError("a frame that is none") from None

    def _flush(self) -> None:
        while self._outgoing:
            try:
                sent = self._connection.send(self._outgoing)
            except BlockingIOError:
                break
            except OSError:
                raise LinkClosed from None
            del self._outgoing[:sent]
        if len(self._outgoing) > _UNREAD_BYTES:
            raise LinkError("frames, and read none")
