"""The contract between the host and a format plugin: the only thing that the two know of each other.

A plugin is a module that exports ``create_plugin()``. The host calls it once a load, asks the plugin for its
metadata, and then asks it for one ``DataFormat`` a stream. The law, in short:

* A batch stream is anything with ``__arrow_c_stream__`` (a ``pyarrow.RecordBatchReader``, a Polars frame, ...)
  or an iterator of ``pyarrow.RecordBatch``. Its schema is known before its first batch and never changes.
* An author writes ``read_batches`` or ``read_batches_from_stream``; the host makes the missing one of the other.
  A format that only reads, or only writes, leaves the rest out and says so in its capabilities.
* Empty input has a schema. Zero rows still write a complete document. Output is lazy.
* A plugin keeps no state between streams, and starts no thread of its own: ``format_plugins.blocks`` offers a pool.
* Data that is wrong raises ``FormatError``. Whatever else a plugin raises is the plugin's own fault, and is reported so.
* Conformance is judged by structure and signature, never by ``isinstance``: no base class is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

import pyarrow as pa

from format_plugins.streams import ByteStream

#: The version of this contract. A plugin names the range that it works with in ``PluginMetadata.api``.
API_VERSION = (1, 0)

#: ``bytes``, ``memoryview``, ``pyarrow.Buffer``: anything that ``memoryview()`` takes.
Buffer: TypeAlias = Any

#: An object with ``__arrow_c_stream__``, or an iterator of ``pyarrow.RecordBatch``.
BatchStream: TypeAlias = Any


class FormatError(Exception):
    """The data is wrong, or cannot be what was asked for; the client is told so, and where.

    ``offset`` is in bytes from the start of the document, ``row`` counts records from 1, ``column`` is a name (or
    a number from 0), ``value`` is the offending text, ``option`` names the plugin option that cures it.
    """

    def __init__(
        self,
        message: str,
        *,
        offset: int | None = None,
        row: int | None = None,
        column: str | int | None = None,
        value: str | None = None,
        option: str | None = None,
    ) -> None:
        super().__init__(message)
        self.offset = offset
        self.row = row
        self.column = column
        self.value = value if value is None else value[:64]
        self.option = option


class UnsupportedError(FormatError):
    """The format has no way to carry what it was asked to: a type, a name, a combination of options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginCapabilities:
    """What a format can do; what it cannot is refused by the host before a byte moves."""

    read: bool = True
    write: bool = True
    streaming_read: bool = True  # decodes in bounded memory, whatever the size
    streaming_write: bool = True  # encodes in bounded memory, whatever the size
    needs_seek: bool = False  # reads through ``ByteStream.as_file()``
    infers_schema: bool = False  # the bytes carry no types: a schema hint decides them


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginMetadata:
    """Who a plugin is. Constant for a load; made without I/O."""

    name: str  # the format's name on the wire: [a-z][a-z0-9_+-]{0,62}
    version: str  # SemVer
    description: str = ""
    extensions: tuple[str, ...] = ()  # ".csv": chosen from file names
    media_types: tuple[str, ...] = ()  # "text/csv": the first one is sent
    capabilities: PluginCapabilities = field(default_factory=PluginCapabilities)
    api: str = ">=1,<2"  # the contract versions that the plugin works with


@runtime_checkable
class DataFormat(Protocol):
    """One stream's codec, made by ``FormatPlugin.create_format`` with that stream's options."""

    def read_batches(self, data: Buffer) -> BatchStream:
        """Decode a whole document."""
        ...

    def read_batches_from_stream(self, schema: pa.Schema | None, stream: ByteStream) -> BatchStream:
        """Decode a document as it arrives; to exactly ``schema`` when there is one."""
        ...

    def write_batches(self, batches: pa.RecordBatchReader) -> Iterator[Buffer]:
        """Encode a document, lazily, in pieces of any size."""
        ...


@runtime_checkable
class FormatPlugin(Protocol):
    """What ``create_plugin()`` returns."""

    #: A frozen dataclass: the options, their types and defaults. ``format_plugins.options`` fills it in, strictly.
    config_type: type

    def metadata(self) -> PluginMetadata:
        """Return who the plugin is: cheap, constant, no I/O."""
        ...

    def create_format(self, config: Any) -> DataFormat:  # noqa: ANN401 - the plugin's own config_type
        """Make the codec of one stream from an instance of ``config_type``."""
        ...
