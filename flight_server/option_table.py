"""The options of a dataclass as rows of a table: for the `formats` action, and for the documents."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def options_of(config_type: type) -> list[dict[str, Any]]:
    """Return each option's name, type, default, unit and sentence, in the order of their declaration."""
    hints = get_type_hints(config_type)
    return [
        {
            "name": field.name,
            "type": type_name(hints[field.name]),
            "default": _default(field),
            "unit": field.metadata.get("unit", ""),
            "doc": field.metadata.get("doc", ""),
        }
        for field in dataclasses.fields(config_type)
    ]


def settings_of(config_type: type, prefix: str = "") -> Iterator[dict[str, Any]]:
    """Yield the options of nested dataclasses with dotted names."""
    hints = get_type_hints(config_type)
    for row in options_of(config_type):
        nested = hints[row["name"]]
        if dataclasses.is_dataclass(nested) and isinstance(nested, type):
            yield from settings_of(nested, f"{prefix}{row['name']}.")
        else:
            yield {**row, "name": prefix + row["name"]}


def type_name(hint: Any) -> str:  # noqa: ANN401 - any annotation
    """Return an annotation as people write it: ``str``, ``list[str]``, ``'a' | 'b'``."""
    if get_origin(hint) is Literal:
        return " | ".join(map(repr, get_args(hint)))
    if get_origin(hint) in {Union, UnionType}:
        return " | ".join("None" if kind is type(None) else type_name(kind) for kind in get_args(hint))
    text = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    return text.replace("typing.", "")


def markdown(rows: Iterable[dict[str, Any]], *, called: str) -> str:
    """Return options as a Markdown table; ``called`` heads the column of their names. Defaults are written as JSON."""
    lines = [f"| {called} | type | default | unit | meaning |", "|---|---|---|---|---|"]
    for row in rows:
        cells = [f"`{row['name']}`", f"`{row['type']}`", f"`{json.dumps(row['default'])}`", row["unit"], row["doc"]]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(field: dataclasses.Field[Any]) -> Any:  # noqa: ANN401 - an option of any type
    value = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return None if value is dataclasses.MISSING else value
