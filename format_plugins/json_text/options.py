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

    schema: dict[str, str] = option({}, 'Types of columns, instead of the inferred ones: {"price": "decimal128(18, 4)"}.')
    columns: tuple[str, ...] = option((), "The columns to read, in this order; empty reads all. Other fields are skipped.")
    sample_rows: int = option(10_000, "Types are inferred from at most so many records.", unit="rows")
    sample_bytes: int = option(1 << 20, "Types are inferred from about so much text: whole blocks.", unit="bytes")
    timestamps: Literal["infer", "text"] = option(
        "infer", "infer: text that is ISO-8601 in every sampled record becomes a timestamp or a date; text: it stays text."
    )
    unknown_fields: Literal["error", "ignore"] = option("error", "What becomes of a field that the schema does not have.")
    batch_rows: int = option(65_536, "A record batch has at most so many rows.", unit="rows")
    block_bytes: int = option(1 << 20, "Text is decoded in blocks of about this size.", unit="bytes")
    max_record_bytes: int = option(16 << 20, "A longer record is an error.", unit="bytes")
    max_depth: int = option(64, "Deeper nesting is an error; Arrow itself carries 64 levels.", unit="levels")
    max_columns: int = option(4_096, "More inferred columns, nested ones included, are an error.", unit="columns")
    explicit_nulls: bool = option(True, 'Write "a": null for a null; otherwise the field is left out.')
    binary: Literal["base64", "hex"] = option("base64", "How binary values are written and read, as text.")
    non_finite: Literal["error", "null", "string"] = option(
        "error", "NaN and infinity, which JSON lacks, are an error, null, or text: NaN, Infinity, -Infinity."
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
