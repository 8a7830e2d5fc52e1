"""The options of the JSON formats, and the sentences that say which values they cannot have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from format_plugins.options import option
from format_plugins.type_names import parse_type


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonOptions:
    """How JSON text is read and written; the same for ``ndjson`` and ``json``."""

    schema: dict[str, str] = option(
        {}, 'types by column, such as {"price": "decimal128(18, 4)"}, when no schema is given; the others are inferred'
    )
    columns: tuple[str, ...] = option(
        (), "the columns to read, in this order; those of a given schema that are left out are null; empty: all"
    )
    sample_rows: int = option(10_000, "how many records types are inferred from, at most", unit="rows")
    sample_bytes: int = option(1 << 20, "how much text types are inferred from, in whole blocks", unit="bytes")
    timestamps: Literal["infer", "text"] = option(
        "infer", "infer: text that is ISO 8601 in every sampled record becomes a timestamp or a date; text: it stays text"
    )
    unknown_fields: Literal["error", "ignore"] = option("error", "what to do with a field that the schema does not have")
    batch_rows: int = option(65_536, "the most rows of a record batch that is read", unit="rows")
    block_bytes: int = option(1 << 20, "how much text is decoded at a time; not more than max_record_bytes", unit="bytes")
    max_record_bytes: int = option(16 << 20, "the longest record that is accepted", unit="bytes")
    max_depth: int = option(64, "the deepest nesting that is read and written; 64 is what Arrow carries", unit="levels")
    max_columns: int = option(4_096, "the most columns that are inferred, nested ones included", unit="columns")
    explicit_nulls: bool = option(True, 'write "a": null for a null; false: leave the field out')
    binary: Literal["base64", "hex"] = option("base64", "the text that binary values are written as and read from")
    non_finite: Literal["error", "null", "string"] = option(
        "error", "NaN and infinity, which JSON lacks, are refused, or written as null, or written and read as text"
    )

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if self.max_depth > _MOST_DEPTH:
            raise ValueError(f"max_depth must be at most {_MOST_DEPTH}, the depth that Arrow carries, not {self.max_depth}")
        if self.block_bytes > self.max_record_bytes:
            raise ValueError(f"block_bytes ({self.block_bytes}) must not exceed max_record_bytes ({self.max_record_bytes})")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError(f"columns must differ, but one is repeated in {', '.join(self.columns)}")
        self.types()

    def types(self) -> dict[str, pa.DataType]:
        """Return the types of the option ``schema``; raise ``ValueError`` for a text that is no type."""
        types = {}
        for name, text in self.schema.items():
            try:
                types[name] = parse_type(text)
            except ValueError as error:
                raise ValueError(f"schema, column {name!r}: {error}") from None
        return types


_MOST_DEPTH = 64
_LEAST = {
    "sample_rows": 1,
    "sample_bytes": 1,
    "batch_rows": 1,
    "block_bytes": 16,
    "max_record_bytes": 16,
    "max_depth": 1,
    "max_columns": 1,
}
