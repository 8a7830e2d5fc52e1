"""What an author declares of a plugin: its losses, and what it needs to be tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from format_plugins.conformance.loss import Loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Data about a plugin that its code does not tell."""

    #: What does not come back, and how. The first that covers a sample counts.
    losses: tuple[Loss, ...] = ()
    #: Rows that the format writes and reads back; needed when it does not carry numbers, texts and bools.
    example: pa.Table | None = None
    #: The format has no other schema than that of ``example``.
    fixed_schema: bool = False
    #: Documents and what they decode to; needed for a format that is only read.
    samples: Mapping[bytes, pa.Table] = field(default_factory=dict)
    #: What a stream of a format that says it streams may take.
    memory_bytes: int = 64 << 20
    #: Options that it is tried with; they must do where some have no default.
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fixed_schema and self.example is None:
            raise ValueError("fixed_schema says that the schema is that of `example`, and there is none")
        if self.example is not None and not self.example.num_rows:
            raise ValueError("the example has no rows")
