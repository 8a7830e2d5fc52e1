"""Options given as YAML or JSON become a plugin's dataclass, strictly, with errors that help."""

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from format_plugins.options import OptionError, decode, option


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    depth: int = option(1, "how deep", unit="levels")
    name: str = option("x", "which")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    delimiter: str = option(",", "between two fields")
    batch_rows: Annotated[int, Meta(ge=1)] = option(10, "rows at once", unit="rows")
    ratio: float = option(1.5, "how much")
    mode: Literal["auto", "off"] | bool = option("auto", "which way")
    columns: tuple[str, ...] | None = option(None, "which columns")
    names: list[str] = option([], "which names")
    types: dict[str, str] = option({}, "of which type")
    inner: Inner = dataclasses.field(default_factory=Inner)
    maybe: Inner | None = None
    anything: Any = None


@dataclass(frozen=True, kw_only=True)
class Strict:
    schema: str
    size: int = 1

    def __post_init__(self):
        if self.size > 5:
            raise ValueError("size must be 5 at the most")


def refusal(config_type, values, **keywords):
    with pytest.raises(OptionError) as caught:
        decode(config_type, values, **keywords)
    return caught.value


@pytest.mark.parametrize("values", [None, {}])
def test_without_values_the_defaults_hold(values):
    assert decode(Options, values) == Options()


def test_what_is_given_is_taken():
    given_ = {"delimiter": ";", "batch_rows": 5, "columns": ["b", "a"], "mode": False, "types": {"a": "int64"}}
    found = decode(Options, given_)
    assert (found.delimiter, found.batch_rows, found.columns, found.mode, found.types) == (
        ";",
        5,
        ("b", "a"),
        False,
        {"a": "int64"},
    )


def test_values_are_laid_over_a_base():
    base = Options(delimiter=";", batch_rows=7)
    assert decode(Options, {"batch_rows": 8}, base=base) == Options(delimiter=";", batch_rows=8)


def test_a_section_is_laid_over_the_same_section_of_the_base():
    base = Options(inner=Inner(depth=3, name="base"))
    assert decode(Options, {"inner": {"depth": 4}}, base=base).inner == Inner(depth=4, name="base")


def test_an_optional_section_may_be_there_or_not():
    assert decode(Options, {"maybe": {"depth": 2}}).maybe == Inner(depth=2)
    assert decode(Options, {"maybe": None}).maybe is None


@pytest.mark.parametrize("section", ["inner", "maybe"])
def test_an_unknown_key_in_a_section_is_refused(section):
    assert str(refusal(Options, {section: {"dept": 1}})).startswith(f"unknown key '{section}.dept'; did you mean 'depth'?")


def test_an_unknown_key_names_the_nearest_and_all_that_there_are():
    error = refusal(Options, {"delimeter": ";"}, where="plugins.plugin_configs.csv")
    assert "unknown key 'plugins.plugin_configs.csv.delimeter'; did you mean 'delimiter'?" in str(error)
    assert error.known == tuple(field.name for field in dataclasses.fields(Options))
    assert error.key == "delimeter"


def test_an_unknown_key_like_no_other_suggests_nothing():
    assert "did you mean" not in str(refusal(Options, {"zzzzzz": 1}))


def test_a_key_that_is_no_text_is_unknown():
    assert refusal(Options, {1: 2}).key == "1"


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("batch_rows", "5", "int"),
        ("batch_rows", 5.5, "int"),
        ("batch_rows", True, "int"),
        ("batch_rows", 0, ">= 1"),
        ("batch_rows", None, "int"),
        ("delimiter", 5, "str"),
        ("mode", "on", "'on'"),
        ("columns", "a", "array"),
        ("columns", [1], "str"),
        ("types", [], "object"),
        ("inner", [], "mapping"),
        ("inner", None, "mapping"),
    ],
)
def test_a_wrong_type_names_the_key_and_what_is_wanted(key, value, wanted):
    error = refusal(Options, {key: value}, where="csv")
    assert str(error).startswith(f"csv.{key}")
    assert wanted in str(error)
    assert error.key == key


def test_a_long_value_is_not_repeated_in_full():
    assert len(str(refusal(Options, {"batch_rows": "x" * 10_000}))) < 300


def test_a_whole_number_is_taken_for_a_float():
    assert decode(Options, {"ratio": 2}).ratio == 2.0


def test_options_that_are_no_mapping_are_refused():
    assert str(refusal(Options, ["a"], where="csv")) == "csv must be a mapping, not list"


def test_an_option_without_default_must_be_given():
    assert str(refusal(Strict, {}, where="x")) == "x.schema is missing, and it has no default"


def test_an_option_without_default_may_come_from_the_base():
    assert decode(Strict, {"size": 2}, base=Strict(schema="s")) == Strict(schema="s", size=2)


def test_a_check_of_the_dataclass_itself_is_said_with_its_place():
    assert str(refusal(Strict, {"schema": "s", "size": 9}, where="x")) == "x: size must be 5 at the most"


def test_a_default_that_can_change_is_not_shared():
    decode(Options, {}).names.append("left over")
    assert decode(Options, {}).names == []


def test_an_option_keeps_its_sentence_and_its_unit():
    (field,) = (field for field in dataclasses.fields(Options) if field.name == "batch_rows")
    assert dict(field.metadata) == {"doc": "rows at once", "unit": "rows"}


@given(
    st.dictionaries(
        st.text(max_size=5), st.none() | st.integers() | st.text() | st.lists(st.integers(), max_size=2), max_size=3
    )
)
def test_nothing_but_an_option_error_comes_of_any_values(values):
    with contextlib.suppress(OptionError):
        assert isinstance(decode(Options, values), Options)
