"""The options of the JSON formats: what they refuse, and how it is said."""

import pyarrow as pa
import pytest
from json_documents import table

from format_plugins.json_text.options import JsonOptions
from format_plugins.options import OptionError, decode


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"schema": {"a": "int46"}}, "did you mean 'int64'"),
        ({"schema": {"a": "int46"}}, "column 'a'"),
        ({"sample_rows": 0}, "sample_rows must be at least 1, not 0"),
        ({"batch_rows": -1}, "batch_rows must be at least 1"),
        ({"block_bytes": 8}, "block_bytes must be at least 16"),
        ({"max_depth": 65}, "max_depth must be at most 64"),
        ({"max_record_bytes": 1_000}, "must not exceed max_record_bytes"),
        ({"columns": ["a", "a"]}, "columns must differ"),
        ({"unknown_fields": "drop"}, "unknown_fields"),
        ({"timestamps": True}, "timestamps"),
        ({"samplerows": 5}, "did you mean 'sample_rows'"),
    ],
)
def test_a_wrong_option_is_refused_with_a_sentence(values, match):
    with pytest.raises(OptionError, match=match):
        decode(JsonOptions, values)


def test_options_come_from_a_mapping():
    options = decode(JsonOptions, {"schema": {"a": "list<int8>"}, "columns": ["a", "b"], "binary": "hex"})
    assert (str(options.types()["a"]), options.columns) == ("list<item: int8>", ("a", "b"))


def test_columns_of_a_given_schema_that_are_left_out_are_null():
    schema = pa.schema({"b": pa.string(), "a": pa.int64()})
    assert table('{"a": 1, "b": "x"}\n', schema=schema, columns=("a",)).to_pydict() == {"b": [None], "a": [1]}
