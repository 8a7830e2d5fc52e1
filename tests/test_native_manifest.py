"""A native plugin's manifest becomes its metadata and the dataclass of its options, or is refused with a reason."""

import dataclasses
import json

import pytest

from format_plugins.contract import PluginCapabilities, PluginMetadata
from format_plugins.native.elf import LibraryError
from format_plugins.native.manifest import MAX_MANIFEST_BYTES, parse
from format_plugins.options import OptionError, decode

LEAST = {"name": "ticks", "version": "1.0.0"}


def parsed(**members):
    return parse(json.dumps(LEAST | members).encode())


def option(kind, **members):
    return parsed(options=[{"name": "choice", "type": kind, **members}]).config_type


def test_a_name_and_a_version_are_enough():
    assert parsed().metadata == PluginMetadata(name="ticks", version="1.0.0")
    assert dataclasses.fields(parsed().config_type) == ()


def test_all_members_of_the_metadata_are_read():
    metadata = parsed(
        abi="1.0",
        description="Ticks.",
        extensions=[".tck"],
        media_types=["application/x-ticks"],
        capabilities={"write": False, "infers_schema": True},
        api=">=1.0,<2",
    ).metadata
    assert metadata == PluginMetadata(
        name="ticks",
        version="1.0.0",
        description="Ticks.",
        extensions=(".tck",),
        media_types=("application/x-ticks",),
        capabilities=PluginCapabilities(write=False, infers_schema=True),
        api=">=1.0,<2",
    )


@pytest.mark.parametrize(
    ("kind", "value", "taken"),
    [
        ("str", "ä", "ä"),
        ("int", 3, 3),
        ("float", 2, 2.0),
        ("bool", True, True),
        ("list[str]", ["a", "b"], ("a", "b")),
        ("int | null", None, None),
        ("list[str] | null", ["a"], ("a",)),
    ],
)
def test_an_option_has_the_type_that_is_named(kind, value, taken):
    assert decode(option(kind), {"choice": value}).choice == taken


def test_an_option_without_a_default_must_be_given():
    with pytest.raises(OptionError, match="choice is missing"):
        decode(option("int"), {})


def test_choices_are_all_that_is_taken():
    config_type = option("str", default="a", choices=["a", "b"])
    assert decode(config_type, {"choice": "b"}).choice == "b"
    with pytest.raises(OptionError, match="choice: Invalid enum value 'c'"):
        decode(config_type, {"choice": "c"})


def test_bounds_are_kept():
    config_type = option("int", default=5, minimum=1, maximum=9)
    with pytest.raises(OptionError, match="choice: Expected `int` <= 9"):
        decode(config_type, {"choice": 10})


def test_the_same_text_makes_the_same_manifest():
    options = [{"name": "names", "type": "list[str]", "default": ["a"]}]
    assert parsed(options=options) == parsed(options=options)
    assert parsed(options=options) != parsed()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"nam": "x"}, "unknown key 'nam'; did you mean 'name'?"),
        ({"version": 1}, "version: Expected `str`, got `int`"),
        ({"capabilities": {"reads": True}}, "unknown key 'capabilities.reads'"),
        ({"capabilities": {"needs_seek": True}}, "needs_seek is not for native plugins"),
        ({"abi": 1}, "abi 1 is not of the form '1.0'"),
        ({"abi": "1"}, "abi '1' is not of the form '1.0'"),
        ({"options": {}}, "Expected `array`, got `object`"),
        ({"options": [{"type": "int"}]}, "name is missing, and it has no default"),
        ({"options": [{"name": "a b", "type": "int"}]}, "'a b' is no name for an option"),
        ({"options": [{"name": "class", "type": "int"}]}, "'class' is no name for an option"),
        ({"options": [{"name": "a", "type": "int"}] * 2}, "'a' is no name for an option, or stands there twice"),
        (
            {"options": [{"name": "a", "type": "integer"}]},
            "the option a has the type 'integer' (known: str, int, ",
        ),
        ({"options": [{"name": "a", "type": "int", "default": "x"}]}, "the default of the option a: Expected `int`, got `str`"),
        (
            {"options": [{"name": "a", "type": "int", "default": None}]},
            "the default of the option a: Expected `int`, got `null`",
        ),
        ({"options": [{"name": "a", "type": "str", "minimum": 1}]}, "the option a: bounds are for numbers"),
        ({"options": [{"name": "a", "type": "int", "minimum": 1.5}]}, "the option a: the bound 1.5 is no int"),
        ({"options": [{"name": "a", "type": "int", "choices": ["x"]}]}, "the option a: choices are for texts"),
    ],
)
def test_what_is_wrong_is_said(members, message):
    with pytest.raises(LibraryError) as caught:
        parsed(**members)
    assert str(caught.value).startswith("its manifest is not valid: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"null", b'{"name": "a"}', b"[" * 100_000])
def test_what_is_no_manifest_is_refused(text):
    with pytest.raises(LibraryError, match="its manifest is not valid"):
        parse(text)


def test_a_manifest_that_is_too_long_is_refused():
    with pytest.raises(LibraryError, match="its manifest is longer than"):
        parse(b" " * (MAX_MANIFEST_BYTES + 1))
