"""The client: a connection to a server, and everything that can be asked of it."""

from __future__ import annotations

import base64
import builtins
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypedDict, Unpack

import pyarrow as pa
from pyarrow import flight

from flight_client.documents import Document
from flight_client.errors import BadRequest, FlightClientError, from_flight, translated
from flight_client.exchanges import exchange
from flight_client.files import Formats, whole
from flight_client.puts import OnProgress, put
from flight_client.results import DatasetInfo, PutResult
from flight_client.sending import message
from flight_client.sources import Rows, opened
from flight_client.streams import Stream

Options: TypeAlias = Mapping[str, Any]
Mode: TypeAlias = Literal["append", "create", "replace"]
Path: TypeAlias = str | os.PathLike[str]

#: The format that is no format: record batches as they are.
NATIVE = "arrow"


class Selection(TypedDict, total=False):
    """Which part of a dataset: what ``Client.get`` takes."""

    columns: Sequence[str] | None
    limit: int | None
    offset: int
    version: int | None


class Request(Selection, total=False):
    """What ``Client.get_bytes`` takes beside the format."""

    options: Options | None


class Conversion(TypedDict, total=False):
    """What ``Client.convert`` takes beside the target's format."""

    from_format: str | None
    from_options: Options | None
    to_options: Options | None
    from_encoding: str | None
    schema: pa.Schema | None
    columns: Sequence[str] | None
    limit: int | None


def connect(uri: str, *, timeout: float = 30.0) -> Client:
    """Return a client of the server at ``uri`` (``grpc://host:port``, ``grpc+tls://...``, ``grpc+unix:///path``).

    ``timeout`` is in seconds and holds for each question; puts, gets and conversions take as long as they take. The
    connection is made at the first call: that one raises ``Unavailable`` when nobody listens.
    """
    return Client(uri, timeout=timeout)


class Client:
    """A connection, to be used by any number of threads; a context manager.

    Every failure of a call is a ``FlightClientError``. Files that cannot be read or written raise ``OSError``, objects
    that cannot be sent ``TypeError``, and exceptions of a source come out as they are.
    """

    def __init__(self, uri: str, *, timeout: float = 30.0) -> None:
        self.uri = uri
        try:
            self._connection = flight.FlightClient(uri)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise BadRequest(f"{uri!r} is no address of a Flight server: {from_flight(error).message}") from None
        self._timeout = timeout
        self._formats = Formats(self._extensions)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection. Streams that still run are closed one by one, before."""
        self._connection.close()

    def put(  # noqa: PLR0913 - the wire's own keys, each by its name
        self,
        dataset: str,
        source: Any,  # noqa: ANN401 - see below
        *,
        format: str | None = None,
        options: Options | None = None,
        content_encoding: str | None = None,
        schema: pa.Schema | None = None,
        mode: Mode = "append",
        put_id: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> PutResult:
        """Store ``source`` in ``dataset``: all of it, or nothing when anything is raised.

        ``source`` is a document (a path, bytes, a binary file, an iterable of bytes) or rows (a table, a record batch,
        a record batch reader, anything with ``__arrow_c_stream__``). The format and content encoding of a path are told
        by its name, as the server reads names; ``content_encoding="identity"`` keeps ``.gz`` and the like from being
        read so. ``schema`` decodes a document to exactly this. The same ``put_id`` again stores nothing again; without
        one, the put gets one of its own. ``on_progress`` is called in this thread, every few seconds of a long put; an
        exception of it ends the put as one of the source does.
        """
        if isinstance(source, str | os.PathLike):
            format, content_encoding = self._formats.of(os.fspath(source), format, content_encoding)
        with opened(source) as what:
            request = {
                "dataset": dataset,
                "format": format or (NATIVE if isinstance(what, Rows) else None),
                "options": options,
                "content_encoding": content_encoding,
                "schema": _schema_text(schema),
                "mode": mode,
                "commit": "explicit",
                "put_id": put_id or str(uuid.uuid4()),
            }
            return put(self._connection, request, what, on_progress)

    def get(
        self,
        dataset: str,
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
        version: int | None = None,
    ) -> Stream:
        """Return the rows of a dataset as record batches; ``columns`` in the order wanted, ``a.b`` reaches into structs.

        What is read is the version that is the newest now, or ``version``, whatever is put meanwhile.
        """
        return self._stream(
            {"dataset": dataset, "columns": columns, "limit": limit, "offset": offset or None, "version": version}
        )

    def get_bytes(
        self,
        dataset: str,
        *,
        format: str,
        options: Options | None = None,
        content_encoding: str | None = None,
        **selection: Unpack[Selection],
    ) -> Document:
        """Return a dataset as a document of ``format``, in chunks; ``selection`` is what ``get`` takes."""
        request = {"format": format, "options": options, "content_encoding": content_encoding}
        return Document(self._stream({"dataset": dataset, **request, **selection}))

    def get_file(
        self,
        dataset: str,
        path: Path,
        *,
        format: str | None = None,
        content_encoding: str | None = None,
        **request: Unpack[Request],
    ) -> int:
        """Write a dataset to a file and return its length in bytes.

        The format and content encoding are told by the file's name when they are not given. The file is there whole or
        not at all: it is written under another name beside, and renamed.
        """
        format, content_encoding = self._formats.of(os.fspath(path), format, content_encoding)
        with self.get_bytes(dataset, format=format, content_encoding=content_encoding, **request) as document:
            return _write(document, path)

    def convert(  # noqa: PLR0913 - the wire's own keys, each by its name
        self,
        source: Any,  # noqa: ANN401 - what put takes
        *,
        from_format: str | None = None,
        to_format: str,
        from_options: Options | None = None,
        to_options: Options | None = None,
        from_encoding: str | None = None,
        to_encoding: str | None = None,
        schema: pa.Schema | None = None,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> Document:
        """Return ``source`` as a document of ``to_format``; nothing is stored.

        ``source`` is what ``put`` takes. It is used in another thread while the result is read, and neither is ever
        held whole. An error in it is raised where the result is read, with the source's own exception.
        """
        if isinstance(source, str | os.PathLike):
            from_format, from_encoding = self._formats.of(os.fspath(source), from_format, from_encoding)
        sides = {
            "from": {
                "format": from_format,
                "options": from_options,
                "content_encoding": from_encoding,
                "schema": _schema_text(schema),
            },
            "to": {"format": to_format, "options": to_options, "content_encoding": to_encoding},
        }
        request = {name: {key: value for key, value in side.items() if value is not None} for name, side in sides.items()}
        return Document(exchange(self._connection, {**request, "columns": columns, "limit": limit}, source))

    def convert_file(
        self,
        source: Any,  # noqa: ANN401 - what put takes
        path: Path,
        *,
        to_format: str | None = None,
        to_encoding: str | None = None,
        **request: Unpack[Conversion],
    ) -> int:
        """Convert ``source`` to a file, as ``get_file`` writes one, and return its length in bytes."""
        to_format, to_encoding = self._formats.of(os.fspath(path), to_format, to_encoding)
        with self.convert(source, to_format=to_format, to_encoding=to_encoding, **request) as document:
            return _write(document, path)

    def list(self, prefix: str = "") -> builtins.list[DatasetInfo]:
        """Return the datasets whose names begin with ``prefix``, in name order."""
        criteria = message({"prefix": prefix}) if prefix else b""
        with translated():
            return [DatasetInfo.of(info) for info in self._connection.list_flights(criteria, self._deadline())]  # type: ignore[arg-type]  # the stubs ask for text

    def info(self, dataset: str, *, version: int | None = None) -> DatasetInfo:
        """Return what is known of a dataset, or of one version of it, without reading its rows."""
        descriptor = flight.FlightDescriptor.for_command(message({"dataset": dataset, "version": version}))
        with translated():
            return DatasetInfo.of(self._connection.get_flight_info(descriptor, self._deadline()))

    def versions(self, dataset: str) -> builtins.list[dict[str, Any]]:
        """Return the versions of a dataset that can be read, oldest first."""
        return self.action("versions", {"dataset": dataset})

    def drop(self, dataset: str) -> dict[str, Any]:
        """Drop a dataset; streams that read it go on to their end."""
        return self._answer("drop", {"dataset": dataset})

    def formats(self) -> builtins.list[dict[str, Any]]:
        """Return the formats that the server has now: name, extensions, capabilities, options and more."""
        return self.action("formats")

    def plugins(self) -> builtins.list[dict[str, Any]]:
        """Return every plugin, served or not, with its state and its last error."""
        return self.action("plugins")

    def reload(self) -> builtins.list[dict[str, Any]]:
        """Have the plugin folder looked at now; return what changed."""
        return self.action("reload")

    def health(self) -> dict[str, Any]:
        """Return how the server is."""
        return self._answer("health")

    def put_status(self, put_id: str) -> PutResult | None:
        """Return the answer of the put with this id, or None when it was not stored."""
        status = self._answer("put_status", {"put_id": put_id})
        return PutResult.of(status["result"]) if status["committed"] else None

    def action(self, name: str, body: Mapping[str, Any] | None = None) -> builtins.list[dict[str, Any]]:
        """Carry out any action of the server's, and return its results."""
        with translated():
            results = self._connection.do_action(flight.Action(name, message(body or {})), self._deadline())
            return [json.loads(result.body.to_pybytes()) for result in results]

    def _answer(self, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        results = self.action(name, body)
        if len(results) != 1:
            raise FlightClientError(f"the server answered {name!r} {len(results)} times, not once")
        return results[0]

    def _stream(self, request: Mapping[str, Any]) -> Stream:
        with translated():
            return Stream(self._connection.do_get(flight.Ticket(message(request))))

    def _extensions(self) -> dict[str, str]:
        return {extension: item["name"] for item in self.formats() for extension in item["extensions"]}

    def _deadline(self) -> flight.FlightCallOptions:
        return flight.FlightCallOptions(timeout=self._timeout)


def _write(document: Document, path: Path) -> int:
    size = 0
    with whole(path) as file:
        for chunk in document:
            file.write(chunk)
            size += chunk.size
    return size


def _schema_text(schema: pa.Schema | None) -> str | None:
    return None if schema is None else base64.b64encode(schema.serialize()).decode()
