"""What can be asked for: the arguments that several calls share, by their names on the wire."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict

import pyarrow as pa

from flight_client.cancelling import Cancel
from flight_client.errors import UnknownFormat
from flight_client.puts import OnProgress

Options: TypeAlias = Mapping[str, Any]
Mode: TypeAlias = Literal["append", "create", "replace"]
Path: TypeAlias = str | os.PathLike[str]

#: The format that is no format: record batches as they are.
NATIVE = "arrow"


class Selection(TypedDict, total=False):
    """Which part of a dataset, whatever it is to be."""

    columns: Sequence[str] | None
    limit: int | None
    offset: int
    version: int | None
    cancel: Cancel | None


class Fetch(Selection, total=False):
    """What ``Client.get`` takes beside the dataset."""

    resume: bool


class Request(Selection, total=False):
    """What ``Client.get_file`` takes beside the format."""

    options: Options | None


class DocumentRequest(Request, total=False):
    """What ``Client.get_bytes`` takes beside the format."""

    content_encoding: str | None


class Putting(TypedDict, total=False):
    """What ``Client.put`` takes beside the dataset and the source."""

    format: str | None
    options: Options | None
    content_encoding: str | None
    schema: pa.Schema | None
    mode: Mode
    put_id: str | None
    on_progress: OnProgress | None
    cancel: Cancel | None


class Conversion(TypedDict, total=False):
    """What ``Client.convert_file`` takes beside the target's format."""

    from_format: str | None
    from_options: Options | None
    to_options: Options | None
    from_encoding: str | None
    schema: pa.Schema | None
    columns: Sequence[str] | None
    limit: int | None
    cancel: Cancel | None


class ConversionTo(Conversion, total=False):
    """What ``Client.convert`` takes beside the target's format."""

    to_encoding: str | None


def check_document(format_name: str | None) -> None:
    """Raise ``UnknownFormat`` when what a document is said to be is no document.

    A server takes bytes that are called so as rows of bytes, and sends rows where bytes are expected.
    """
    if format_name == NATIVE:
        raise UnknownFormat(
            f"{NATIVE!r} is no format of documents but record batches as they are; "
            "a document of them is 'arrow_stream' or 'arrow_file'"
        )


def schema_text(schema: pa.Schema | None) -> str | None:
    """Return a schema as requests carry it."""
    return None if schema is None else base64.b64encode(schema.serialize()).decode()
