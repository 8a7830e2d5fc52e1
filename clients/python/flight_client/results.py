"""What the server answers, as dataclasses. Members that a newer server adds are ignored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyarrow import flight


@dataclass(frozen=True, slots=True, kw_only=True)
class PutResult:
    """A put that is stored for good."""

    dataset: str
    version: int
    rows: int  # added by this put
    bytes: int  # of the document, or of the record batches, as they arrived
    put_id: str
    format: str
    plugin: Mapping[str, Any] | None  # name, version, generation; None for record batches
    replayed: bool  # the same put_id was stored before, and nothing was stored again

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> PutResult:
        """Read the server's answer."""
        return cls(**{name: members.get(name) for name in cls.__dataclass_fields__})  # type: ignore[arg-type]  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the server has come with a put that runs."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """A dataset, as its newest version is (or the version that was asked for)."""

    dataset: str
    version: int
    rows: int
    bytes: int  # as stored
    created: datetime
    updated: datetime
    schema: pa.Schema

    @classmethod
    def of(cls, info: flight.FlightInfo) -> DatasetInfo:
        """Read what Flight tells of a dataset."""
        members = json.loads(info.app_metadata)
        return cls(
            dataset=members["dataset"],
            version=members["version"],
            rows=members["rows"],
            bytes=members["bytes"],
            created=datetime.fromisoformat(members["created"]),
            updated=datetime.fromisoformat(members["updated"]),
            schema=info.schema,
        )
