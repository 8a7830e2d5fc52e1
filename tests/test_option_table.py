"""Options are told as they are declared: the action `formats` and the documents show these rows."""

from dataclasses import dataclass, field
from typing import Literal

from flight_server.option_table import options_of, settings_of
from format_plugins.options import option


@dataclass(frozen=True)
class Inner:
    mode: Literal["fast", "exact"] = option("fast", "how it is done")
    names: list[str] = option([], "which ones")


@dataclass(frozen=True)
class Outer:
    needed: int
    size: int | None = option(None, "how large", unit="bytes")
    inner: Inner = field(default_factory=Inner)


def test_each_option_has_its_name_type_default_unit_and_sentence():
    mode, names = options_of(Inner)
    assert mode == {"name": "mode", "type": "'fast' | 'exact'", "default": "fast", "unit": "", "doc": "how it is done"}
    assert (names["type"], names["default"]) == ("list[str]", [])


def test_an_option_without_a_default_has_none():
    needed, size, _ = options_of(Outer)
    assert (needed["default"], needed["doc"]) == (None, "")
    assert (size["type"], size["default"], size["unit"]) == ("int | None", None, "bytes")


def test_sections_are_told_by_dotted_names():
    assert [row["name"] for row in settings_of(Outer)] == ["needed", "size", "inner.mode", "inner.names"]
