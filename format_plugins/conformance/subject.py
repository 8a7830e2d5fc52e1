"""The plugin under examination: loaded, asked, and made to read and write as a host would have it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pyarrow as pa

from format_plugins.conformance.blame import LOADING, READING, WRITING, plugin_code
from format_plugins.conformance.declaration import Declaration
from format_plugins.conformance.finding import NotApplicable, Unmet, told
from format_plugins.conformance.loading import Load, NotAPluginError
from format_plugins.conformance.opened import Opened
from format_plugins.conformance.origin import Origin, origin_of
from format_plugins.conformance.rows import random_rows, repeated
from format_plugins.contract import FormatError, PluginCapabilities, PluginMetadata, UnsupportedError
from format_plugins.options import decode
from format_plugins.streams import ByteStream

LOAD_RULE = "it_can_be_loaded"
EXAMPLE_RULE = "the_example_comes_back"
OPTIONS_RULE = "options_are_strict_and_have_defaults"
END_RULE = "it_is_read_to_its_end"
EXAMPLE_ROWS = 100
BATCH_ROWS = 10_000
BATCH_BYTES = 1 << 20
MOST_ROWS = 20_000  # that are made; more are repeated


@dataclass(frozen=True, slots=True)
class Document:
    """Bytes of the format, and the rows that they stand for."""

    data: bytes
    table: pa.Table


class Subject:
    """One plugin and what is declared of it. ``plugin`` is a path, a module, or what ``create_plugin()`` returned."""

    def __init__(self, plugin: object, declaration: Declaration) -> None:
        self.declared = declaration
        self.origin = plugin if isinstance(plugin, Origin) else origin_of(plugin)
        self.remembered: dict[str, Any] = {}  # what one check has found out and another need not find out again
        #: What the process was like before any of the plugin's code ran.
        self.environment, self.folder = dict(os.environ), Path.cwd()
        self._given = plugin
        self._loads: list[Load] = []

    def close(self) -> None:
        """Unload what was loaded."""
        while self._loads:
            self._loads.pop().close()

    @cached_property
    def plugin(self) -> Any:  # noqa: ANN401 - the contract goes by structure
        """The plugin, loaded unless it was given as an object."""
        if self.origin.path is None and not isinstance(self._given, Origin):
            return self._given
        with plugin_code("loading it", LOADING, owner=LOAD_RULE):
            return self.load().create_plugin()

    def load(self) -> ModuleType:
        """Load the plugin's module once more; what its code raises comes through."""
        if self.origin.path is None:
            if self.origin.module is None:
                raise NotApplicable("where the plugin comes from is not known; give it as a path")
            return importlib.import_module(self.origin.module)
        try:
            self._loads.append(Load(self.origin.path))
        except NotAPluginError as error:
            raise Unmet(f"{error}.", fix="Name a Python module or a package folder.", owner=LOAD_RULE) from None
        return self._loads[-1].run()

    @property
    def metadata(self) -> PluginMetadata:
        """What the plugin says of itself."""
        with plugin_code("asking for metadata()", LOADING, owner=LOAD_RULE):
            return cast("PluginMetadata", self.plugin.metadata())

    @property
    def capabilities(self) -> PluginCapabilities:
        """What the format can do."""
        return self.metadata.capabilities

    def codec(self, options: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - the contract goes by structure
        """Make the codec of one stream, with ``options`` over the declared ones."""
        values = {**self.declared.options, **(options or {})}
        with plugin_code("making a codec", LOADING, owner=OPTIONS_RULE):
            return self.plugin.create_format(decode(self.plugin.config_type, values))

    # Writing.

    def written(self, rows: pa.Table | list[pa.RecordBatch], what: str) -> bytes:
        """Return the document of ``rows``. Raises ``UnsupportedError``, and ``Unmet`` for whatever else goes wrong."""
        batches = rows if isinstance(rows, list) else rows.to_batches()
        schema = rows[0].schema if isinstance(rows, list) else rows.schema
        return b"".join(self.pieces(schema, batches, what))

    def pieces(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch], what: str) -> Iterator[memoryview]:
        """Yield what the plugin writes, as it writes it."""
        if not self.capabilities.write:
            raise NotApplicable("the format is not written")
        codec = self.codec()
        with plugin_code(f"writing {what}", WRITING, through=UnsupportedError):
            for piece in codec.write_batches(pa.RecordBatchReader.from_batches(schema, iter(batches))):
                yield memoryview(piece).cast("B")

    # Reading.

    def read(self, data: bytes, what: str, *, schema: pa.Schema | None = None, size: int | None = None) -> pa.Table:
        """Return the rows of a document that arrives in chunks of ``size`` bytes.

        Raises ``FormatError``, and ``Unmet`` for whatever else goes wrong.
        """
        stream = ByteStream(cut(data, size))
        opened = self.open(stream, what, schema=schema)
        batches = list(opened.batches())
        if left := len(stream.read()):
            raise Unmet(
                f"In {what}, {left:,} bytes are left unread.",
                fix="Read to the end of the document, and refuse with FormatError what stands behind it.",
                owner=END_RULE,
            )
        return pa.Table.from_batches(batches, opened.schema)

    def open(self, stream: ByteStream, what: str, *, schema: pa.Schema | None = None) -> Opened:
        """Begin to read ``stream``, up to its schema."""
        if not self.capabilities.read:
            raise NotApplicable("the format is not read")
        codec = self.codec()
        with plugin_code(f"reading {what}", READING, through=FormatError):
            if getattr(codec, "read_batches_from_stream", None) is not None:
                return Opened(codec.read_batches_from_stream(schema, stream), schema, what)
            return Opened(codec.read_batches(stream.read()), schema, what)

    def reread(self, document: Document, *, size: int | None = None) -> pa.Table:
        """Return the rows of a document that is as it should be, with the schema that it was written with."""
        try:
            return self.read(document.data, "the example", schema=document.table.schema, size=size)
        except FormatError as error:
            raise Unmet(
                f"The example is refused when it is read: {told(error)}.",
                fix="Read what the plugin writes itself; declare an `example` that the format carries.",
                owner=EXAMPLE_RULE,
            ) from None

    # What to write and read.

    def rows(self, count: int = EXAMPLE_ROWS, seed: int = 7) -> pa.Table:
        """Return ``count`` rows that the format carries; others for another ``seed``."""
        example = self.declared.example
        if example is None:
            return random_rows(count, seed)
        return example.take([(seed + number) % example.num_rows for number in range(count)])

    def batch(self, size: int) -> pa.RecordBatch:
        """Return a record batch of about ``size`` bytes that the format carries."""
        count = size * EXAMPLE_ROWS // max(self.rows().nbytes, 1)
        rows = self.rows(min(max(count, 1), MOST_ROWS))
        return repeated(rows, max(size // max(rows.nbytes, 1), 1)).to_batches()[0]

    @cached_property
    def documents(self) -> list[Document]:
        """Documents to read: the declared samples, and one that the plugin writes itself."""
        if not self.capabilities.read:
            raise NotApplicable("the format is not read")
        found = [Document(bytes(data), table) for data, table in self.declared.samples.items()]
        if self.capabilities.write:
            found.append(self.document(self.rows()))
        if not found:
            raise NotApplicable("the format is only read, and no `samples` are declared")
        return found

    def document(self, rows: pa.Table) -> Document:
        """Write ``rows``, which the format carries."""
        try:
            return Document(self.written(rows, "the example"), rows)
        except UnsupportedError as error:
            raise Unmet(
                f"The example is refused: {told(error)}.",
                fix="Declare an `example` that the format carries: a table of some rows.",
                owner=EXAMPLE_RULE,
            ) from None
        except Unmet as error:
            error.owner = error.owner or EXAMPLE_RULE
            raise

    def large(self, size: int) -> Document:
        """Return a document of more than ``size`` bytes."""
        known: dict[int, Document] = self.remembered.setdefault("large", {})
        if size not in known:
            known[size] = self._large(size)
        return known[size]

    def _large(self, size: int) -> Document:
        longest = max(self.documents, key=lambda each: len(each.data))
        if len(longest.data) > size:
            return longest
        if not self.capabilities.write:
            raise NotApplicable(f"the format is only read, and no declared sample is longer than {size:,} bytes")
        rows, times = pa.Table.from_batches([self.batch(BATCH_BYTES)]), 1
        while True:
            document = self._many(repeated(rows, times))
            if len(document.data) > size:
                return document
            times = max(times * 2, times * size * 11 // (len(document.data) * 10 + 1))
            if times > size:
                raise NotApplicable("rows take no bytes in this format")

    def _many(self, rows: pa.Table) -> Document:
        try:
            pieces = self.pieces(rows.schema, rows.to_batches(max_chunksize=BATCH_ROWS), "many rows of the example")
            return Document(b"".join(pieces), rows)
        except UnsupportedError as error:
            raise NotApplicable(f"many rows are refused: {told(error)}; `options` may allow them") from None


def cut(data: bytes, size: int | None = None) -> Iterator[bytes]:
    """Yield ``data`` in chunks of ``size`` bytes."""
    size = size or max(len(data), 1)
    return (data[start : start + size] for start in range(0, len(data), size))
