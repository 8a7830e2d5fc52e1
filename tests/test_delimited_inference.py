"""Types of columns from a sample of their texts."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from format_plugins.delimited.codec import DelimitedFormat
from format_plugins.delimited.inference import infer_type
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.streams import ByteStream


def inferred(*texts: str | None, **options: object) -> pa.DataType:
    return infer_type(pa.array(texts, pa.string()), DelimitedOptions(**options))


@pytest.mark.parametrize(
    ("texts", "type_"),
    [
        ((), "string"),
        ((None, None), "string"),
        (("1", None, "-2", "0"), "int64"),
        (("999999999999999999",), "int64"),
        (("9999999999999999999",), "string"),
        (("1000000000000000000",), "string"),
        (("007",), "string"),
        (("1", "007"), "string"),
        (("-0",), "double"),
        (("+5",), "string"),
        (("0x1F",), "string"),
        ((" 1",), "string"),
        (("1_000",), "string"),
        (("1", "x"), "string"),
        (("1", "2.5"), "double"),
        (("1.", ".5", "-.5", "1e5", "1E-3"), "double"),
        (("1e999",), "string"),
        (("01.5",), "string"),
        (("1.2345678901234567",), "double"),
        (("1.23456789012345678",), "string"),
        (("0.00012345678901234567",), "double"),
        (("1", "9999999999999999999"), "string"),
        (("nan", "1"), "double"),
        (("NaN", "inf", "-Infinity", "1.5"), "double"),
        (("nan",), "string"),
        (("inf", "nan"), "string"),
        (("",), "string"),
        (("-",), "string"),
        ((".",), "string"),
        (("e5",), "string"),
        (("true", "FALSE", None), "bool"),
        (("true", "0"), "string"),
        (("0", "1"), "int64"),
        (("yes",), "string"),
        (("2020-01-01", "0001-12-31"), "date32[day]"),
        (("2020-02-30",), "string"),
        (("2020-1-1",), "string"),
        (("20200101",), "int64"),
        (("2020-01-01", "2020-01-01 00:00:00"), "string"),
        (("2020-01-01 00:00", "2020-01-01T00:00:00.123"), "timestamp[us]"),
        (("2020-01-01 00:00:00.123456789",), "timestamp[ns]"),
        (("2020-01-01 00:00:00.1234567", "1500-01-01 00:00:00"), "string"),
        (("2020-01-01 00:00:00Z", "2020-01-01 00:00:00+01:00"), "timestamp[us, tz=UTC]"),
        (("2020-01-01 00:00:00Z", "2020-01-01 00:00:00"), "string"),
        (("2020-01-01 25:00:00",), "string"),
        (("12:30:00",), "string"),
        (("x",), "string"),
    ],
    ids=str,
)
def test_a_column_is_what_each_of_its_values_is(texts: tuple[str | None, ...], type_: str):
    assert str(inferred(*texts)) == type_


def test_a_decimal_comma_makes_numbers():
    assert inferred("1,5", "2", decimal_point=",", delimiter=";") == pa.float64()
    assert inferred("1.5", decimal_point=",", delimiter=";") == pa.string()


def test_formats_make_timestamps():
    assert inferred("31.12.2020", timestamp_formats=("%d.%m.%Y",)) == pa.timestamp("us")
    assert inferred("31.12.2020 +0100", timestamp_formats=("%d.%m.%Y %z",)) == pa.timestamp("us", "UTC")
    assert inferred("31.12.2020", "x", timestamp_formats=("%d.%m.%Y",)) == pa.string()


def test_texts_named_as_bools_make_bools():
    assert inferred("1", "0", true_values=("1",), false_values=("0",)) == pa.bool_()


values = st.one_of(
    st.text(alphabet="0123456789.-+eE:TZ naif", max_size=24),
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.datetimes().map(str),
    st.dates().map(str),
    st.booleans().map(lambda value: str(value).lower()),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(values, min_size=1, max_size=4))
def test_the_sample_itself_can_always_be_read_with_the_types_that_it_showed(texts: list[str]):
    document = "k,a\n" + "".join(f'k,"{text}"\n' for text in texts)
    reader = DelimitedFormat(DelimitedOptions()).read_batches_from_stream(None, ByteStream([document.encode()]))
    table = reader.read_all()
    assert table.num_rows == len(texts)
    if table.schema.field("a").type == pa.string():
        assert table.column("a").to_pylist() == texts


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-(10**18) + 1, 10**18 - 1), min_size=1))
def test_inferred_integers_are_written_back_as_they_came(numbers: list[int]):
    texts = [str(number) for number in numbers]
    array = pa.array(texts)
    assert array.cast(infer_type(array, DelimitedOptions())).cast(pa.string()).to_pylist() == texts


@pytest.mark.parametrize(("options", "type_"), [({"sample_rows": 3}, "int64"), ({"sample_rows": 4}, "string")])
def test_only_the_rows_of_the_sample_are_looked_at(options: dict, type_: str):
    reader = DelimitedFormat(DelimitedOptions(**options)).read_batches_from_stream(None, ByteStream([b"a\n1\n2\n3\nx\n"]))
    assert str(reader.schema.field("a").type) == type_


def test_a_sample_may_be_longer_than_a_block():
    data = b"a\n" + b"1\n" * 500 + b"x\n"
    options = DelimitedOptions(block_bytes=50, sample_bytes=5000)
    table = DelimitedFormat(options).read_batches_from_stream(None, ByteStream([data])).read_all()
    assert table.column("a").type == pa.string()
    assert table.num_rows == 501
