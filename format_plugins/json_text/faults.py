"""What is wrong with a record, on its way to becoming a ``FormatError`` that says where."""

from __future__ import annotations

import msgspec

from format_plugins.contract import FormatError

#: What the strict parser raises for text that is not JSON, not UTF-8, nested too deep, or not of the type wanted.
PARSE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class UnfitError(Exception):
    """A value that its column's type cannot hold; ``path`` grows from the leaf to the column while it is raised."""

    def __init__(self, reason: str, value: str | None) -> None:
        super().__init__(reason)
        self.path = ""
        self.value = value


class RecordError(Exception):
    """A record, or the text between records, that is wrong. ``index`` counts from 0 within the block at hand."""

    def __init__(
        self,
        problem: str,
        *,
        index: int | None = None,
        offset: int | None = None,
        column: str | None = None,
        value: str | None = None,
        option: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.index = index
        self.offset = offset
        self.column = column
        self.value = value
        self.option = option

    def as_format_error(self, rows_before: int) -> FormatError:
        """Return what the client is told; ``rows_before`` is the number of records in the blocks before this one."""
        row = None if self.index is None else rows_before + self.index + 1
        places = (("row", row), ("column", self.column and repr(self.column)), ("byte", self.offset))
        where = ", ".join(f"{name} {place}" for name, place in places if place is not None)
        return FormatError(
            f"{where}: {self}" if where else str(self),
            offset=self.offset,
            row=row,
            column=self.column,
            value=self.value,
            option=self.option,
        )


def too_long(limit_bytes: int, *, index: int | None, offset: int) -> RecordError:
    """Say that a record passes the limit."""
    return RecordError(
        f"the record is longer than {limit_bytes:,} bytes; the option max_record_bytes allows more",
        index=index,
        offset=offset,
        option="max_record_bytes",
    )


def not_an_object(byte: int, *, index: int, offset: int) -> RecordError:
    """Say that an element of an array is no object."""
    kinds = {ord('"'): "a string", ord("["): "an array", ord("t"): "a boolean", ord("f"): "a boolean", ord("n"): "null"}
    kind = kinds.get(byte, "a number" if chr(byte) in "-0123456789" else f"{chr(byte)!r}")
    return RecordError(f"each element must be an object, but here is {kind}", index=index, offset=offset)
