"""How a client's stream becomes record batches, for puts and exchanges alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flight_server import payload, wire
from flight_server.errors import BadRequest, Unsupported
from flight_server.host import Host, check_encoding, refuse_extras_of_native
from flight_server.incoming import Incoming
from flight_server.plugins.registry import Lease
from flight_server.transcode import Decoded
from format_plugins.content_encodings import decode_chunks
from format_plugins.contract import DataFormat


class Input:
    """What was announced of a stream; all that can be refused before its first byte is refused when this is made.

    ``lease`` is that of the plugin that reads it, None for rows.
    """

    def __init__(self, host: Host, side: wire.Side, lease: Lease | None) -> None:
        self._host = host
        self._side = side
        self._hint = wire.schema_of(side.schema)
        self._plugin: _Plugin | None = None
        if lease is None:
            refuse_extras_of_native(side.options, side.content_encoding)
        else:
            self._plugin = _readable(host, side, lease)

    @property
    def of_document(self) -> bool:
        """Whether the stream carries a document, not rows."""
        return self._plugin is not None

    def describe(self) -> dict[str, Any]:
        """Return the format and the plugin that reads it."""
        return {"format": self._side.format, "plugin": self._plugin.lease.describe if self._plugin else None}

    def open(self, incoming: Incoming, stored: pa.Schema | None = None) -> Rows:
        """Begin to read; the request's schema wins, then ``stored``, for formats whose bytes carry no types."""
        if self._plugin is None:
            if self._hint is not None and not self._hint.equals(incoming.schema):
                raise BadRequest("'schema' differs from the stream's own: leave it out for a stream of record batches")
            return Rows(incoming.schema, incoming.batches())
        if not payload.is_payload(incoming.schema):
            raise BadRequest(
                f"format {self._side.format!r} was named, but the stream has not the payload schema: send the document as "
                f"one binary column {payload.FIELD!r}, or leave the format out to send record batches"
            )
        chunks: Iterator[Any] = incoming.document()
        if self._side.content_encoding is not None:
            chunks = decode_chunks(self._side.content_encoding, chunks, max_ratio=self._host.limits.expansion_ratio)
        infers = self._plugin.lease.metadata.capabilities.infers_schema
        hint = stored if self._hint is None and infers else self._hint
        decoded = Decoded(self._plugin.codec, chunks, plugin=self._side.format, schema=hint, limits=self._host.limits)
        return Rows(decoded.schema, decoded)


class Rows:
    """Record batches of one schema, counted as they go by; an iterator that can be closed."""

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self.schema = schema
        self.rows = 0
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        batch = next(self._batches)
        self.rows += batch.num_rows
        return batch

    def close(self) -> None:
        """Let go of the stream and of the plugin's reader."""
        close = getattr(self._batches, "close", None)
        if close is not None:
            close()


@dataclass(frozen=True, slots=True)
class _Plugin:
    lease: Lease
    codec: DataFormat


def _readable(host: Host, side: wire.Side, lease: Lease) -> _Plugin:
    if not lease.metadata.capabilities.read:
        raise Unsupported(f"the format {side.format!r} can be written only, not read")
    check_encoding(side.content_encoding)
    return _Plugin(lease, lease.create_format(side.options, host.caller))
