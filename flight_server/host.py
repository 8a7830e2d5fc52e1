"""What the handlers of a server share: its store, its plugins, its limits."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from flight_server import payload
from flight_server.caller import Caller
from flight_server.config import LimitsConfig
from flight_server.errors import BadRequest, Unsupported
from flight_server.plugins.manager import PluginManager
from flight_server.plugins.registry import Lease, Registry
from flight_server.progress import Progress
from flight_server.store.store import Store
from flight_server.transcode import encoded
from flight_server.wire import NATIVE
from format_plugins.content_encodings import ENCODINGS, SUFFIXES, encode_chunks
from format_plugins.contract import DataFormat
from format_plugins.spelling import did_you_mean


@dataclass(frozen=True, slots=True)
class Host:
    """Handed to every handler; holds no state of its own."""

    store: Store
    plugins: PluginManager
    limits: LimitsConfig
    progress: Progress
    caller: Caller = field(default_factory=Caller.nobody)

    def called_by(self, caller: Caller) -> Host:
        """Return the same for one call."""
        return replace(self, caller=caller)

    @property
    def registry(self) -> Registry:
        """The formats that are loaded now."""
        return self.plugins.registry

    @property
    def extensions(self) -> Mapping[str, str]:
        """Which format each file extension selects now."""
        return self.registry.snapshot.extensions

    def writer(self, lease: Lease, options: Mapping[str, Any], encoding: str | None) -> Writer:
        """Make ready for a payload that will be sent, and check all that can be checked before."""
        format_name = lease.metadata.name
        if not lease.metadata.capabilities.write:
            raise Unsupported(f"the format {format_name!r} can be read only, not written")
        check_encoding(encoding)
        media_type = lease.metadata.media_types[0] if lease.metadata.media_types else None
        codec = lease.create_format(options, self.caller)
        return Writer(lease, codec, payload.schema(format_name, media_type, encoding), encoding)


@dataclass(frozen=True, slots=True)
class Writer:
    """A payload stream to be: the codec that encodes it, and its schema."""

    lease: Lease
    codec: DataFormat
    schema: pa.Schema
    encoding: str | None

    def batches(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Generator[pa.RecordBatch, None, None]:
        """Yield record batches of ``schema`` as payload batches."""
        pieces = encoded(self.codec, batches, schema, plugin=self.lease.metadata.name)
        with closing(pieces):
            chunks = pieces if self.encoding is None else encode_chunks(self.encoding, pieces)
            yield from payload.batches(chunks, self.schema)


def check_encoding(encoding: str | None) -> None:
    """Refuse a content encoding that is unknown, or not served."""
    if encoding is None or encoding in ENCODINGS:
        return
    if encoding in SUFFIXES.values():
        raise Unsupported(f"the content encoding {encoding!r} is not served (served: {', '.join(ENCODINGS)})")
    hint = did_you_mean(encoding, ENCODINGS)
    raise BadRequest(f"unknown content encoding {encoding!r:.80}{hint} (served: {', '.join(ENCODINGS)})")


def refuse_extras_of_native(options: Mapping[str, Any], encoding: str | None) -> None:
    """Native streams have no plugin to take options, and no document to pack."""
    if options:
        raise BadRequest(f"'options' belong to a format's plugin; {NATIVE!r} has none")
    if encoding is not None:
        raise BadRequest(f"'content_encoding' is for documents; {NATIVE!r} streams carry record batches")
