"""Conversion without a server, by the formats that are installed here and under the same checks as a server's."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flight_client.commands import failures
from flight_client.commands.failures import Failure
from flight_client.commands.profiles import did_you_mean
from flight_client.errors import (
    BadPayload,
    BadRequest,
    FlightClientError,
    PluginFailed,
    UnknownFormat,
    UnknownOption,
    Unsupported,
)

#: What a compressed document may grow by, after its first 64 MiB: as a server's own limit is if nobody sets it.
_MAX_RATIO = 1000
_READ_BYTES = 2 << 20


def converter() -> LocalConverter:
    """Return a converter with the formats that are installed; a ``Failure`` when none are."""
    try:
        builtin = importlib.import_module("format_plugins.builtin")
        names = [found.name for found in pkgutil.iter_modules(builtin.__path__)]
        modules = [importlib.import_module(f"{builtin.__name__}.{name}") for name in names]
    except ImportError as error:
        raise Failure(
            f"--local needs the package format_plugins and what that needs, and {error.name} is not installed: "
            "install the server's package, or leave --local out",
            failures.REFUSED,
        ) from None
    return LocalConverter([module.create_plugin() for module in modules])


class LocalConverter:
    """The part of a client that needs no server."""

    def __init__(self, plugins: Sequence[Any]) -> None:
        self._plugins = {plugin.metadata().name: plugin for plugin in plugins}

    def formats(self) -> list[dict[str, Any]]:
        """Return the name and extensions of each format."""
        told = [plugin.metadata() for plugin in self._plugins.values()]
        return [{"name": item.name, "extensions": list(item.extensions)} for item in told]

    def convert(  # noqa: PLR0913 - what Client.convert takes
        self,
        source: Any,  # noqa: ANN401 - a binary file
        *,
        from_format: str,
        to_format: str,
        from_options: Mapping[str, Any] | None = None,
        to_options: Mapping[str, Any] | None = None,
        from_encoding: str | None = None,
        to_encoding: str | None = None,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        schema: None = None,  # noqa: ARG002 - of a server's dataset: there is none
        cancel: object = None,  # noqa: ARG002 - ``source`` hears of it
    ) -> LocalDocument:
        """Return ``source`` as a document of ``to_format``; raises what a client would raise."""
        from format_plugins.content_encodings import decode_chunks, encode_chunks

        with _translated(from_format):
            reader = self._codec(from_format, from_options, "read")
            chunks: Iterator[Any] = iter(lambda: source.read(_READ_BYTES), b"")
            if from_encoding is not None:
                chunks = iter(decode_chunks(from_encoding, chunks, max_ratio=_MAX_RATIO))
            with_schema, batches = _decoded(reader, chunks)
        with _translated(to_format):
            writer = self._codec(to_format, to_options, "write")
            wanted, cut = _selected(with_schema, batches, columns, limit)
            pieces = writer.write_batches(pa.RecordBatchReader.from_batches(wanted, _guarded(cut, from_format)))
            if to_encoding is not None:
                pieces = encode_chunks(to_encoding, pieces)
        media_types = self._plugins[to_format].metadata().media_types
        return LocalDocument(_guarded(pieces, to_format), media_types[0] if media_types else None, to_encoding)

    def _codec(self, name: str, options: Mapping[str, Any] | None, ability: str) -> Any:  # noqa: ANN401 - a DataFormat
        from format_plugins.options import OptionError, decode

        plugin = self._plugins.get(name)
        if plugin is None:
            raise UnknownFormat(
                f"there is no format {name!r} here{did_you_mean(name, self._plugins)} (known: {', '.join(self._plugins)})"
            )
        if not getattr(plugin.metadata().capabilities, ability):
            raise Unsupported(f"the format {name!r} cannot {ability}")
        try:
            return plugin.create_format(decode(plugin.config_type, options))
        except OptionError as error:
            raise UnknownOption(str(error)) from None


class LocalDocument:
    """The bytes of a document that is made here, as it is read."""

    def __init__(self, pieces: Generator[Any, None, None], media_type: str | None, content_encoding: str | None) -> None:
        self.media_type = media_type
        self.content_encoding = content_encoding
        self._pieces = pieces

    def __iter__(self) -> Iterator[pa.Buffer]:
        return (piece if isinstance(piece, pa.Buffer) else pa.py_buffer(piece) for piece in self._pieces)

    def close(self) -> None:
        """Do nothing: what is not read is not made."""


def _decoded(codec: Any, chunks: Iterator[Any]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:  # noqa: ANN401 - a DataFormat
    from format_plugins.streams import ByteStream

    stream = ByteStream(chunks)
    reader = pa.RecordBatchReader.from_stream(codec.read_batches_from_stream(None, stream))
    return reader.schema, _checked(reader, stream)


def _checked(reader: pa.RecordBatchReader, stream: Any) -> Iterator[pa.RecordBatch]:  # noqa: ANN401 - a ByteStream
    from format_plugins.slicing import sliced

    with closing(stream):
        for batch in reader:
            try:
                batch.validate(full=True)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise PluginFailed(f"a record batch is not valid Arrow data: {error}") from None
            yield from sliced(batch)
        if stream.read(1):
            raise BadPayload("there are bytes after the end of the document")


def _selected(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], columns: Sequence[str] | None, limit: int | None
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Cut ``batches`` to what is wanted; the columns are those that a server would find."""
    if columns is None:
        return schema, _limited(batches, limit)
    paths = [_path(schema, name) for name in columns]
    sample = schema.empty_table().to_batches() or [pa.RecordBatch.from_pylist([], schema=schema)]

    def chosen(batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [pc.struct_field(batch.column(head), rest) if rest else batch.column(head) for head, *rest in paths]
        return pa.RecordBatch.from_arrays(arrays, names=list(columns))

    wanted = chosen(sample[0]).schema
    return wanted, _limited(map(chosen, batches), limit)


def _path(schema: pa.Schema, name: str) -> list[int]:
    """Find a column by its whole name, for that may hold a dot, or part by part through structs."""
    parts = [name] if name in schema.names else name.split(".")
    found = schema.get_all_field_indices(parts[0])
    if len(found) != 1:
        problem = f"is there {len(found)} times" if found else f"is not there{did_you_mean(name, schema.names)}"
        raise BadRequest(f"column {name!r} {problem}")
    path, kind = [found[0]], schema.field(found[0]).type
    for part in parts[1:]:
        child = kind.get_field_index(part) if pa.types.is_struct(kind) else -1
        if child < 0:
            raise BadRequest(f"unknown column {name!r}: {part!r} is no member of a {kind}")
        path.append(child)
        kind = kind.field(child).type
    return path


def _limited(batches: Iterator[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    left = limit
    while left != 0 and (batch := next(batches, None)) is not None:
        yield batch if left is None else batch.slice(0, left)
        left = None if left is None else max(left - batch.num_rows, 0)


def _guarded(items: Iterator[Any], format_name: str) -> Generator[Any, None, None]:
    with _translated(format_name):
        yield from items


@contextmanager
def _translated(format_name: str) -> Iterator[None]:
    """Turn what a format raises into what a client raises; what is the file's, or an interruption, passes."""
    from format_plugins.contract import FormatError, UnsupportedError

    try:
        yield
    except (FlightClientError, OSError, KeyboardInterrupt, GeneratorExit):
        raise
    except FormatError as error:
        kind = Unsupported if isinstance(error, UnsupportedError) else BadPayload
        detail = {name: getattr(error, name) for name in ("offset", "row", "column", "value", "option")}
        raise kind(str(error), detail={name: value for name, value in detail.items() if value is not None}) from None
    except BaseException as error:
        raise PluginFailed(f"the format {format_name!r} failed: {type(error).__name__}: {error}") from error
