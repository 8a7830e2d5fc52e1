"""The options of delimited text: what cannot be meant is refused before anything is read."""

from __future__ import annotations

import pytest

from format_plugins.builtin import comma_separated, tab_separated
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.options import OptionError, decode


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delimiter": "::"}, "delimiter must be one ASCII character"),
        ({"delimiter": ""}, "delimiter"),
        ({"delimiter": "\n"}, "delimiter"),
        ({"delimiter": "\u20ac"}, "delimiter"),
        ({"quote": "''"}, "quote"),
        ({"quote": ","}, "quote and delimiter"),
        ({"escape": '"'}, "escape and quote"),
        ({"decimal_point": ","}, "decimal_point and delimiter"),
        ({"decimal_point": "1"}, "a point or a comma"),
        ({"encoding": "klingon"}, "unknown"),
        ({"encoding": "hex"}, "unknown"),
        ({"encoding": "undefined"}, "unknown"),
        ({"encoding": "punycode"}, "not a character set"),
        ({"encoding": "a\0b"}, "unknown"),
        ({"column_names": ()}, "column_names is empty"),
        ({"column_names": ("a", "a")}, "'a' twice"),
        ({"columns": ()}, "columns is empty"),
        ({"columns": ("a", "b", "a")}, "'a' twice"),
        ({"column_types": {"a": "int46"}}, "column_types.a: .*did you mean 'int64'"),
        ({"batch_rows": 0}, "batch_rows"),
        ({"block_bytes": 0}, "block_bytes"),
        ({"block_bytes": 1 << 40}, "block_bytes"),
        ({"sample_bytes": -1}, "sample_bytes"),
        ({"max_columns": 0}, "max_columns"),
        ({"true_values": ("1",), "false_values": ("1",)}, "true_values and in false_values"),
        ({"true_values": ()}, "at least one"),
        ({"true_values": ("",)}, "null value"),
        ({"true_values": ("a,b",)}, "true_values"),
        ({"null_values": tuple(map(str, range(1000)))}, "100 texts"),
        ({"false_values": ("x" * 101,)}, "100 characters"),
        ({"null_values": ("\ud800",)}, "UTF-8"),
        ({"column_names": ("\ud800",)}, "UTF-8"),
        ({"timestamp_formats": ("",)}, "timestamp_formats"),
        ({"timestamp_formats": ("%Y", "day")}, "timestamp_formats: 'day'"),
        ({"timestamp_formats": ("%Q",)}, "timestamp_formats"),
        ({"timestamp_formats": ("%Y%",)}, "timestamp_formats"),
        ({"null_text": "a\nb"}, "null_text"),
        ({"quoting": "all", "quote": None}, "quote is null"),
    ],
    ids=str,
)
def test_a_combination_that_cannot_be_meant_is_refused(options: dict, words: str):
    with pytest.raises(ValueError, match=words):
        DelimitedOptions(**options)


def test_options_come_from_a_mapping():
    given = {
        "delimiter": ";",
        "quote": None,
        "null_values": ["", "NA"],
        "column_types": {"a": "decimal128(18,4)"},
        "column_names": ["a", "b"],
        "quoting": "needed",
    }
    options = decode(DelimitedOptions, given)
    assert (options.quote, options.null_values, options.column_names) == (None, ("", "NA"), ("a", "b"))


@pytest.mark.parametrize(
    "given", [{"delimeter": ";"}, {"delimiter": 5}, {"quoting": "some"}, {"null_values": "NA"}, {"quote": ","}]
)
def test_an_option_that_is_wrong_is_an_option_error(given: dict):
    with pytest.raises(OptionError):
        decode(DelimitedOptions, given)


@pytest.mark.parametrize("module", [comma_separated, tab_separated])
def test_the_defaults_of_a_plugin_are_valid(module: object):
    plugin = module.create_plugin()
    assert plugin.create_format(decode(plugin.config_type, {}))


def test_nothing_may_be_null():
    assert DelimitedOptions(null_values=()).written_null == ""
