"""Columns of JSON text that was checked before, by a reader that checks little itself."""

from __future__ import annotations

import re
from typing import Any

import arro3.io
import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.contract import FormatError
from format_plugins.json_text.faults import UnfitError
from format_plugins.json_text.locating import refused
from format_plugins.json_text.records import Block, Elements
from format_plugins.kinds import Array, Type, is_list

# The reader puts the halves of characters beyond U+1FFFF together wrongly when both are escaped.
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-bA-B]")
# It makes -0.0 of this, but the parser an integer, and the sign is gone.
_NEGATIVE_ZERO = re.compile(rb"-0[\s,}\]]")
_BITS_OF_NEGATIVE_ZERO = -(1 << 63)


class ColumnReader:
    """The reader of records whose values are carried by the fields of ``carrier``, a struct."""

    def __init__(self, carrier: Any) -> None:  # noqa: ANN401 - a struct type
        self._row = pa.schema(list(carrier))
        self._list = pa.schema([("elements", pa.list_(pa.field("element", carrier, nullable=False)))])

    def of_lines(self, text: bytes, records: int) -> Array:
        """Return a struct array of ``records``, which stand in ``text`` one after another.

        Raises ``UnfitError`` for a value that a column cannot hold, ``FormatError`` when the reader gives up.
        """
        return _counted(_read(text, self._row, records).to_struct_array(), records)

    def of_block(self, block: Block, records: int) -> Array | None:
        """Return a struct array of the text of ``block`` as it is; None where that could make a difference.

        A difference to the text that the parser writes of what it read, where that is another text of the same values.
        """
        if b"\\" in block.data and _HALF_CHARACTER.search(block.data):
            return None
        try:
            columns = self._of_text(block, records)
        except (UnfitError, FormatError):
            return None
        if _negative_zeros(columns) and _NEGATIVE_ZERO.search(block.data):
            return None
        return columns

    def _of_text(self, block: Block, records: int) -> Array:
        if not isinstance(block, Elements):
            return self.of_lines(block.data, records)
        lists: Array = _read(b"".join((b'{"elements":[', block.data, b"]}")), self._list, 1).column(0)
        return _counted(lists.values, records)


def _read(text: bytes, schema: pa.Schema, rows: int) -> pa.RecordBatch:
    try:
        # A batch that is not full is the last one: there is nothing behind it to look for.
        return pa.RecordBatchReader.from_stream(arro3.io.read_json(text, schema, batch_size=rows + 1)).read_next_batch()
    except pa.ArrowInvalid as error:
        raise refused(error) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what a panic of Rust becomes, and no Exception
            raise
        raise FormatError(f"the columnar reader gave up: {error}") from None


def _counted(columns: Array, records: int) -> Array:
    if len(columns) != records:
        raise RuntimeError(f"{records} records became {len(columns)} rows")
    return columns


def _negative_zeros(array: Array) -> bool:
    """Tell whether there is a double of -0.0 in ``array``, whose bits are those of the least integer."""
    type_: Type = array.type
    if pa.types.is_struct(type_):
        return any(_negative_zeros(array.field(number)) for number in range(type_.num_fields))
    if is_list(type_):
        return _negative_zeros(array.values)
    return pa.types.is_float64(type_) and pc.min(array.view(pa.int64())).as_py() == _BITS_OF_NEGATIVE_ZERO
