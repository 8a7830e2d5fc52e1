"""What the store tells its callers about puts, datasets and versions. Times are seconds since the Unix epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

Mode = Literal["append", "create", "replace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a put did: the version that it made, and what it added to the dataset.

    ``bytes`` counts Arrow bytes as they are stored. ``details`` are the caller's own, as given to ``commit``; a replay
    brings back those of the first time.
    """

    dataset: str
    version: int
    rows: int
    bytes: int
    put_id: str | None
    details: Mapping[str, Any]
    replayed: bool
    committed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTarget:
    """What can be known of a put before its data: the first receipt of its ``put_id``, the schema that it appends to.

    A put of another mode has no ``schema``, nor has one that makes its dataset.
    """

    replay: Receipt | None
    schema: pa.Schema | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """A dataset at its newest version. ``rows`` and ``bytes`` are totals; ``created`` is its first put's time."""

    dataset: str
    version: int
    schema: pa.Schema
    rows: int
    bytes: int
    created: float
    updated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionInfo:
    """A version that can be read: its totals, and what made it."""

    version: int
    rows: int
    bytes: int
    created: float
    operation: Literal["create", "append", "replace"]
    put_id: str | None
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DropReceipt:
    """A drop: the last version that the dataset had, readable for ``retain_secs`` more."""

    dataset: str
    version: int
