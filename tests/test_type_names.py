"""Arrow types from their texts."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from format_plugins.type_names import parse_type

LEAVES = [
    pa.null(),
    pa.bool_(),
    pa.int8(),
    pa.uint64(),
    pa.float16(),
    pa.float32(),
    pa.float64(),
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.large_binary(),
    pa.binary_view(),
    pa.binary(16),
    pa.decimal32(5, 2),
    pa.decimal64(12, 0),
    pa.decimal128(18, 4),
    pa.decimal256(50, -2),
    pa.date32(),
    pa.date64(),
    pa.time32("s"),
    pa.time64("ns"),
    pa.timestamp("us"),
    pa.timestamp("ns", "Europe/Paris"),
    pa.timestamp("s", "+05:30"),
    pa.duration("ms"),
    pa.month_day_nano_interval(),
]


def _field(name: str, type_: pa.DataType, nullable: bool) -> pa.Field:
    return pa.field(name, type_, nullable or type_ == pa.null())


def nested(inner: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    names = st.sampled_from(["a", "b_1", "Z"])
    fields = st.builds(
        lambda name, type_, nullable: pa.field(name, type_, nullable or type_ == pa.null()), names, inner, st.booleans()
    )
    return st.one_of(
        fields.map(pa.list_),
        fields.map(pa.large_list),
        fields.map(pa.list_view),
        fields.map(lambda field: pa.list_(field, 3)),
        inner.map(lambda value: pa.map_(pa.string(), value)),
        st.lists(fields, max_size=3).map(pa.struct),
        st.sampled_from(LEAVES).map(lambda value: pa.dictionary(pa.int16(), value, ordered=True)),
    )


@settings(max_examples=200, deadline=None)
@given(st.recursive(st.sampled_from(LEAVES), nested, max_leaves=6))
def test_what_pyarrow_prints_is_understood(type_: pa.DataType):
    assert parse_type(str(type_)) == type_


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("double", pa.float64()),
        (" decimal128( 18 ,4 ) ", pa.decimal128(18, 4)),
        ("decimal(5)", pa.decimal128(5, 0)),
        ("timestamp", pa.timestamp("us")),
        ("timestamp[us, UTC]", pa.timestamp("us", "UTC")),
        ("date32", pa.date32()),
        ("dictionary<string>", pa.dictionary(pa.int32(), pa.string())),
        ("list<int64>", pa.list_(pa.int64())),
        ("fixed_size_list<float, 3>", pa.list_(pa.float32(), 3)),
        ("struct<'a b': int8, 'it\\'s': string>", pa.struct({"a b": pa.int8(), "it's": pa.string()})),
        ("struct<>", pa.struct([])),
    ],
)
def test_shorter_forms_are_understood(text: str, type_: pa.DataType):
    assert parse_type(text) == type_


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "ends too early"),
        ("int46", "did you mean 'int64'"),
        ("int64 x", "follows the type"),
        ("list<int64", "ends too early"),
        ("list<int64)", "expected"),
        ("struct<int64>", "name: type"),
        ("timestamp[h]", "expected"),
        ("time32[ns]", "expected"),
        ("decimal128(99,1)", "precision"),
        ("decimal128(x)", "number"),
        ("fixed_size_binary[-1]", "not negative"),
        ("dictionary<string, string>", "integers"),
        ("list<" * 100 + "int8" + ">" * 100, "nests deeper"),
        ("<>", "unknown"),
        ("list<item: null not null>", "non-nullable"),
    ],
)
def test_a_text_that_is_no_type_is_refused_with_the_reason(text: str, words: str):
    with pytest.raises(ValueError, match=words):
        parse_type(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="lists<>[]()',:=6 4int", max_size=30))
def test_rubbish_raises_value_errors_alone(text: str):
    try:
        parse_type(text)
    except ValueError as error:
        assert "is not a type" in str(error)  # noqa: PT017 - either way is right
