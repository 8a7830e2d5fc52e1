"""The wire's requests as data: descriptors, tickets and control messages, parsed into frozen dataclasses.

Nothing here does I/O or knows Flight. Every function either returns a checked request or raises ``BadRequest``.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import msgspec
import pyarrow as pa

from flight_server.errors import BadRequest
from format_plugins.content_encodings import SUFFIXES
from format_plugins.options import OptionError, decode, type_hints

#: The format that is no format: record batches of the dataset's own schema.
NATIVE = "arrow"
#: What a format's name looks like, for requests and for plugins.
FORMAT_NAME = re.compile(r"[a-z][a-z0-9_+-]{0,62}")

_DATASET_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_MAX_SEGMENTS = 8
_MAX_PUT_ID = 128
_MAX_COMMAND_BYTES = 4 << 20

T = TypeVar("T")

# To look them up takes a good part of the time of a small call. The kinds of requests are few, and stay for good.
_hints_of = functools.cache(type_hints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One end of a conversion: a format, its options, and how its bytes are packed."""

    format: str = NATIVE
    options: dict[str, Any] = field(default_factory=dict)
    content_encoding: str | None = None
    schema: str | None = None  # base64 of an Arrow IPC schema message


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRequest:
    """What do_put is asked to do; ``format`` is None when the client named none."""

    dataset: str
    format: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    content_encoding: str | None = None
    schema: str | None = None
    mode: Literal["append", "create", "replace"] = "append"
    commit: Literal["implicit", "explicit"] = "implicit"
    put_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRequest:
    """What do_get, get_flight_info and get_schema are asked for."""

    dataset: str
    format: str = NATIVE
    options: dict[str, Any] = field(default_factory=dict)
    content_encoding: str | None = None
    columns: list[str] | None = None
    limit: int | None = None
    offset: int = 0
    version: int | None = None

    @property
    def whole(self) -> bool:
        """Whether every row and column is wanted, as it is stored."""
        return self.columns is None and self.limit is None and self.offset == 0

    def ticket(self, version: int) -> bytes:
        """Return the ticket of this request, pinned to ``version``."""
        members: dict[str, Any] = {"dataset": self.dataset, "version": version}
        defaults = GetRequest(dataset=self.dataset)
        for name in ("format", "options", "content_encoding", "columns", "limit", "offset"):
            if (value := getattr(self, name)) != getattr(defaults, name):
                members[name] = value
        return text(members)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRequest:
    """What do_exchange is asked to convert."""

    source: Side
    target: Side
    columns: list[str] | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The client's word that it has sent all; a member that is given is checked against what arrived."""

    rows: int | None = None  # rows added to the dataset
    bytes: int | None = None  # bytes of the document as carried, for payload streams
    chunks: int | None = None  # payload rows that carried it


@dataclass(frozen=True, slots=True)
class Abort:
    """The client's word that what it sent must be forgotten."""

    why: str


@dataclass(frozen=True, slots=True)
class Address:
    """A descriptor or ticket before it is understood: a path, or a command."""

    path: tuple[str, ...] = ()
    command: bytes = b""

    @classmethod
    def of_path(cls, parts: Sequence[bytes]) -> Address:
        """Make one of a PATH descriptor's parts."""
        try:
            return cls(path=tuple(b"/".join(parts).decode().split("/")))
        except UnicodeDecodeError:
            raise BadRequest("the descriptor's path is not UTF-8 text") from None

    @classmethod
    def of_ticket(cls, ticket: bytes) -> Address:
        """Make one of a ticket, or of any text that may be JSON or the short form."""
        return cls(command=ticket) if ticket.lstrip().startswith(b"{") else cls.of_path([ticket])


def put_request(address: Address, extensions: Mapping[str, str]) -> PutRequest:
    """Understand a do_put descriptor; ``extensions`` maps ``.csv`` to ``csv``."""
    request = _request(PutRequest, address, extensions)
    if request.format is not None:
        _check_format(request.format)
    if request.put_id is not None and not (0 < len(request.put_id) <= _MAX_PUT_ID and request.put_id.isprintable()):
        raise BadRequest(f"put_id must be 1 to {_MAX_PUT_ID} printable characters")
    return request


def get_request(address: Address, extensions: Mapping[str, str]) -> GetRequest:
    """Understand a ticket, or the descriptor of get_flight_info and get_schema."""
    request = _request(GetRequest, address, extensions)
    _check_format(request.format)
    _check_selection(request.columns, request.limit)
    if request.offset < 0:
        raise BadRequest(f"offset must be 0 or more, not {request.offset}")
    if request.version is not None and request.version < 1:
        raise BadRequest(f"version must be 1 or more, not {request.version}")
    return request


def exchange_request(address: Address) -> ExchangeRequest:
    """Understand a do_exchange descriptor."""
    if address.path:
        raise BadRequest('do_exchange takes a command: {"from": {"format": ...}, "to": {"format": ...}}')
    members = _json_object(address.command)
    # "from" is a keyword of Python's, so the dataclass says source and target.
    renamed = {{"from": "source", "to": "target"}.get(key, key): value for key, value in members.items()}
    for wire_name, name in (("from", "source"), ("to", "target")):
        if wire_name not in members or name in members:
            raise BadRequest(f"do_exchange needs {wire_name!r} (known: from, to, columns, limit)")
    request = _decoded(ExchangeRequest, renamed)
    for side in (request.source, request.target):
        _check_format(side.format)
    if request.target.schema is not None:
        raise BadRequest("unknown key 'to.schema' (known: format, options, content_encoding)")
    _check_selection(request.columns, request.limit)
    return request


def control_message(body: bytes) -> Commit | Abort:
    """Understand a metadata-only message of a put or an exchange."""
    members = _json_object(body)
    if set(members) == {"commit"}:
        return _decoded(Commit, members["commit"], where="commit")
    if set(members) == {"abort"}:
        return Abort(str(members["abort"]))
    raise BadRequest('a metadata-only message is {"commit": {...}} or {"abort": "why"}')


def action_body(body: bytes, known: Mapping[str, type]) -> dict[str, Any]:
    """Understand an action's body: a JSON object with exactly the members ``known``; nothing stands for ``{}``."""
    members = _json_object(body) if body.strip() else {}
    for key, value in members.items():
        if key not in known:
            raise BadRequest(f"unknown key {key!r} (known: {', '.join(known) or 'none'})")
        if not isinstance(value, known[key]):
            raise BadRequest(f"{key!r} must be {known[key].__name__}, not {type(value).__name__}")
    for key in known:
        if key not in members:
            raise BadRequest(f"{key!r} is missing")
    return members


def prefix_of(criteria: bytes) -> str:
    """Understand the criteria of list_flights: nothing, or ``{"prefix": "sales/"}``."""
    return str(action_body(criteria, {"prefix": str})["prefix"]) if criteria.strip() else ""


def schema_of(text: str | None) -> pa.Schema | None:
    """Read a schema from the base64 of an Arrow IPC schema message."""
    if text is None:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
        return pa.ipc.read_schema(pa.py_buffer(raw))
    except (binascii.Error, ValueError, pa.ArrowException, OSError, EOFError) as error:
        raise BadRequest(f"'schema' is not the base64 of an Arrow IPC schema message: {error}") from None


def check_dataset(name: str) -> str:
    """Return ``name`` if it is one that a dataset can have."""
    segments = name.split("/")
    if len(segments) > _MAX_SEGMENTS:
        raise BadRequest(f"a dataset's name has at most {_MAX_SEGMENTS} segments, {name!r:.120} has {len(segments)}")
    for segment in segments:
        if not _DATASET_SEGMENT.fullmatch(segment):
            raise BadRequest(
                f"{name!r:.120} is no dataset's name: {segment!r:.80} is not 1 to 128 of A-Z a-z 0-9 _ . - "
                "that begin with a letter, a digit or _"
            )
    return name


def text(members: Mapping[str, Any]) -> bytes:
    """Return a JSON object as it goes out: no spaces, UTF-8."""
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


def timestamp(seconds: float) -> str:
    """Return a time as it goes out: ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def short_form(path: Sequence[str], extensions: Mapping[str, str]) -> tuple[str, str | None, str | None]:
    """Split a path into dataset, format and content encoding: ``sales/2026.csv.gz`` is ``sales/2026``, csv, gzip.

    The longest extension that a loaded plugin owns decides; without one the whole path is the dataset's name.
    """
    *folders, last = path
    stem, encoding = last, None
    head, dot, suffix = last.rpartition(".")
    if head and dot + suffix.lower() in SUFFIXES:
        stem, encoding = head, SUFFIXES[dot + suffix.lower()]
    for position in (index for index, letter in enumerate(stem) if letter == "." and index):
        if (name := extensions.get(stem[position:].lower())) is not None:
            return "/".join([*folders, stem[:position]]), name, encoding
    return "/".join(path), None, None


def _request(kind: type[T], address: Address, extensions: Mapping[str, str]) -> T:
    if address.path:
        dataset, format_name, encoding = short_form(address.path, extensions)
        members: dict[str, Any] = {"dataset": dataset}
        if format_name is not None:
            members.update(format=format_name, content_encoding=encoding)
    else:
        members = _json_object(address.command)
        if not isinstance(members.get("dataset"), str):
            raise BadRequest("'dataset' is missing: name the dataset")
    request = _decoded(kind, members)
    check_dataset(members["dataset"])
    return request


def _json_object(body: bytes) -> dict[str, Any]:
    if len(body) > _MAX_COMMAND_BYTES:
        raise BadRequest(f"the request is longer than {_MAX_COMMAND_BYTES:,} bytes")
    try:
        members = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the request is not valid JSON: {error}") from None
    if not isinstance(members, dict):
        raise BadRequest(f"the request must be a JSON object, not {type(members).__name__}")
    return members


def _decoded(kind: type[T], members: Any, where: str = "") -> T:  # noqa: ANN401 - whatever JSON holds
    try:
        return decode(kind, members, where=where, hints_of=_hints_of)
    except OptionError as error:
        message = str(error).replace("'source", "'from").replace("'target", "'to").replace("source, target", "from, to")
        raise BadRequest(message, known=list(error.known) or None) from None


def _check_format(name: str) -> None:
    if not FORMAT_NAME.fullmatch(name):
        raise BadRequest(f"{name!r:.80} is no format's name: a-z, then a-z 0-9 _ + -, 63 at the most")


def _check_selection(columns: list[str] | None, limit: int | None) -> None:
    if columns is not None:
        if not columns:
            raise BadRequest("'columns' is empty: leave it out to get all of them")
        if len(set(columns)) != len(columns):
            raise BadRequest("'columns' names a column twice")
    if limit is not None and limit < 0:
        raise BadRequest(f"limit must be 0 or more, not {limit}")
