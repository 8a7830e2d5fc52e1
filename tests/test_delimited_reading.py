"""Documents of delimited text to record batches: layouts, options, and what is wrong said with its place."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.delimited.codec import DelimitedFormat
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.streams import ByteStream


def read(data: bytes | str, schema: pa.Schema | None = None, *, chunk: int = 1 << 20, **options: object) -> pa.Table:
    raw = data.encode() if isinstance(data, str) else data
    stream = ByteStream(raw[at : at + chunk] for at in range(0, len(raw), chunk))
    reader = DelimitedFormat(DelimitedOptions(**options)).read_batches_from_stream(schema, stream)
    table = reader.read_all()
    table.validate(full=True)
    assert table.schema.equals(reader.schema, check_metadata=True)
    return table


def failure(data: bytes | str, schema: pa.Schema | None = None, **options: object) -> FormatError:
    with pytest.raises(FormatError) as caught:
        read(data, schema, **options)
    return caught.value


def one(type_: pa.DataType, *, nullable: bool = True) -> pa.Schema:
    return pa.schema([pa.field("a", type_, nullable)])


# Empty documents, headers, blank lines


@pytest.mark.parametrize("data", ["", "\n", "\r\n\r\n", "\ufeff", "\ufeff\n"])
def test_an_empty_document_with_a_schema_has_its_columns_and_no_rows(data: str):
    schema = pa.schema([pa.field("a", pa.int64(), False), pa.field("b", pa.date32())], metadata={"k": "v"})
    assert read(data, schema).num_rows == 0


def test_an_empty_document_without_a_schema_asks_for_one():
    error = failure("")
    assert "give a schema" in str(error)
    assert error.option == "column_names"


def test_an_empty_document_with_names_has_string_columns():
    table = read("", column_names=("a", "b"), column_types={"b": "int8"})
    assert table.schema == pa.schema({"a": pa.string(), "b": pa.int8()})
    assert table.num_rows == 0


@pytest.mark.parametrize("data", ["a,b\n", "a,b", "\n\na,b\r\n", '"a","b"'])
def test_a_header_without_rows_has_string_columns(data: str):
    table = read(data)
    assert table.schema == pa.schema({"a": pa.string(), "b": pa.string()})
    assert table.num_rows == 0


@pytest.mark.parametrize("data", ["a,b\n1,x", "a,b\r\n1,x\r\n", "a,b\r1,x\r", "\ufeffa,b\n1,x\n", "\na,b\n\n1,x\n\n"])
def test_line_ends_blank_lines_and_a_byte_order_mark_change_nothing(data: str):
    assert read(data).to_pydict() == {"a": [1], "b": ["x"]}


def test_a_blank_line_of_a_single_column_is_a_null():
    assert read("a\n1\n\n2\n").to_pydict() == {"a": [1, None, 2]}


def test_blank_lines_before_the_header_of_a_single_column_are_no_records():
    assert read("\n\na\n1\n", block_bytes=1).to_pydict() == {"a": [1]}


def test_a_document_of_blank_lines_alone_holds_nulls_when_its_one_column_is_known():
    assert read("\n\n", one(pa.int64()), header=False).to_pydict() == {"a": [None, None]}


def test_without_a_header_columns_are_numbered():
    assert read("1,x\n2,y\n", header=False).to_pydict() == {"f0": [1, 2], "f1": ["x", "y"]}


def test_without_a_header_a_schema_goes_by_position():
    schema = pa.schema({"n": pa.int8(), "s": pa.string(), "missing": pa.date32()})
    assert read("1,x\n", schema, header=False).to_pydict() == {"n": [1], "s": ["x"], "missing": [None]}


def test_column_names_take_the_place_of_the_header():
    assert read("a,a\n1,2\n", column_names=("x", "y")).to_pydict() == {"x": [1], "y": [2]}


def test_column_names_must_be_as_many_as_the_columns():
    assert failure("a,b,c\n", column_names=("x",)).option == "column_names"


def test_a_column_named_twice_is_refused_by_name():
    error = failure("a,b,a\n1,2,3\n")
    assert (error.column, error.option) == ("a", "column_names")


def test_a_header_that_is_not_utf8_says_so():
    assert failure(b"a,\xff\n1,2\n").option == "encoding"


def test_too_many_columns_are_refused_before_they_are_parsed():
    error = failure(",".join(f"c{n}" for n in range(200_000)) + "\n")
    assert error.option == "max_columns"


def test_as_many_columns_as_allowed_are_read():
    names = [f"c{n}" for n in range(300)]
    text = ",".join(names) + "\n" + ",".join(["1"] * 300)
    assert read(text, max_columns=300).num_columns == 300
    assert failure(text, max_columns=299).option == "max_columns"


# Dialects


def test_a_tab_may_be_the_delimiter():
    assert read("a\tb\n1,5\tx y\n", delimiter="\t", decimal_point=",").to_pydict() == {"a": [1.5], "b": ["x y"]}


def test_quotes_are_text_when_quoting_is_off():
    assert read('a,b\n"x,"y\n', quote=None).to_pydict() == {"a": ['"x'], "b": ['"y']}


def test_a_quote_inside_a_plain_value_is_text():
    assert read('a,b\n6" pipe,1\n', block_bytes=4).to_pydict() == {"a": ['6" pipe'], "b": [1]}


def test_an_escape_takes_the_meaning_from_what_follows():
    text = 'a,b\n"x\\"y",1\\,2\nline\\\nbreak,z\n'
    assert read(text, escape="\\", block_bytes=3).to_pydict() == {"a": ['x"y', "line\nbreak"], "b": ["1,2", "z"]}


def test_quoted_line_ends_are_kept_as_they_are():
    assert read('a,b\n"x\r\ny\nz",1\n', chunk=3, block_bytes=2).to_pydict() == {"a": ["x\r\ny\nz"], "b": [1]}


def test_an_open_quote_names_the_record_that_it_opens_in():
    error = failure('a,b\n1,2\n3,"x\n4,y\n')
    assert (error.row, error.offset, error.option) == (2, 8, "quote")


def test_a_record_that_is_too_long_names_itself():
    error = failure("a\n1\n" + "x" * 5000 + "\n2\n", max_record_bytes=1000, block_bytes=100, sample_bytes=1)
    assert (error.row, error.offset, error.option) == (2, 4, "max_record_bytes")


# Encodings


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf8"])
@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_an_encoding_is_decoded_across_chunk_borders(encoding: str, chunk: int):
    data = 'a,b\n1,"gr\u00fc\u00df\n\U0001f600"\n'.encode(encoding)
    assert read(data, encoding=encoding, chunk=chunk, block_bytes=5).to_pydict() == {
        "a": [1],
        "b": ["gr\u00fc\u00df\n\U0001f600"],
    }


def test_latin_1_is_not_taken_for_utf8():
    assert read("a\ncaf\u00e9\n".encode("latin-1"), encoding="latin-1").to_pydict() == {"a": ["caf\u00e9"]}


@pytest.mark.parametrize("tail", ["\ud800".encode("utf-16-le", "surrogatepass") + b"x\0", b"x"])
def test_bytes_that_the_encoding_has_not_are_named_by_offset(tail: bytes):
    error = failure("a\nxy\n".encode("utf-16-le") + tail, encoding="utf-16-le", block_bytes=4)
    assert (error.offset, error.option) == (10, "encoding")


def test_bytes_that_are_not_utf8_are_named_by_row_and_column():
    error = failure(b"a,b\n1,x\n2,\xffy\n", sample_bytes=1, block_bytes=1)
    assert (error.row, error.column, error.option) == (2, "b", "encoding")


def test_a_nul_is_text_in_strings_and_an_error_in_numbers():
    assert read("a\nx\0y\n").to_pydict() == {"a": ["x\0y"]}
    assert failure("a\n1\0\n", one(pa.int64())).row == 1


# Columns, schemas


def test_columns_are_chosen_and_ordered():
    assert list(read("a,b,c\n1,2,3\n", columns=("c", "a")).to_pydict()) == ["c", "a"]


def test_an_unknown_column_is_an_error_with_the_nearest_name():
    error = failure("price,count\n1,2\n", columns=("prise",))
    assert "did you mean 'price'" in str(error)
    assert failure("price\n1\n", column_types={"prise": "int8"}).option == "column_types"


def test_a_schema_decides_names_order_types_and_metadata():
    schema = pa.schema([pa.field("b", pa.string(), metadata={"x": "y"}), pa.field("z", pa.int8()), pa.field("a", pa.uint8())])
    table = read("a,b\n1,2\n", schema.with_metadata({"k": "v"}))
    assert table.to_pydict() == {"b": ["2"], "z": [None], "a": [1]}


def test_columns_that_the_schema_has_not_are_named_with_their_cure():
    error = failure("a,b,c\n1,2,3\n", one(pa.int8()))
    assert "b, c" in str(error)
    assert error.option == "extra_columns"
    assert failure("1,2\n", one(pa.int8()), header=False).option == "extra_columns"


@pytest.mark.parametrize("options", [{"extra_columns": "ignore"}, {"columns": ("a",)}])
def test_columns_that_the_schema_has_not_can_be_left_out(options: dict):
    assert read("a,b\n1,2\n", one(pa.int8()), **options).to_pydict() == {"a": [1]}


def test_extra_columns_without_a_header_can_be_left_out():
    assert read("1,2\n", one(pa.int8()), header=False, extra_columns="ignore").to_pydict() == {"a": [1]}


def test_a_missing_column_that_may_not_be_null_is_an_error():
    error = failure("b\n1\n", pa.schema([pa.field("b", pa.int8()), pa.field("a", pa.int8(), False)]))
    assert error.column == "a"


def test_rows_are_counted_when_no_column_of_the_schema_is_there():
    table = read("b,c\n1,2\n3,4\n", one(pa.int8()), extra_columns="ignore")
    assert table.to_pydict() == {"a": [None, None]}


def test_a_null_in_a_column_that_may_not_be_null_is_named_by_row():
    error = failure("a,b\n1,2\n,3\n", pa.schema([pa.field("a", pa.int8(), False), pa.field("b", pa.int8())]))
    assert (error.row, error.column) == (2, "a")


def test_a_schema_that_names_a_column_twice_is_refused():
    schema = pa.schema([pa.field("a", pa.int8()), pa.field("a", pa.int8())])
    with pytest.raises(UnsupportedError, match="twice"):
        read("a,b\n1,2\n", schema)


# Nulls, bools, numbers, times


def test_only_the_empty_text_is_null_by_default():
    values = ["nan", "NULL", "NA", "null", "None", "x"]
    assert read("a,b\n" + "".join(f"{value},1\n" for value in values)).column("a").to_pylist() == values


def test_an_empty_text_in_quotes_is_not_null():
    assert read('a,b\n"",1\n,2\n').column("a").to_pylist() == ["", None]


def test_null_values_are_options():
    assert read('a,b\nNA,1\n"NA",2\n', null_values=("NA",)).column("a").to_pylist() == [None, "NA"]
    assert read('a,b\n"NA",2\n', null_values=("NA",), quoted_nulls=True).column("a").to_pylist() == [None]


def test_bool_texts_are_options():
    options = {"true_values": ("yes", "1"), "false_values": ("no", "0")}
    assert read("a\nyes\n0\n", **options).to_pydict() == {"a": [True, False]}
    error = failure("a\ny\n", one(pa.bool_()), **options)
    assert (error.row, error.value, error.option) == (1, "y", "true_values")


def test_timestamp_formats_are_options_and_iso_8601_stays_understood():
    options = {"timestamp_formats": ("%d.%m.%Y %H:%M",)}
    assert read("a\n31.12.2020 23:59\n", **options).to_pydict() == {"a": [dt.datetime(2020, 12, 31, 23, 59)]}  # noqa: DTZ001 - the text has no zone
    assert read("a\n2020-12-31 23:59:00\n", one(pa.timestamp("s")), **options).column("a")[0].as_py().year == 2020


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (pa.int64(), "00123", 123),
        (pa.uint64(), "18446744073709551615", 2**64 - 1),
        (pa.float16(), "0.0999755859375", 0.0999755859375),
        (pa.float32(), "0.1", pytest.approx(0.1)),
        (pa.float64(), "-INF", float("-inf")),
        (pa.decimal32(5, 2), "1.5", Decimal("1.50")),
        (pa.decimal64(5, 2), "-0.01", Decimal("-0.01")),
        (pa.decimal128(5, 2), "1E2", Decimal("100.00")),
        (pa.decimal256(60, 30), " 1e-30 ", Decimal("1e-30")),
        (pa.decimal128(5, -2), "12300", Decimal("1.23E+4")),
        (pa.date32(), "0001-01-01", dt.date(1, 1, 1)),
        (pa.date64(), "9999-12-31", dt.date(9999, 12, 31)),
        (pa.time32("s"), "23:59:59", dt.time(23, 59, 59)),
        (pa.time64("us"), "00:00:00.000001", dt.time(0, 0, 0, 1)),
        (pa.timestamp("us"), "2020-01-01T00:00:00.5", dt.datetime(2020, 1, 1, 0, 0, 0, 500_000)),  # noqa: DTZ001 - the text has no zone
        (pa.timestamp("ms", "UTC"), "2020-01-01 00:00:00+0100", dt.datetime(2019, 12, 31, 23, tzinfo=dt.UTC)),
        (pa.duration("ms"), "-5", dt.timedelta(milliseconds=-5)),
        (pa.bool_(), "TRUE", True),
        (pa.large_string(), "x", "x"),
        (pa.string_view(), "x" * 20, "x" * 20),
        (pa.dictionary(pa.int8(), pa.string()), "x", "x"),
        (pa.dictionary(pa.uint16(), pa.decimal128(4, 1), ordered=True), "1.5", Decimal("1.5")),
        (pa.null(), "", None),
        (pa.json_(), "{}", "{}"),
    ],
    ids=str,
)
def test_a_given_type_is_read(type_: pa.DataType, text: str, value: object):
    table = read(f"a,b\n{text},1\n", pa.schema({"a": type_, "b": pa.int8()}))
    assert table.column("a").to_pylist() == [value]


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (pa.int64(), "9223372036854775808"),
        (pa.int8(), "128"),
        (pa.uint8(), "-1"),
        (pa.int32(), "1.0"),
        (pa.float64(), "1e999"),
        (pa.float32(), "-1e39"),
        (pa.float16(), "70000"),
        (pa.float64(), "1,5"),
        (pa.decimal128(5, 2), "1.555"),
        (pa.decimal128(5, 2), "1234"),
        (pa.decimal128(18, 4), "123456789012345.5"),
        (pa.decimal128(5, 2), "123456"),
        (pa.decimal256(50, 2), "1.555"),
        (pa.decimal32(4, 2), "x"),
        (pa.decimal128(38, 38), "7"),  # Arrow's own cast wraps these around to other numbers
        (pa.decimal64(18, 2), "562856927251990995"),
        (pa.decimal128(38, 2), "1" * 60),
        (pa.decimal128(38, 2), "1e999999999"),
        (pa.decimal128(38, 2), "1_000"),
        (pa.date32(), "2020-02-30"),
        (pa.date32(), "2020-01-01 00:00:00"),
        (pa.date32(), "10000-01-01"),
        (pa.time32("s"), "24:00:00"),
        (pa.time32("s"), "12:00:00.5"),
        (pa.timestamp("us"), "2020-01-01 00:00:00.1234567"),
        (pa.timestamp("us"), "2020-01-01 00:00:00Z"),
        (pa.timestamp("us", "UTC"), "2020-01-01 00:00:00"),
        (pa.timestamp("ns"), "2263-01-01"),
        (pa.duration("s"), "1.5"),
        (pa.bool_(), "1"),
        (pa.null(), "x"),
        (pa.dictionary(pa.int8(), pa.int8()), "1000"),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_a_given_type_is_named(type_: pa.DataType, text: str):
    field = pa.schema({"b": pa.int64(), "a": type_})
    rows = 700
    data = "b,a\n" + "".join(f"{row},\n" for row in range(rows)) + f'1,"{text}"\n' + f'1,"{text}"\n' * 5
    error = failure(data, field, block_bytes=512)
    assert (error.row, error.column, error.value) == (rows + 1, "a", text)
    assert error.option in {"null_values", "true_values", "timestamp_formats"}


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
        pa.dictionary(pa.int8(), pa.binary()),
        pa.uuid(),
        pa.dense_union([pa.field("x", pa.int8())]),
    ],
    ids=str,
)
def test_a_type_that_text_cannot_carry_is_refused_by_name(type_: pa.DataType):
    with pytest.raises(UnsupportedError, match="'a'") as caught:
        read("a\n1\n", one(type_))
    assert caught.value.column == "a"


def test_more_distinct_values_than_a_dictionary_can_index_is_an_error():
    data = "a\n" + "".join(f"v{n}\n" for n in range(200))
    assert failure(data, one(pa.dictionary(pa.int8(), pa.string()))).column == "a"


# Values that come after the sample


@pytest.mark.parametrize(
    ("sampled", "later"),
    [
        ("1", "x"),
        ("1", "1.5"),
        ("1", "007"),
        ("1", '"007"'),
        ("1", "0x1F"),
        ("1.5", "1e999"),
        ("1.5", "007"),
        ("true", "yes"),
        ("2020-01-01", "2020-13-01"),
        ("2020-01-01 00:00:00", "2020-01-01 00:00:00Z"),
        ("2020-01-01 00:00:00Z", "x"),
        ("2020-01-01 00:00:00.5", "2020-01-01 00:00:00.1234567"),
    ],
)
@pytest.mark.parametrize("column", ["a", "b"])
def test_a_later_value_of_another_type_is_an_error_with_its_place_and_cure(sampled: str, later: str, column: str):
    def line(value: str) -> str:
        return f"{value},k\n" if column == "a" else f"k,{value}\n"

    data = "a,b\n" + line(sampled) * 100 + line(later) + line(sampled)
    error = failure(data, sample_bytes=10, block_bytes=64)
    assert (error.row, error.column, error.value, error.option) == (101, column, later.strip('"'), "column_types")
    assert read(data, sample_bytes=10, block_bytes=64, column_types={column: "string"}).num_rows == 102
    assert read(data).num_rows == 102


def test_a_zero_in_front_of_a_string_is_no_matter_for_numbers_beside_it():
    data = "a,b\n1,x\n" + "2,007\n" * 100
    assert read(data, sample_bytes=5, block_bytes=64).column("b")[-1].as_py() == "007"


@pytest.mark.parametrize(("line", "found"), [("1,2,3", 3), ("1", 1), ('"1,2"', 1)])
def test_a_ragged_row_is_named_with_the_columns_found_and_expected(line: str, found: int):
    error = failure("a,b\n" + "1,2\n" * 500 + line + "\n1,2\n", block_bytes=100)
    assert error.row == 501
    assert f"has {found} columns, where 2 are expected" in str(error)


def test_rows_before_an_error_are_delivered():
    data = b"a,b\n" + b"1,2\n" * 500 + b"x\n"
    options = DelimitedOptions(block_bytes=400, sample_bytes=1)
    reader = DelimitedFormat(options).read_batches_from_stream(None, ByteStream([data]))
    rows: list[int] = []
    with pytest.raises(FormatError):
        rows.extend(batch.num_rows for batch in reader)
    assert sum(rows) >= 400


def test_batches_are_no_longer_than_asked_for():
    reader = DelimitedFormat(DelimitedOptions(batch_rows=7)).read_batches_from_stream(None, ByteStream([b"a\n" + b"1\n" * 100]))
    assert max(batch.num_rows for batch in reader) <= 7


def test_batches_hold_about_two_mebibytes_at_most():
    data = b"a,b,c,d\n" + b",,,\n" * 200_000
    schema = pa.schema({name: pa.int64() for name in "abcd"})
    reader = DelimitedFormat(DelimitedOptions(batch_rows=1 << 30)).read_batches_from_stream(schema, ByteStream([data]))
    assert max(batch.nbytes for batch in reader) <= 2 << 20


def test_an_error_of_the_source_comes_through_as_it_is():
    def chunks():
        yield b"a\n" + b"1\n" * 1000
        raise ConnectionResetError("the peer went away")

    reader = DelimitedFormat(DelimitedOptions(block_bytes=100, sample_bytes=1)).read_batches_from_stream(
        None, ByteStream(chunks())
    )
    with pytest.raises(ConnectionResetError):
        reader.read_all()
