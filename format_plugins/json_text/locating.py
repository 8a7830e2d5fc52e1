"""From what the parser says about a record to what a person needs: the column, its type, the value, and the cure."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pyarrow as pa

from format_plugins.json_text.faults import PARSE_ERRORS, RecordError, UnfitError
from format_plugins.json_text.records import Block, Lines
from format_plugins.json_text.renaming import real_name
from format_plugins.kinds import is_list

_PATH = re.compile(r" - at `\$(.*)`\Z", re.DOTALL)
_UNKNOWN = re.compile(r"\AObject contains unknown field `(.*)`\Z", re.DOTALL)
_MISSING = re.compile(r"\AObject missing required field `(.*)`\Z", re.DOTALL)
_BYTE = re.compile(r" \(byte (\d+)\)\Z")
_READER_FIELD = re.compile(r"whilst decoding field '([^']*)'")
_READER_VALUE = re.compile(r"failed to parse (\S+)")
_SHOWN = 64  # characters of a value


def located(error: Exception, block: Block, extent: tuple[int, int], row: pa.StructType | None) -> RecordError:
    """Return ``error``, which parsing the record at ``extent`` raised, with all that can be said about it.

    ``row`` has the types of the columns; None while they are not known.
    """
    start, end = extent
    text = block.data[start:end]
    if isinstance(error, msgspec.ValidationError):
        return _wrong_type(str(error), block, extent, row)
    if isinstance(error, RecursionError):
        return RecordError("the record is nested too deep", offset=block.offset + start, option="max_depth")
    if isinstance(error, UnicodeDecodeError):
        # The error counts within one string of the record; the record itself tells where it is.
        return RecordError("the text is not UTF-8", offset=block.offset + start + _first_invalid(text))
    message = str(error)
    found = _BYTE.search(message)
    byte = int(found[1]) if found else len(text)
    problem = f"the record is not JSON: {_BYTE.sub('', message)}{_hint(message, text, block)}"
    return RecordError(
        problem, offset=block.offset + start + byte, value=text[max(byte - 8, 0) : byte + 8].decode("utf-8", "replace")
    )


def refused(error: pa.ArrowInvalid) -> UnfitError:
    """Return what the columnar reader says about a value that it does not take."""
    message = str(error).partition("\n")[0]
    found = _READER_VALUE.search(message)
    unfit = UnfitError(message.rpartition(": ")[2], found[1] if found else None)
    unfit.path = real_name("".join(f".{name}" for name in _READER_FIELD.findall(message)))
    return unfit


def unfit(row: pa.StructType | None, path: str, value: str | None, reason: str) -> RecordError:
    """Return what is to be said about a value that its column cannot hold."""
    type_ = field_at(row, path) if row and path else None
    fit = "cannot be read" if type_ is None else f"does not fit {type_}"
    example = msgspec.json.encode({_first_name(row, path) if row and path else "column": "..."}).decode()
    shown = "the value" if value is None else value[:_SHOWN]
    return RecordError(
        f"{shown} {fit} ({reason}); the option schema can give another type: {example}",
        column=path.removeprefix("."),
        value=value,
        option="schema",
    )


def field_at(row: pa.DataType, path: str) -> pa.DataType | None:
    """Return the type at ``path`` (``.a.b[3]``) of ``row``; None when the path leaves what is known."""
    type_: Any = row
    while path:
        if pa.types.is_struct(type_):
            name = _first_name(type_, path)
            if name is None:
                return None
            type_, path = type_.field(name).type, path[len(name) + 1 :]
        elif is_list(type_) and path.startswith("["):
            type_, path = type_.value_type, path.partition("]")[2]
        else:
            return None
    return type_  # type: ignore[no-any-return] # a data type by then


def _first_name(struct: Any, path: str) -> str | None:  # noqa: ANN401 - a struct type
    """Return the field that ``path`` begins with: the longest, since names may hold dots."""
    names = [f.name for f in struct if path.startswith("." + f.name) and path[len(f.name) + 1 :][:1] in {"", ".", "[", "{"}]
    return max(names, key=len, default=None)


def _wrong_type(message: str, block: Block, extent: tuple[int, int], row: pa.StructType | None) -> RecordError:
    start, end = extent
    text, offset = block.data[start:end], block.offset + start
    found = _PATH.search(message)
    path = real_name(found[1]) if found else ""
    reason = real_name(_PATH.sub("", message))
    for pattern, problem, option in (
        (_UNKNOWN, "the schema has no such field; the option unknown_fields can ignore it", "unknown_fields"),
        (_MISSING, "the field is missing, and the schema does not allow null", "schema"),
    ):
        named = pattern.match(reason)
        if named:
            return RecordError(problem, offset=offset, column=f"{path}.{named[1]}".removeprefix("."), option=option)
    if not path:
        return RecordError(f"each record must be an object ({reason}){_hint(message, text, block)}", offset=offset)
    error = unfit(row, path, _value_at(text, path), reason)
    error.offset = offset
    return error


def _value_at(text: bytes, path: str) -> str | None:
    """Return the text of the value at ``path``, as far as the path can be followed."""
    value: Any = text
    try:
        while path:
            fields = msgspec.json.decode(value, type=dict[str, msgspec.Raw] | list[msgspec.Raw])
            if isinstance(fields, dict):
                name = max((key for key in fields if path.startswith("." + key)), key=len)
                value, path = fields[name], path[len(name) + 1 :]
            else:
                index, _, path = path[1:].partition("]")
                value = fields[int(index)]
    except (*PARSE_ERRORS, ValueError, IndexError):
        return None
    return bytes(value).decode("utf-8", "replace")


def _first_invalid(text: bytes) -> int:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _hint(message: str, text: bytes, block: Block) -> str:
    if not isinstance(block, Lines):
        return ""
    if text.lstrip()[:1] == b"[":
        return "; an array of objects is read by the format json"
    if "truncated" in message:
        return "; a record must end on the line that it begins on: JSON over several lines is read by the format json"
    return ""
