"""Record batches to delimited text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pytest

from format_plugins.contract import UnsupportedError
from format_plugins.delimited.codec import DelimitedFormat
from format_plugins.delimited.options import DelimitedOptions


def write(table: pa.Table, **options: object) -> str:
    pieces = DelimitedFormat(DelimitedOptions(**options)).write_batches(table.to_reader())
    return b"".join(bytes(memoryview(piece)) for piece in pieces).decode(str(options.get("encoding", "utf-8")))


def lines(type_: pa.DataType, *values: object, **options: object) -> list[str]:
    return write(pa.table({"a": pa.array(values, type_)}), **options).split("\n")[1:-1]


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (pa.uint64(), 2**64 - 1, "18446744073709551615"),
        (pa.float64(), 0.1, "0.1"),
        (pa.float64(), float("nan"), "nan"),
        (pa.float64(), float("-inf"), "-inf"),
        (pa.float64(), -0.0, "-0"),
        (pa.float32(), 0.1, "0.1"),
        (pa.float16(), 0.1, "0.0999755859375"),
        (pa.decimal128(18, 4), Decimal("987514.52"), "987514.5200"),
        (pa.decimal256(50, 30), Decimal("1e-30"), "1E-30"),
        (pa.decimal32(5, 2), Decimal("-1.5"), "-1.50"),
        (pa.bool_(), True, "true"),
        (pa.bool_(), False, "false"),
        (pa.date32(), dt.date(2020, 1, 1), "2020-01-01"),
        (pa.date64(), dt.date(2020, 1, 1), "2020-01-01"),
        (pa.time32("ms"), dt.time(1, 2, 3), "01:02:03.000"),
        (pa.timestamp("us"), dt.datetime(2020, 1, 1, 0, 0, 0, 5), "2020-01-01 00:00:00.000005"),  # noqa: DTZ001 - without a zone is the case
        (pa.timestamp("s", "Europe/Paris"), dt.datetime(2020, 1, 1, tzinfo=dt.UTC), "2020-01-01 00:00:00Z"),
        (pa.duration("ms"), dt.timedelta(seconds=-1), "-1000"),
        (pa.dictionary(pa.int8(), pa.string()), "x", "x"),
        (pa.string_view(), "x" * 20, "x" * 20),
        (pa.large_string(), "x,y", '"x,y"'),
        (pa.string(), 'x"y', '"x""y"'),
        (pa.string(), "", '""'),
        (pa.string(), "\ufeffx", '"\ufeffx"'),
        (pa.string(), "a b", "a b"),
        (pa.json_(), "{}", "{}"),
    ],
    ids=str,
)
def test_a_value_is_written_exactly(type_: pa.DataType, value: object, text: str):
    assert lines(type_, value) == [text]
    assert lines(type_, None) == [""]


def test_zero_rows_write_the_header():
    assert write(pa.schema({"a": pa.int8(), "b c,d": pa.string()}).empty_table()) == 'a,"b c,d"\n'


def test_without_a_header_zero_rows_write_nothing():
    assert write(pa.schema({"a": pa.int8()}).empty_table(), header=False) == ""


def test_records_end_as_asked_for():
    assert write(pa.table({"a": [1], "b": ["x\ny"]}), line_ending="crlf") == 'a,b\r\n1,"x\ny"\r\n'


def test_everything_but_null_is_quoted_on_demand():
    assert write(pa.table({"a": [1, None], "b": ["x", ""]}), quoting="all") == '"a","b"\n"1","x"\n,""\n'


def test_null_has_a_text_of_its_own():
    table = pa.table({"a": ["NA", None, ""], "b": [1, None, 2]})
    assert write(table, null_values=("NA",)) == 'a,b\n"NA",1\nNA,NA\n,2\n'
    assert write(table, null_values=("", "NA"), null_text="NA") == 'a,b\n"NA",1\nNA,NA\n"",2\n'


def test_a_number_that_looks_like_null_is_quoted():
    assert lines(pa.int64(), -999, None, 1, null_values=("-999",)) == ['"-999"', "-999", "1"]


def test_numbers_are_quoted_when_they_hold_the_delimiter():
    assert lines(pa.date32(), dt.date(2020, 1, 1), delimiter="-") == ['"2020-01-01"']


def test_a_decimal_comma_is_written():
    assert lines(pa.float64(), 1.5, decimal_point=",", delimiter=";") == ["1,5"]


def test_an_escape_is_written_before_what_is_special():
    assert lines(pa.string(), 'x"y', "a\\b", "c,d", escape="\\", double_quote=False) == ['"x\\"y"', '"a\\\\b"', '"c,d"']
    assert lines(pa.string(), "c,d", 'x"y', escape="\\", quote=None) == ["c\\,d", 'x"y']


@pytest.mark.parametrize(
    ("value", "options"),
    [
        ("x,y", {"quote": None}),
        ("x,y", {"quoting": "none"}),
        ("x\ny", {"quote": None}),
        ("", {"quote": None}),
        ("", {"quote": None, "escape": "\\"}),
        ('x"y', {"double_quote": False}),
    ],
)
def test_a_text_that_could_not_be_read_back_is_refused(value: str, options: dict):
    with pytest.raises(UnsupportedError) as caught:
        lines(pa.string(), "fine", value, **options)
    assert (caught.value.column, caught.value.value) == ("a", value)


@pytest.mark.parametrize(
    "type_",
    [
        pa.list_(pa.int8()),
        pa.struct({"x": pa.int8()}),
        pa.map_(pa.string(), pa.int8()),
        pa.binary(),
        pa.large_binary(),
        pa.binary(4),
        pa.binary_view(),
        pa.month_day_nano_interval(),
        pa.run_end_encoded(pa.int32(), pa.int8()),
        pa.uuid(),
        pa.dictionary(pa.int8(), pa.binary()),
    ],
    ids=str,
)
def test_a_type_that_text_cannot_carry_is_refused_before_anything_is_written(type_: pa.DataType):
    reader = pa.RecordBatchReader.from_batches(pa.schema({"ok": pa.int8(), "bad": type_}), [])
    with pytest.raises(UnsupportedError, match="'bad'") as caught:
        DelimitedFormat(DelimitedOptions()).write_batches(reader)
    assert caught.value.column == "bad"


def test_a_table_without_columns_is_refused():
    with pytest.raises(UnsupportedError, match="without columns"):
        write(pa.schema([]).empty_table())


@pytest.mark.parametrize(
    "array",
    [
        pa.array([253402300800], pa.int64()).cast(pa.timestamp("s")),
        pa.array([-62167219201], pa.int64()).cast(pa.timestamp("s", "UTC")),
        pa.array([2932897], pa.int32()).cast(pa.date32()),
        pa.array([-719529], pa.int32()).cast(pa.date32()),
    ],
    ids=lambda array: str(array.type),
)
def test_a_date_that_iso_8601_has_no_text_for_is_refused(array: pa.Array):
    with pytest.raises(UnsupportedError, match="years"):
        write(pa.table({"a": array}))


def test_another_encoding_is_written():
    table = pa.table({"a": ["gr\u00fc\u00df", "\U0001f600"]})
    assert write(table, encoding="utf-16") == "a\ngr\u00fc\u00df\n\U0001f600\n"


def test_a_character_that_the_encoding_has_not_is_refused():
    with pytest.raises(UnsupportedError, match="latin-1") as caught:
        write(pa.table({"a": ["\u20ac"]}), encoding="latin-1")
    assert caught.value.option == "encoding"


def test_batches_are_pulled_as_text_is_wanted():
    pulled = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal pulled
        for _ in range(100):
            pulled += 1
            yield pa.record_batch({"a": [1]})

    pieces = DelimitedFormat(DelimitedOptions()).write_batches(
        pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches())
    )
    assert pulled == 0
    assert bytes(memoryview(next(pieces))) == b"a\n"
    assert bytes(memoryview(next(pieces))) == b"1\n"
    assert pulled <= 5
    pieces.close()


def test_a_large_batch_is_written_in_pieces():
    table = pa.table({"a": pa.array(["x" * 100] * 100_000)})
    pieces = DelimitedFormat(DelimitedOptions()).write_batches(
        pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    )
    assert max(memoryview(piece).nbytes for piece in pieces) < 2 << 20


def test_a_sliced_batch_is_written_without_its_neighbours():
    table = pa.table({"a": pa.array(range(10)), "t": pa.array(range(10), pa.timestamp("s", "UTC"))}).slice(7, 1)
    assert write(table) == "a,t\n7,1970-01-01 00:00:07Z\n"
