"""What the server and a child that runs a plugin tell each other: small frames; the bytes themselves lie in the ring."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from flight_server.plugins.candidate import Question
from flight_server.plugins.failure import Failure

#: A frame of a child is no longer than this: an error with its traceback.
FRAME_BYTES = 128 << 10
LENGTH = struct.Struct(">I")


class Frame(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One frame; the subclasses are all there are."""


class Setup(Frame, frozen=True):
    """To the child, first, after the descriptor of the ring: load this plugin with these configured options.

    ``batch_bytes`` is the largest record batch that it may return.
    """

    question: Question
    options: Mapping[str, Any] | None
    batch_bytes: int


class Loaded(Frame, frozen=True):
    """From the child: the plugin is loaded, or why it is not."""

    failure: Failure | None = None


class Open(Frame, frozen=True):
    """To the child: make the codec of a stream; ``options`` is JSON. All slots are free again."""

    options: bytes


class Opened(Frame, frozen=True):
    """From the child: the codec is made."""


class Read(Frame, frozen=True):
    """To the child: decode a document. ``schema`` is the hint as an IPC message, ``spool_bytes`` what may be spooled."""

    schema: bytes | None
    spool_bytes: int | None
    name: str | None


class Write(Frame, frozen=True):
    """To the child: encode the record batches that it asks for; ``schema`` is an IPC message."""

    schema: bytes


class Want(Frame, frozen=True):
    """From the child, which waits: so many bytes of the document, fewer only at its end; 0 for one record batch."""

    size: int


class Part(Frame, frozen=True):
    """``size`` bytes from ``start`` on in a slot of the ring. The first part of a unit says how long it is, the others 0.

    ``last`` says that nothing follows; from the server only.
    """

    slot: int
    size: int
    total: int
    last: bool = False
    start: int = 0


class Credit(Frame, frozen=True):
    """A slot of the other side's can be used again."""

    slot: int


class Ended(Frame, frozen=True):
    """From the child: that was all. ``has_rest`` says that the document goes on behind its end."""

    has_rest: bool = False


class Failed(Frame, frozen=True):
    """From the child: the stream, or its codec, failed; ``kind`` says whose word it is and what it is about."""

    kind: Literal["format", "unsupported", "option", "spool", "limit", "host", "plugin"]
    message: str
    offset: int | None = None
    row: int | None = None
    column: str | int | None = None
    value: str | None = None
    option: str | None = None
    trace: str = ""


ToChild: TypeAlias = Setup | Open | Read | Write | Part | Credit
FromChild: TypeAlias = Loaded | Opened | Want | Part | Credit | Ended | Failed


def packed(frame: Frame) -> bytes:
    """Return a frame as it goes over the connection."""
    body = msgspec.msgpack.encode(frame)
    return LENGTH.pack(len(body)) + body


def decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:  # noqa: ANN401 - a union of frames
    """Return what reads the frames of one side. It raises ``msgspec.MsgspecError``."""
    return msgspec.msgpack.Decoder(kind)
