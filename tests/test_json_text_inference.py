"""Which types the columns get when nobody gives them, and what becomes of later records that do not fit."""

from decimal import Decimal

import pyarrow as pa
import pytest
from json_documents import LAYOUTS, batches, document, table

from format_plugins.contract import FormatError

UTC_US = pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("texts", "type_"),
    [
        (["1", "null", "-2"], pa.int64()),
        (["9223372036854775807", "-9223372036854775808"], pa.int64()),
        (["9223372036854775808", "0"], pa.uint64()),
        (["18446744073709551616"], pa.decimal128(38, 0)),
        (["9223372036854775808", "-1"], pa.decimal128(38, 0)),
        (["9" * 39], pa.decimal256(76, 0)),
        (["1", "1.5"], pa.float64()),
        (["1.0"], pa.float64()),
        (["true", "null"], pa.bool_()),
        (['"x"', "null"], pa.string()),
        (['"00123"'], pa.string()),
        (['"2024-01-01T00:00:00Z"', '"2024-01-01 02:00:00.5+02:00"'], UTC_US),
        (['"2024-01-01T00:00:00"', '"2024-01-01 00:00"'], pa.timestamp("us")),
        (['"2024-01-01T00:00:00.123456789Z"'], pa.timestamp("ns", "UTC")),
        (['"1500-01-01T00:00:00.123456789"'], pa.string()),
        (['"2024-01-01"', "null"], pa.date32()),
        (['"2024-01-01"', '"2024-01-01T00:00:00"'], pa.string()),
        (['"2024-01-01T00:00:00Z"', '"2024-01-01T00:00:00"'], pa.string()),
        (['"2024-02-30"'], pa.string()),
        (['"2024-01-01"', '"soon"'], pa.string()),
        (["null", "null"], pa.string()),
        (["[]", "null"], pa.list_(pa.string())),
        (["[]", "[1, null]", "[2.5]"], pa.list_(pa.float64())),
        (["[[1], []]"], pa.list_(pa.list_(pa.int64()))),
        (['{"x": 1}', "null", '{"y": "2024-01-01"}'], pa.struct([("x", pa.int64()), ("y", pa.date32())])),
        (['[{"x": null}, {"y": 1}]'], pa.list_(pa.struct([("x", pa.string()), ("y", pa.int64())]))),
        (["{}"], pa.struct([])),
    ],
    ids=str,
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_column_has_the_type_that_holds_all_its_values(texts, type_, layout):
    found = table(document(*(f'{{"a": {text}}}' for text in texts), layout=layout), layout)
    assert found.schema == pa.schema([("a", type_)])
    assert found.num_rows == len(texts)


def test_columns_come_in_the_order_of_appearance_and_are_null_where_missing():
    assert table('{"b": 1}\n{"a": 2, "b": null}\n{}').to_pydict() == {"b": [1, None, None], "a": [None, 2, None]}


def test_timestamps_can_be_left_as_text():
    found = table('{"a": "2024-01-01T00:00:00Z", "b": "2024-01-01"}', timestamps="text")
    assert found.schema.types == [pa.string(), pa.string()]


@pytest.mark.parametrize(
    ("first", "second"),
    [("1", '"x"'), ("true", "1"), ("{}", "[]"), ('"x"', "1.5"), ("[1]", '["x"]'), ('{"x": 1}', '{"x": []}')],
)
def test_a_column_of_two_kinds_is_an_error_that_names_it_and_the_cure(first, second):
    with pytest.raises(FormatError, match="columns can leave this one out") as caught:
        table(f'{{"b": 0, "a": {first}}}\n{{"a": {second}}}')
    assert (caught.value.row, caught.value.option) == (2, "schema")
    assert caught.value.column in {"a", "a[]", "a.x"}
    assert table(f'{{"b": 0, "a": {first}}}\n{{"a": {second}}}', columns=("b",)).to_pydict() == {"b": [0, None]}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_of_several_records_that_fit_no_type_the_first_is_named(layout):
    wrong = {40: '{"b": 1, "a": 2.5}', 41: '{"b": [1]}', 60: '{"a": "x"}', 70: f'{{"a": {"[" * 70}{"]" * 70}}}'}
    records = [wrong.get(number, '{"a": 1, "b": 0.5}') for number in range(100)]
    with pytest.raises(FormatError, match="here is an array, but a number") as caught:
        table(document(*records, layout=layout), layout)
    assert (caught.value.row, caught.value.column) == (42, "b")


def test_an_integer_too_long_for_any_type_is_an_error():
    with pytest.raises(FormatError, match="77 digits") as caught:
        table(f'{{"a": 1{"0" * 76}}}')
    assert (caught.value.row, caught.value.column) == (1, "a")
    assert table(f'{{"a": 1{"0" * 22}}}', schema=pa.schema([("a", pa.float64())])).to_pydict() == {"a": [1e22]}


@pytest.mark.parametrize(
    ("later", "column", "value", "option"),
    [
        ('{"a": 1.5}', "a", "1.5", "schema"),
        ('{"a": "x"}', "a", '"x"', "schema"),
        ('{"a": 9223372036854775808}', "a", "9223372036854775808", "schema"),
        ('{"b": {"x": ["2024-01-01", "soon"]}}', "b.x[]", "soon", "schema"),
        ('{"b": {"x": ["2024-01-01", 1]}}', "b.x[1]", "1", "schema"),
        ('{"b": {"y": 1}}', "b.y", None, "unknown_fields"),
        ('{"c": 1}', "c", None, "unknown_fields"),
    ],
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_later_value_that_does_not_fit_names_row_column_value_and_cure(layout, later, column, value, option):
    records = ['{"a": 1, "b": {"x": ["2024-01-01"]}}'] * 700
    data = document(*records, later, '{"a": 2}', layout=layout)
    with pytest.raises(FormatError, match="row 701") as caught:
        table(data, layout, sample_rows=10, sample_bytes=10, block_bytes=1_000)
    error = caught.value
    assert (error.row, error.column, error.value, error.option) == (701, column, value, option)
    assert data[error.offset :].startswith(later)
    assert option in str(error)


def test_the_rows_before_the_wrong_one_may_have_been_given_out():
    records = ['{"a": 1}'] * 1_000 + ['{"a": "x"}']
    reader = batches("\n".join(records), sample_bytes=10, block_bytes=1_000)
    assert next(reader).num_rows > 100
    with pytest.raises(FormatError, match="row 1001"):
        reader.read_all()


def test_the_sample_is_as_large_as_the_options_say():
    data = '{"a": 1}\n{"a": 1.5}\n'
    assert table(data, sample_rows=2).schema.types == [pa.float64()]
    with pytest.raises(FormatError):
        table(data, sample_rows=1)
    with pytest.raises(FormatError):
        table(data + data, sample_bytes=1, block_bytes=16)


def test_unknown_fields_can_be_ignored():
    found = table('{"a": 1}\n{"a": 2, "b": {"c": [1, "x"]}}', sample_rows=1, unknown_fields="ignore")
    assert found.to_pydict() == {"a": [1, 2]}


@pytest.mark.parametrize("text", ['"\\ud800"', '"\x01"', "01", "[1,]", "tru", "nan"])
def test_an_ignored_field_must_be_json_all_the_same(text):
    with pytest.raises(FormatError) as caught:
        table('{"a": 1}\n{"a": 2, "b": ' + text + "}", sample_rows=1, unknown_fields="ignore")
    assert caught.value.row == 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_ignored_field_must_be_utf_8_all_the_same(layout):
    data = document('{"a": 1}', '{"a": 2, "b": "x"}', layout=layout).encode().replace(b"x", b"\xff")
    with pytest.raises(FormatError, match="UTF-8") as caught:
        table(data, layout, pa.schema([("a", pa.int64())]), unknown_fields="ignore")
    assert (caught.value.row, caught.value.offset) == (2, data.index(b"\xff"))


def test_only_the_columns_that_are_named_are_read_in_their_order():
    data = '{"a": 1, "b": 2, "c": 3}\n{"a": 4, "x": 5}'
    found = table(data, columns=("c", "a"), sample_rows=1)
    assert found.to_pydict() == {"c": [3, None], "a": [1, 4]}
    assert found.schema.names == ["c", "a"]


def test_a_column_that_is_named_and_not_there_is_an_error_unless_its_type_is_given():
    with pytest.raises(FormatError, match="no field 'z'"):
        table('{"a": 1}', columns=("z",))
    assert table('{"a": 1}', columns=("z",), types={"z": "int8"}).to_pydict() == {"z": [None]}


def test_types_that_are_given_win_over_the_sample():
    found = table('{"a": 1, "b": "2024-01-01"}\n{"a": 2}', types={"b": "string", "a": "decimal128(5, 2)", "c": "list<int8>"})
    assert found.schema == pa.schema([("a", pa.decimal128(5, 2)), ("b", pa.string()), ("c", pa.list_(pa.int8()))])
    assert found.column("c").null_count == 2


def test_a_column_of_two_kinds_can_have_a_type_that_holds_both():
    data = '{"a": 1}\n{"a": "2.5"}'
    assert table(data, types={"a": "decimal128(5, 1)"}).column("a").to_pylist() == [1, Decimal("2.5")]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_given_types_are_a_schema_for_an_empty_document(layout):
    assert table("", layout, types={"a": "int8"}).schema == pa.schema([("a", pa.int8())])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_given_schema_is_exactly_what_comes_out(layout):
    schema = pa.schema([pa.field("b", pa.int8(), metadata={"k": "v"}), ("a", pa.string())], metadata={"m": "n"})
    found = table(document('{"a": "1"}', '{"b": 2}', layout=layout), layout, schema)
    assert found.schema.equals(schema, check_metadata=True)
    assert found.to_pydict() == {"b": [None, 2], "a": ["1", None]}


def test_a_field_that_the_given_schema_lacks_is_an_error_unless_ignored():
    schema = pa.schema([("a", pa.int64())])
    with pytest.raises(FormatError, match="unknown_fields") as caught:
        table('{"a": 1}\n{"a": 1, "b": 1}', schema=schema)
    assert (caught.value.row, caught.value.column, caught.value.option) == (2, "b", "unknown_fields")
    assert table('{"a": 1, "b": 1}', schema=schema, unknown_fields="ignore").to_pydict() == {"a": [1]}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_schema_without_columns_counts_records(layout):
    assert table(document("{}", "{}", layout=layout), layout, pa.schema([])).num_rows == 2


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("data", ["", " \n\r\n\t", "\ufeff"])
def test_an_empty_document_needs_a_schema(layout, data):
    schema = pa.schema([("a", pa.int64())])
    with pytest.raises(FormatError, match="schema must be given") as caught:
        table(data, layout)
    assert caught.value.option == "schema"
    found = table(data, layout, schema)
    assert (found.schema, found.num_rows) == (schema, 0)


def test_an_empty_array_has_no_columns_and_no_rows():
    found = table("[]", "array")
    assert (found.schema, found.num_rows) == (pa.schema([]), 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_records_without_any_field_need_a_schema(layout):
    with pytest.raises(FormatError, match="no record has a field"):
        table(document("{}", "{}", layout=layout), layout)


def test_blank_lines_and_carriage_returns_are_no_records():
    data = '\ufeff\n\r\n{"a": 1}\r\n\n  \t\n{"a": 2}\n{"a": "x"}'
    assert table(data[:-10]).to_pydict() == {"a": [1, 2]}
    with pytest.raises(FormatError) as caught:
        table(data)
    assert caught.value.row == 3


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ('{\n"a": 1\n}', "JSON over several lines is read by the format json"),
        ('[{"a": 1},\n{"a": 2}]', "read by the format json"),
        ('[{"a": 1}]', "read by the format json"),
        ('{"a": 1}{"a": 2}', "trailing characters"),
        ('{"a": 1},\n{"a": 2},', "trailing characters"),
        ('{"a": [1\n2]}\n{"a": [1]}{"a": [2]}', "truncated"),
        ("1\n2", "must be an object"),
        ('{"a": NaN}', "not JSON"),
        ('{"a": Infinity}', "not JSON"),
        ('{"a": "\ud800"}'.encode("utf-8", "surrogatepass"), "UTF-8"),
        (b'{"a": "\xff"}', "UTF-8"),
    ],
    ids=str,
)
def test_what_is_not_a_record_on_a_line_is_refused(data, match):
    for schema in (None, pa.schema([("a", pa.int64())]), pa.schema([("a", pa.string())])):
        with pytest.raises(FormatError, match=match if schema is None else None) as caught:
            table(data, schema=schema)
        assert caught.value.row == 1
