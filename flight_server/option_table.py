"""The options of a dataclass as rows of a table: for the `formats` action, and for the documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, get_type_hints


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
    values = getattr(hint, "__args__", ())
    if getattr(hint, "__origin__", None) is not None and "Literal" in repr(hint):
        return " | ".join(map(repr, values))
    text = hint.__name__ if isinstance(hint, type) and not values else str(hint)
    return text.replace("typing.", "")


def _default(field: dataclasses.Field[Any]) -> Any:  # noqa: ANN401 - an option of any type
    value = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return None if value is dataclasses.MISSING else value
