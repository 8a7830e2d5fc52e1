"""The names of a document's columns, from its header, the options or the schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from format_plugins.contract import FormatError
from format_plugins.delimited.dialect import Dialect
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.delimited.parser import read_names


@dataclass(frozen=True, slots=True)
class Header:
    """``names`` of the columns in the document's order; ``length`` of the text before the first record, in bytes."""

    names: tuple[str, ...]
    length: int


def read_header(text: bytes, dialect: Dialect, options: DelimitedOptions, schema: pa.Schema | None) -> Header:
    """Read the header of a document that begins with ``text``; empty text is an empty document.

    Raises ``FormatError`` when the names cannot be known, are not unique, or are more than ``max_columns``.
    """
    start, end = dialect.first_record(text)
    if start == len(text):
        names = _names_of_nothing(options, schema)
        return Header(names, 0 if blank_lines_count(options, schema) else len(text))
    count = dialect.count_fields(text[start:end], options.max_columns)
    if count > options.max_columns:
        raise FormatError(
            f"the first record has more than {options.max_columns:,} columns; are delimiter and quote right?",
            row=None if options.header else 1,
            option="max_columns",
        )
    if options.column_names is not None:
        names = _given_names(options.column_names, count)
    elif options.header:
        names = _unique(read_names(text[start:end], dialect))
    else:
        names = _names_by_position(count, options, schema)
    if options.header:
        return Header(names, end)
    return Header(names, 0 if count == 1 and blank_lines_count(options, schema) else start)


def blank_lines_count(options: DelimitedOptions, schema: pa.Schema | None) -> bool:
    """Tell whether blank lines are records before any other one is: there is one column, and no header to come."""
    names: Sequence[str] = options.column_names or (schema.names if schema is not None else ())
    return not options.header and len(names) == 1


def _names_of_nothing(options: DelimitedOptions, schema: pa.Schema | None) -> tuple[str, ...]:
    if options.column_names is not None:
        return options.column_names
    if schema is None:
        raise FormatError(
            "the document is empty: without a header its columns are unknown; give a schema or column_names",
            option="column_names",
        )
    return tuple(schema.names)


def _given_names(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    if len(names) != count:
        raise FormatError(
            f"column_names has {len(names)} names, but the first record has {count} columns", option="column_names"
        )
    return names


def _names_by_position(count: int, options: DelimitedOptions, schema: pa.Schema | None) -> tuple[str, ...]:
    if schema is None:
        return tuple(f"f{position}" for position in range(count))
    extra = count - len(schema)
    if extra > 0 and options.extra_columns == "error":
        raise FormatError(
            f'the first record has {count} columns, the schema {len(schema)}; extra_columns="ignore" leaves out the others',
            row=1,
            option="extra_columns",
        )
    return (*schema.names[:count], *(f"\0extra{position}" for position in range(extra)))


def _unique(names: list[str]) -> tuple[str, ...]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise FormatError(
                f"the header has the column {name!r:.80} twice; give names of your own in column_names",
                column=name,
                option="column_names",
            )
        seen.add(name)
    return tuple(names)
