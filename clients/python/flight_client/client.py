"""The client: a connection to a server, and everything that can be asked of it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, Unpack

import pyarrow as pa

from flight_client import retries as retrying
from flight_client.cancelling import Cancel
from flight_client.documents import Document
from flight_client.errors import FlightClientError
from flight_client.exchanges import Exchange
from flight_client.files import Formats, naming, replaceable, whole
from flight_client.gets import Get
from flight_client.line import Line, Terms, Token
from flight_client.puts import OnProgress, Put
from flight_client.questions import Questions
from flight_client.requests import NATIVE, Conversion, Mode, Options, Path, Request, Selection, check_document, schema_text
from flight_client.results import PutResult
from flight_client.retries import Retries
from flight_client.sources import Original
from flight_client.streams import Stream
from flight_client.tls import Tls


def connect(
    uri: str,
    *,
    token: Token | None = None,
    tls: Tls | None = None,
    timeout: float | None = 30.0,
    idle_timeout: float | None = 60.0,
    retries: Retries = retrying.DEFAULT,
) -> Client:
    """Return a client of the server at ``uri`` (``grpc://host:port``, ``grpc+tls://...``, ``grpc+unix:///path``).

    ``token`` is sent with every call as ``authorization: Bearer ...``; it may be a function that returns the one that is
    good now. It is for ``grpc+tls://``: on other lines everybody on the way can read it. ``tls`` says how the server is
    known, and who the client is.

    ``timeout`` is in seconds and holds for each question. Puts, gets and conversions take as long as they take, but end
    with ``DeadlineExceeded`` when the server is silent for ``idle_timeout`` seconds though it is its turn. ``retries``
    says how much trouble is waited out. The connection is made at the first call: that one raises ``Unavailable`` when
    nobody listens.
    """
    terms = Terms(token=token, tls=tls, timeout=timeout, idle_timeout=idle_timeout, retries=retries)
    return Client(uri, terms)


class Client(Questions):
    """A connection, to be used by any number of threads; a context manager.

    Every failure of a call is a ``FlightClientError``. Files that cannot be read or written raise ``OSError``, objects
    that cannot be sent ``TypeError``, and exceptions of a source come out as they are. A ``cancel`` ends its call from
    another thread.
    """

    def __init__(self, uri: str, terms: Terms | None = None) -> None:
        super().__init__(Line(uri, terms or Terms()))
        self.uri = uri
        self._formats = Formats(self._extensions)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection. Streams that still run are closed one by one, before."""
        self._line.close()

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
        cancel: Cancel | None = None,
    ) -> PutResult:
        """Store ``source`` in ``dataset``: all of it, or nothing when anything is raised.

        ``source`` is a document (a path, bytes, a binary file, an iterable of bytes) or rows (a table, a record batch,
        a record batch reader, anything with ``__arrow_c_stream__``: pandas, Polars, DuckDB, nanoarrow). The format and
        content encoding of a path are told by its name, as the server reads names; ``content_encoding="identity"`` keeps
        ``.gz`` and the like from being read so. ``schema`` decodes a document to exactly this. ``on_progress`` is called
        in this thread, every few seconds of a long put; an exception of it ends the put as one of the source does.

        What is sent ends with its figures, and the server stores it only when it has counted the same: the rows of a
        table; the bytes and chunks of a document. There is no digest on the wire: TCP and TLS look after the bits.

        The same ``put_id`` again stores nothing again; without one, the put gets one of its own. When the line breaks or
        the server restarts, the client asks it whether the put is stored, and if not sends a ``source`` that can be read
        again (see ``sources.Original``) once more, so that it is stored exactly once. ``NoAnswer`` is raised when that is
        not known after all ``retries``; ``put_status`` tells later.
        """
        if isinstance(source, str | os.PathLike):
            format, content_encoding = self._formats.of(os.fspath(source), format, content_encoding)
        original = Original(source)
        if not original.is_rows:
            check_document(format)
        chosen = put_id or str(uuid.uuid4())
        request = {
            "dataset": dataset,
            "format": format or (NATIVE if original.is_rows else None),
            "options": options,
            "content_encoding": content_encoding,
            "schema": schema_text(schema),
            "mode": mode,
            "commit": "explicit",
            "put_id": chosen,
        }
        return Put(
            self._line,
            request,
            status=lambda: self._put_status_once(chosen),
            own_id=put_id is None,
            on_progress=on_progress,
            cancel=cancel or Cancel(),
        ).carry_out(original)

    def get(  # noqa: PLR0913 - the wire's own keys, each by its name
        self,
        dataset: str,
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
        version: int | None = None,
        resume: bool = False,
        cancel: Cancel | None = None,
    ) -> Stream:
        """Return the rows of a dataset as record batches; ``columns`` in the order wanted, ``a.b`` reaches into structs.

        What is read is the version that is the newest now, or ``version``, whatever is put meanwhile. A version never
        changes, so a stream of a ``version`` that breaks off is taken up where it did, and the caller does not notice.
        ``resume`` makes it so without one, for the price of one question before: which version is the newest. Otherwise
        a broken stream is ``Unavailable``, unless it breaks before its first batch.
        """
        if resume and version is None:
            version = self.info(dataset).version
        request = {"columns": columns, "limit": limit, "offset": offset or None, "version": version}
        resumes = version is not None
        return Stream(Get(self._line, {"dataset": dataset, **request}, resumes=resumes, cancel=cancel or Cancel()))

    def get_bytes(
        self,
        dataset: str,
        *,
        format: str,
        options: Options | None = None,
        content_encoding: str | None = None,
        **selection: Unpack[Selection],
    ) -> Document:
        """Return a dataset as a document of ``format``, in chunks; ``selection`` is what ``get`` takes, but ``resume``.

        A document that breaks off after its first chunk is not taken up: that is ``Unavailable``.
        """
        check_document(format)
        cancel = selection.pop("cancel", None) or Cancel()
        request = {"format": format, "options": options, "content_encoding": content_encoding}
        return Document(Stream(Get(self._line, {"dataset": dataset, **request, **selection}, resumes=False, cancel=cancel)))

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
        not at all: it is written under another name beside, and renamed. One that breaks off is begun again, from the
        version that is the newest then.
        """
        format, content_encoding = self._formats.of(os.fspath(path), format, content_encoding)
        tries = self._line.tries(request.get("cancel"))
        while True:
            with self.get_bytes(dataset, format=format, content_encoding=content_encoding, **request) as document:
                try:
                    return _write(document, path)
                except FlightClientError as error:
                    # What went into a pipe or a terminal cannot be taken back.
                    tries.again(error, safe=replaceable(path))

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
        cancel: Cancel | None = None,
    ) -> Document:
        """Return ``source`` as a document of ``to_format``; nothing is stored.

        ``source`` is what ``put`` takes. It is used in another thread while the result is read, and neither is ever
        held whole. An error in it is raised where the result is read, with the source's own exception. A conversion is
        never made again by itself.
        """
        if isinstance(source, str | os.PathLike):
            from_format, from_encoding = self._formats.of(os.fspath(source), from_format, from_encoding)
        check_document(to_format)
        if not Original(source).is_rows:
            check_document(from_format)
        sides = {
            "from": {
                "format": from_format,
                "options": from_options,
                "content_encoding": from_encoding,
                "schema": schema_text(schema),
            },
            "to": {"format": to_format, "options": to_options, "content_encoding": to_encoding},
        }
        request = {name: {key: value for key, value in side.items() if value is not None} for name, side in sides.items()}
        exchange = Exchange(self._line, {**request, "columns": columns, "limit": limit}, source, cancel or Cancel())
        return Document(Stream(exchange))

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

    def _extensions(self) -> dict[str, str]:
        return {extension: item["name"] for item in self.formats() for extension in item["extensions"]}


def _write(document: Document, path: Path) -> int:
    size = 0
    with whole(path) as file:
        for chunk in document:
            with naming(path):
                file.write(chunk)
            size += chunk.size
    return size
