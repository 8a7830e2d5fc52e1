"""A document that a plugin is reading: its schema, and its record batches, each held against the law."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pyarrow as pa

from format_plugins.conformance.blame import READING, plugin_code
from format_plugins.conformance.finding import Unmet, told
from format_plugins.contract import FormatError

SCHEMA_RULE = "it_has_a_schema_that_never_changes"
VALID_RULE = "every_batch_is_valid"


class Opened:
    """What a plugin returned for a document, as a schema and batches. ``what`` names the document in sentences."""

    def __init__(self, made: Any, wanted: pa.Schema | None, what: str) -> None:  # noqa: ANN401 - a BatchStream
        self.schema: pa.Schema
        self._what = what
        self._first: list[pa.RecordBatch] = []
        if hasattr(made, "__arrow_c_stream__") and not isinstance(made, pa.RecordBatchReader):
            made = pa.RecordBatchReader.from_stream(made)
        self._made = iter(made)
        if isinstance(made, pa.RecordBatchReader):
            self.schema = made.schema
            return
        first = next(self._made, None)
        if first is None and wanted is None:
            raise Unmet(
                f"In {what}, the plugin yields no record batch, so there is no schema.",
                fix="Yield one batch of no rows, or return a pyarrow.RecordBatchReader, which has a schema.",
                owner=SCHEMA_RULE,
            )
        if first is not None and not isinstance(first, pa.RecordBatch):
            raise Unmet(
                f"In {what}, the plugin yields a {type(first).__name__} where a record batch is expected.",
                fix="Yield pyarrow.RecordBatch.",
                owner=SCHEMA_RULE,
            )
        self._first = [] if first is None else [first]
        self.schema = cast("pa.Schema", wanted) if first is None else first.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the record batches, each of the schema, and valid: what is not could not be looked at without harm."""
        while True:
            with plugin_code(f"reading {self._what}", READING, through=FormatError):
                batch = self._first.pop() if self._first else next(self._made, None)
            if batch is None:
                return
            self._check(batch)
            yield batch

    def _check(self, batch: pa.RecordBatch) -> None:
        if not batch.schema.equals(self.schema):
            raise Unmet(
                f"In {self._what}, the schema changes from {_line(self.schema)} to {_line(batch.schema)}.",
                fix="Decide the schema before the first batch, and make every batch with it.",
                owner=SCHEMA_RULE,
            )
        try:
            batch.validate(full=True)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise Unmet(
                f"In {self._what}, a record batch is not valid Arrow data: {told(error)}.",
                fix="Check what the document says of lengths, offsets and text before an array is made of it.",
                owner=VALID_RULE,
            ) from None


def _line(schema: pa.Schema) -> str:
    return "(" + ", ".join(f"{field.name}: {field.type}" for field in schema) + ")"
