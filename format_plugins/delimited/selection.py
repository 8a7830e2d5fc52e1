"""Which columns of a document are read, and as which types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import pyarrow as pa

from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.delimited.columns import Column, plan_column
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.spelling import did_you_mean
from format_plugins.type_names import parse_type


class Sample(Protocol):
    """What types are inferred from."""

    def types(self, positions: Sequence[int]) -> list[pa.DataType]:
        """Infer the types of the columns at ``positions``."""
        ...


def select_columns(names: Sequence[str], schema: pa.Schema | None, options: DelimitedOptions, sample: Sample) -> list[Column]:
    """Return the columns of the output, in its order: those of ``schema`` when there is one.

    Raises ``FormatError`` for names that are unknown, missing or too many, and ``UnsupportedError`` for types that
    text cannot carry.
    """
    positions = {name: position for position, name in enumerate(names)}
    _refuse_unknown("columns", options.columns or (), positions)
    wanted = options.columns if options.columns is not None else tuple(names)
    if schema is not None:
        return _columns_of(schema, {name: positions[name] for name in wanted}, options)
    _refuse_unknown("column_types", options.column_types, positions)
    types = {name: parse_type(text) for name, text in options.column_types.items()}
    untyped = [name for name in wanted if name not in types]
    inferred = sample.types([positions[name] for name in untyped]) if untyped else []
    types |= dict(zip(untyped, inferred, strict=True))
    return [
        plan_column(pa.field(name, types[name]), positions[name], options, inferred=name not in options.column_types)
        for name in wanted
    ]


def _columns_of(schema: pa.Schema, positions: dict[str, int], options: DelimitedOptions) -> list[Column]:
    twice = [name for name in schema.names if schema.names.count(name) > 1] if len(set(schema.names)) < len(schema) else []
    if twice:
        raise UnsupportedError(f"the schema has the column {twice[0]!r:.80} twice", column=twice[0])
    extra = [name for name in positions if name not in set(schema.names)]
    if extra and options.extra_columns == "error":
        raise FormatError(
            f"the document has columns that the schema has not: {_listed(extra)}; "
            f'name those to read in columns, or set extra_columns to "ignore"',
            column=extra[0],
            option="extra_columns",
        )
    for field in schema:
        if field.name not in positions and not field.nullable:
            raise FormatError(
                f"the document has no column {field.name!r:.80}, which the schema has as not nullable "
                f"(it has {_listed(positions)})",
                column=field.name,
                option="column_names",
            )
    return [plan_column(field, positions.get(field.name), options) for field in schema]


def _refuse_unknown(option: str, asked: Iterable[str], known: dict[str, int]) -> None:
    for name in asked:
        if name not in known:
            hint = did_you_mean(name, known)
            raise FormatError(
                f"{option} names {name!r:.80}, which the document has not{hint} (it has {_listed(known)})",
                column=name,
                option=option,
            )


def _listed(names: Iterable[str]) -> str:
    shown = [f"{name:.40}" for name in names]
    return ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if len(shown) > 10 else "")  # noqa: PLR2004 - enough to see
