"""The format `frames`: record batches as Arrow messages, each in a frame with its length and checksum; an empty one ends."""

import struct
import zlib
from dataclasses import dataclass
from types import SimpleNamespace

import pyarrow as pa

from format_plugins.contract import FormatError, PluginCapabilities, PluginMetadata, UnsupportedError
from format_plugins.options import option

HEAD = struct.Struct("<II")


@dataclass(frozen=True)
class Frames:
    max_bytes: int = option(1 << 28, "refuse longer frames", unit="bytes")

    def read_batches_from_stream(self, schema, stream):
        message = self.frame(stream)
        if not message:
            raise FormatError("there is no schema")
        found = pa.ipc.read_schema(pa.py_buffer(message))
        return pa.RecordBatchReader.from_batches(found, self.batches(found, stream))

    def batches(self, schema, stream):
        while message := self.frame(stream):
            with pa.ipc.open_stream(message) as reader:
                batch = reader.read_next_batch()
                yield batch
        if stream.read(1):
            raise FormatError("there are bytes after the end")

    def frame(self, stream):
        head = stream.read(HEAD.size)
        if len(head) < HEAD.size:
            raise FormatError("the end is missing")
        length, checksum = HEAD.unpack(head)
        message = stream.read(min(length, self.max_bytes))
        if len(message) < length:
            raise FormatError("a frame is cut short")
        if zlib.crc32(message) != checksum:
            raise FormatError("a frame is damaged")
        return message

    def write_batches(self, batches):
        schema = batches.schema
        for field in schema:
            if pa.types.is_dictionary(field.type) and pa.types.is_dictionary(field.type.value_type):
                raise UnsupportedError("a dictionary of a dictionary has no message", column=field.name)
        yield self.framed(schema.serialize())
        for batch in batches:
            yield self.framed(self.message(batch))
        yield self.framed(b"")

    def message(self, batch):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return sink.getvalue()

    def framed(self, message):
        return HEAD.pack(len(message), zlib.crc32(message)) + bytes(message)


def create_plugin():
    metadata = PluginMetadata(name="frames", version="1.0.0", extensions=(".frames",), capabilities=PluginCapabilities())
    return SimpleNamespace(config_type=Frames, metadata=lambda: metadata, create_format=lambda options: options)
