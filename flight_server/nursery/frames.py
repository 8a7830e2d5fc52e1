"""Messages on a child's connection: four bytes of length, then that many bytes."""

from __future__ import annotations

import socket
import struct
import time

_LENGTH = struct.Struct(">I")


class FrameError(Exception):
    """What came is no message: it is longer than allowed, or was cut short."""


def send(connection: socket.socket, message: bytes, *, deadline: float | None = None) -> None:
    """Send one message; ``deadline`` is a time of ``time.monotonic()``. Raises ``TimeoutError`` and ``OSError``."""
    _bound(connection, deadline)
    connection.sendall(_LENGTH.pack(len(message)) + message)


def receive(connection: socket.socket, *, limit_bytes: int, deadline: float | None = None) -> bytes | None:
    """Return the next message, None when the other side has closed or gone.

    Raises ``FrameError``, and ``TimeoutError`` when it is not there by ``deadline``, a time of ``time.monotonic()``.
    """
    head = _read(connection, _LENGTH.size, deadline)
    if not head:
        return None
    size = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else limit_bytes + 1
    if size > limit_bytes:
        raise FrameError(f"a message of more than {limit_bytes:,} bytes")
    body = _read(connection, size, deadline)
    if len(body) < size:
        raise FrameError("a message that was cut short")
    return body


def _read(connection: socket.socket, size: int, deadline: float | None) -> bytes:
    """Return ``size`` bytes, fewer only at the end."""
    pieces, left = [], size
    while left:
        _bound(connection, deadline)
        try:
            piece = connection.recv(min(left, 1 << 20))
        except ConnectionResetError:  # it died with bytes of ours unread
            break
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _bound(connection: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        connection.settimeout(None)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
