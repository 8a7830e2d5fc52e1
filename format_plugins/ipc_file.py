"""Where the messages of an Arrow IPC file lie, each measured before Arrow reads it."""

from __future__ import annotations

import struct

import pyarrow as pa

from format_plugins import ipc_layout
from format_plugins.contract import FormatError
from format_plugins.ipc_messages import MessageBudget

#: An Arrow file begins and ends with it.
MAGIC = b"ARROW1"

_HEAD_BYTES = 8  # the magic, padded
_TAIL = struct.Struct("<i6s")  # the footer's length, the magic
_CONTINUATION = b"\xff\xff\xff\xff"


class FileLayout:
    """The footer of ``file`` (seekable): its messages lie inside the file, beside one another, and are not too large.

    Raises ``FormatError``: when made, for the footer and the dictionaries; by ``check_batch`` for a record batch.
    """

    def __init__(self, file: pa.NativeFile, *, max_message_bytes: int) -> None:
        self._file = file
        self._budget = MessageBudget(max_message_bytes)
        self._size = file.size()
        dictionaries, self._batches = ipc_layout.footer_blocks(self._footer())
        blocks = [*dictionaries, *self._batches]
        if sum(block.metadata_bytes + block.body_bytes for block in blocks) > self._size:
            raise FormatError("the messages of the Arrow file overlap, or do not lie inside it")
        for block in dictionaries:
            self._check(block)

    def check_batch(self, index: int) -> None:
        """Check the record batch ``index`` before it is read."""
        self._check(self._batches[index])

    def _footer(self) -> bytes:
        tail = self._read(max(self._size - _TAIL.size, 0), _TAIL.size)
        if len(tail) < _TAIL.size or not tail.endswith(MAGIC):
            raise FormatError("the Arrow file is cut short: its end is not there", offset=self._size)
        (length, _) = _TAIL.unpack(tail)
        start = self._size - _TAIL.size - length
        if length <= 0 or start < _HEAD_BYTES:
            raise FormatError(f"the Arrow file has a footer of {length:,} bytes", offset=self._size - _TAIL.size)
        return self._read(start, length)

    def _check(self, block: ipc_layout.Block) -> None:
        if block.offset < _HEAD_BYTES or block.metadata_bytes < _HEAD_BYTES or block.body_bytes < 0:
            raise FormatError("a message of the Arrow file does not lie inside it", offset=block.offset)
        self._budget.check_declared(block.metadata_bytes, offset=block.offset)
        self._budget.check_declared(block.body_bytes, offset=block.offset)
        metadata = self._read(block.offset, block.metadata_bytes)
        message = ipc_layout.message(metadata[8 if metadata.startswith(_CONTINUATION) else 4 :])
        if message.body_bytes != block.body_bytes:
            raise FormatError("the footer of the Arrow file and a message of it disagree", offset=block.offset)
        body = memoryview(b"")
        if message.compressed:  # else the sizes are in the metadata
            self._file.seek(block.offset + block.metadata_bytes)
            body = memoryview(self._file.read_buffer(block.body_bytes))
        self._budget.check_decoded(message, body, offset=block.offset)

    def _read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return bytes(self._file.read(length))
