"""A small document through a plugin that is on trial: whether it can do at all what its capabilities say.

It is lenient. A format may lose what it cannot carry, refuse tables and documents, and stumble over empty ones. What is
not forgiven is what no client could live with: to hang or end the process, to return what is no Arrow data or no bytes,
and to fail with a table that is of the plugin's own schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import pyarrow as pa

from flight_server.caller import Caller
from flight_server.plugins.failure import LoadError, explained, plugin_code
from flight_server.plugins.generation import Generation
from format_plugins.contract import DataFormat, FormatError
from format_plugins.streams import ByteStream

T = TypeVar("T")

_ROWS = 3
#: Three rows are not longer than this in any format.
_MOST_BYTES = 64 << 20
#: What is written when the plugin does not say what it reads; the first that it takes.
_GUESSES: tuple[dict[str, pa.DataType], ...] = (
    {"id": pa.int64(), "name": pa.string(), "value": pa.float64()},
    {"text": pa.string()},
    {"number": pa.int64()},
    {"value": pa.float64()},
    {"content": pa.binary()},
)


def round_trip(generation: Generation, doing: Callable[[str], None]) -> str | None:
    """Read nothing, write a small table, and read that; ``doing`` is told each step before it is taken.

    Returns a remark for the author, if there is one. Raises ``LoadError``.
    """
    tried = _Tried(generation, doing)
    abilities = generation.metadata.capabilities
    own = tried.schema_of_nothing() if abilities.read else None
    written = tried.write(own) if abilities.write else None
    if written is None or not abilities.read:
        return None
    schema, document = written
    return tried.read_back(schema, document)


class _Tried:
    def __init__(self, generation: Generation, doing: Callable[[str], None]) -> None:
        self._generation = generation
        self._doing = doing

    def schema_of_nothing(self) -> pa.Schema | None:
        """Read an empty document, and return the schema that the plugin gives it, if it does."""
        self._doing("while it read an empty document")
        return self._forgiven("reading an empty document failed", lambda: _read(self._codec(), None, b""))

    def write(self, own: pa.Schema | None) -> tuple[pa.Schema, bytes] | None:
        """Write a table of the plugin's own schema, else one that it takes; None when it refuses all."""
        self._doing("while it wrote a small table")
        if own is not None and len(own) and (document := self._written(own)) is not None:
            return self._with_no_rows(own, document)
        # A format that is about certain columns may look for them in vain in tables that are no more than guesses.
        for schema in map(pa.schema, _GUESSES):
            if (document := self._written(schema, (LookupError,))) is not None:
                return self._with_no_rows(schema, document)
        return None

    def read_back(self, schema: pa.Schema, document: bytes) -> str | None:
        """Read what the plugin wrote, with the schema given if it wants that; return what it says when it refuses."""
        self._doing("while it read what it had written")
        with plugin_code("reading what it had written failed", own=self._generation.shown_as):
            try:
                _read(self._codec(), None, document)
            except FormatError:
                pass
            else:
                return None
            try:
                _read(self._codec(), schema, document)
            except FormatError as error:
                return f"it refuses to read what it wrote: {explained(error)}"
        return None

    def _with_no_rows(self, schema: pa.Schema, document: bytes) -> tuple[pa.Schema, bytes]:
        self._doing("while it wrote a table of no rows")
        self._forgiven("writing a table of no rows failed", lambda: _write(self._codec(), schema.empty_table()))
        return schema, document

    def _written(self, schema: pa.Schema, forgiven: tuple[type[Exception], ...] = ()) -> bytes | None:
        columns = ", ".join(f"{field.name}: {field.type}" for field in schema)
        with plugin_code(f"writing a small table ({columns[:100]}) failed", own=self._generation.shown_as):
            try:
                return _write(self._codec(), _sample(schema))
            except FormatError:
                return None
            except Exception as error:
                if isinstance(error, forgiven):
                    return None
                raise

    def _forgiven(self, failed: str, work: Callable[[], T]) -> T | None:
        """Do ``work``; None when the plugin raises what a plugin may raise over nothing at all."""
        with plugin_code(failed, own=self._generation.shown_as):
            try:
                return work()
            except (LoadError, MemoryError):
                raise
            except Exception:  # noqa: BLE001 - see above
                return None

    def _codec(self) -> DataFormat:
        """Make the codec of one stream, as the server does for each."""
        return self._generation.code.create_format(None, Caller.nobody())


def _read(codec: DataFormat, schema: pa.Schema | None, document: bytes) -> pa.Schema | None:
    """Read a document to its end, check every record batch, and return the schema."""
    stream = ByteStream([document])
    if hasattr(codec, "read_batches_from_stream"):
        call, made = "read_batches_from_stream()", codec.read_batches_from_stream(schema, stream)
    else:
        call, made = "read_batches()", codec.read_batches(stream.read())
    found = None
    batches: Iterable[Any]
    if hasattr(made, "__arrow_c_stream__"):
        batches = reader = pa.RecordBatchReader.from_stream(made)
        found = reader.schema
    elif isinstance(made, Iterable | Iterator):
        batches = made
    else:
        raise LoadError(f"{call} returned a {type(made).__name__}, which is no stream of record batches")
    for batch in batches:
        if not isinstance(batch, pa.RecordBatch):
            raise LoadError(f"{call} yielded a {type(batch).__name__} where a record batch was expected")
        found = found or batch.schema
        if not batch.schema.equals(found):
            raise LoadError(f"{call} changed the schema while it was reading")
        try:
            batch.validate(full=True)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise LoadError(f"{call} made a record batch that is not valid Arrow data: {error}") from None
    return found


def _write(codec: DataFormat, table: pa.Table) -> bytes:
    """Return the document that is written of ``table``."""
    made = codec.write_batches(table.to_reader())
    if isinstance(made, str | bytes | bytearray | memoryview | pa.Buffer) or not isinstance(made, Iterable):
        raise LoadError(f"write_batches() returned a {type(made).__name__}, which is no iterator of buffers")
    document = bytearray()
    for piece in made:
        try:
            document += memoryview(piece).cast("B")
        except TypeError:
            raise LoadError(f"write_batches() yielded a {type(piece).__name__} where bytes were expected") from None
        if len(document) > _MOST_BYTES:
            raise LoadError(f"write_batches() made more than {_MOST_BYTES:,} bytes of {len(table)} rows")
    return bytes(document)


def _sample(schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays([_values(field.type) for field in schema], schema=schema)


def _values(kind: pa.DataType) -> pa.Array[Any]:
    """Return a few values of a type, nulls where there are no simple ones."""
    choices: tuple[list[Any], ...] = (["a", "b", "c"], [1, 2, 3], [True, False, True])
    for values in (*choices, [None] * _ROWS):
        try:
            return pa.array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, ValueError):
            continue
    raise FormatError(f"there are no sample values of the type {kind}")
