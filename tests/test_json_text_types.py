"""Each Arrow type through JSON text: exactly there and back, or refused; never a value that changed."""

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_documents import LAYOUTS, column, table, written

from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.json_text.format import JsonFormat
from format_plugins.json_text.options import JsonOptions


def integers(type_):
    bits = type_.bit_width
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if pa.types.is_signed_integer(type_) else (0, (1 << bits) - 1)
    return pa.array([low, None, high, 0, 1], type_)


def stamps(unit, zone=None):
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    numbers = [0, None, -1, 1, 1_700_000_000 * per_second + 1]
    numbers += [253_402_300_799 * per_second, -62_167_219_200 * per_second] if unit != "ns" else [2**63 - 1, -(2**63) + 10**9]
    return pa.array(numbers, pa.timestamp(unit, zone))


def structs():
    inner = pa.struct([pa.field("x", pa.int8(), nullable=False), pa.field("when", pa.timestamp("s"), metadata={"k": "v"})])
    type_ = pa.struct([("in", inner), ("list", pa.list_(pa.field("element", pa.decimal128(9, 2), nullable=False)))])
    moment = dt.datetime(2024, 2, 29, 12, 0, 1)  # noqa: DTZ001 - Arrow's naive timestamp
    return pa.array(
        [{"in": {"x": 1, "when": moment}, "list": [Decimal("1.25")]}, None, {"in": None, "list": []}, {"in": {"x": 2}}], type_
    )


ARRAYS = [
    *(integers(pa.type_for_alias(name)) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")),
    pa.array([0.1, None, -0.0, 1.7976931348623157e308, 5e-324, 2.0**63, 1e22, 9007199254740993.0], pa.float64()),
    pa.array([0.1, None, -0.0, 3.4028234663852886e38, 1e-45, 16777217.0], pa.float32()),
    pa.array([0.1, None, -0.0, 65504.0, 6e-8, 1.5], pa.float16()),
    pa.array([True, None, False]),
    pa.nulls(3),
    *(pa.array(["", None, 'ä\u2028\0\\"/\n😀' * 9], type_) for type_ in (pa.string(), pa.large_string(), pa.string_view())),
    *(pa.array([b"", None, b"\0\xff" * 9], type_) for type_ in (pa.binary(), pa.large_binary(), pa.binary_view())),
    pa.array([b"abc", None, b"\0\0\xff"], pa.binary(3)),
    *(stamps(unit) for unit in ("s", "ms", "us", "ns")),
    *(stamps(unit, zone) for unit, zone in (("s", "UTC"), ("us", "Europe/Paris"), ("ns", "+05:30"))),
    pa.array([0, None, -719_528, 2_932_896], pa.date32()),
    pa.array([0, None, -719_528 * 86_400_000], pa.date64()),
    pa.array([0, None, 86_399], pa.time32("s")),
    pa.array([0, None, 86_399_999, 1], pa.time32("ms")),
    pa.array([0, None, 86_399_999_999, 1], pa.time64("us")),
    pa.array([0, None, 86_399_999_999_999, 1], pa.time64("ns")),
    *(pa.array([0, None, 2**63 - 1, -(2**63)], pa.duration(unit)) for unit in ("s", "ms", "us", "ns")),
    pa.array([Decimal("0.01"), None, Decimal("-99999.99")], pa.decimal32(7, 2)),
    pa.array([Decimal("0.01"), None, Decimal("-99999.99")], pa.decimal64(7, 2)),
    pa.array([Decimal("1E-38"), None, Decimal("0." + "9" * 38)], pa.decimal128(38, 38)),
    pa.array([Decimal("9" * 76), None, Decimal(0)], pa.decimal256(76, 0)),
    pa.array([Decimal(12300), None, Decimal(-9999900)], pa.decimal128(5, -2)),
    *(
        pa.array([[1, None], None, []], type_(pa.int16()))
        for type_ in (pa.list_, pa.large_list, pa.list_view, pa.large_list_view)
    ),
    pa.array([[b"a", None], None, [b"", b"b"]], pa.list_(pa.binary(), 2)),
    pa.array([[], None], pa.list_(pa.int8(), 0)),
    structs(),
    pa.array([{}, None, {}], pa.struct([])),
    pa.array([[("k", 1), ("", 2)], None, []], pa.map_(pa.string(), pa.int64())),
    pa.array([[("k", [b"x"])], None], pa.map_(pa.large_string(), pa.list_(pa.binary()))),
    pa.array([[(1, dt.date(2024, 1, 1)), (2, None)], None, []], pa.map_(pa.int32(), pa.date32())),
    pa.array([[("k", [("j", 1)])], None], pa.map_(pa.string(), pa.map_(pa.string(), pa.int8()))),
    pa.array(["a", None, "b", "a"]).dictionary_encode(),
    pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.int8()), pa.array([1.5, 2.5]), ordered=True),
    pa.array([["a", "a"], None]).cast(pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    pa.RunEndEncodedArray.from_arrays(pa.array([1, 3, 4], pa.int16()), pa.array(["a", None, "b"])),
    pa.RunEndEncodedArray.from_arrays(pa.array([1, 3, 4], pa.int16()), pa.array(["a", None, "b"], pa.string_view())),
    pa.DictionaryArray.from_arrays(pa.array([1, None, 0, 1], pa.int8()), pa.array([[1], []], pa.list_(pa.int8()))),
    pa.array([b"0123456789abcdef", None], pa.uuid()),
    pa.array(['{"a": 1}', None], pa.json_()),
    pa.array([1, None, 0], pa.int8()).cast(pa.bool8()),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("array", ARRAYS, ids=[str(array.type)[:60] for array in ARRAYS])
def test_what_is_written_is_read_back_exactly(array, layout):
    before = pa.table([array], schema=pa.schema([("a", array.type)], metadata={"about": "all of it"}))
    for rows in (before, before.slice(1), before.slice(0, 0)):
        after = table(written(rows, layout), layout, before.schema)
        assert after.schema.equals(before.schema, check_metadata=True)
        assert after.num_rows == rows.num_rows
        # Written again they are the same text: equal to the last digit and the sign of zero.
        assert written(after, layout) == written(rows, layout)
        if not pa.types.is_dictionary(array.type) and not pa.types.is_run_end_encoded(array.type):
            assert after.combine_chunks().equals(rows.combine_chunks())


@pytest.mark.parametrize("array", ARRAYS, ids=[str(array.type)[:60] for array in ARRAYS])
def test_nulls_that_are_left_out_are_nulls_again(array):
    rows = pa.table({"a": array})
    after = table(written(rows, explicit_nulls=False), schema=rows.schema)
    assert written(after) == written(rows)


@pytest.mark.parametrize("explicit_nulls", [True, False])
@pytest.mark.parametrize("array", ARRAYS, ids=[str(array.type)[:60] for array in ARRAYS])
def test_any_json_parser_reads_what_is_written(array, explicit_nulls):
    rows = pa.table({"a": array, "b": pa.nulls(len(array))})
    text = written(rows, "array", explicit_nulls=explicit_nulls)
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    nulls = [not item.is_valid for item in array]
    assert [record.get("a") is None for record in found] == nulls
    assert [set(record) for record in found] == [{"a", "b"} if explicit_nulls else set() if null else {"a"} for null in nulls]


@pytest.mark.parametrize(
    "type_",
    [pa.month_day_nano_interval(), pa.dense_union([pa.field("a", pa.int8())]), pa.sparse_union([pa.field("a", pa.int8())])],
    ids=str,
)
@pytest.mark.parametrize("wrap", [lambda type_: type_, pa.list_, lambda type_: pa.struct([("x", type_)])])
def test_types_without_a_form_in_json_are_refused_both_ways(type_, wrap):
    schema = pa.schema([("a", wrap(type_))])
    with pytest.raises(UnsupportedError, match="has no form"):
        table("", schema=schema)
    with pytest.raises(UnsupportedError, match="column 'a") as caught:
        list(JsonFormat("lines", JsonOptions()).write_batches(pa.RecordBatchReader.from_batches(schema, [])))
    assert caught.value.column.startswith("a")


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (pa.int64(), "1.5"),
        (pa.int64(), "1.0"),
        (pa.int64(), "1e2"),
        (pa.int64(), "9223372036854775808"),
        (pa.int64(), "-9223372036854775809"),
        (pa.int64(), '"1"'),
        (pa.int64(), "true"),
        (pa.int8(), "128"),
        (pa.uint8(), "-1"),
        (pa.uint64(), "-1"),
        (pa.uint64(), "18446744073709551616"),
        (pa.float64(), "9007199254740993"),
        (pa.float64(), "-9007199254740993"),
        (pa.float64(), "1e400"),
        (pa.float64(), "9" * 400),
        (pa.float64(), '"1.5"'),
        (pa.float64(), '"NaN"'),
        (pa.float64(), "false"),
        (pa.float32(), "16777217"),
        (pa.float32(), "1e39"),
        (pa.float16(), "65520.0"),
        (pa.bool_(), "1"),
        (pa.bool_(), '"true"'),
        (pa.string(), "1"),
        (pa.string(), "{}"),
        (pa.null(), "0"),
        (pa.timestamp("us"), '"2024-01-01T00:00:00.1234567"'),
        (pa.timestamp("us"), '"2024-01-01T00:00:00Z"'),
        (pa.timestamp("us", "UTC"), '"2024-01-01T00:00:00"'),
        (pa.timestamp("s"), '"2024-02-30"'),
        (pa.timestamp("s"), "1704067200"),
        (pa.timestamp("ns"), '"2500-01-01"'),
        (pa.date32(), '"2024-01-01T00:00:00"'),
        (pa.date32(), '"2024-1-1"'),
        (pa.time32("s"), '"24:00:00"'),
        (pa.time32("s"), '"12:00:00.5"'),
        (pa.time32("ms"), '"12:00:00.0001"'),
        (pa.time64("us"), '"12:00:00\\n"'),
        (pa.duration("s"), "1.5"),
        (pa.duration("s"), "9223372036854775808"),
        (pa.decimal128(5, 2), "1.555"),
        (pa.decimal128(5, 2), "1000"),
        (pa.decimal128(5, 2), "1e99999999"),
        (pa.decimal128(5, 2), '"NaN"'),
        (pa.decimal128(5, 2), '"one"'),
        (pa.binary(), '"YQ"'),
        (pa.binary(), '"YR=="'),
        (pa.binary(), '"Y Q=="'),
        (pa.binary(2), '"YQ=="'),
        (pa.list_(pa.int8()), "[1, 2.5]"),
        (pa.list_(pa.int8()), "1"),
        (pa.list_(pa.field("item", pa.int8(), nullable=False)), "[null]"),
        (pa.list_(pa.int8(), 2), "[1]"),
        (pa.list_(pa.int8(), 2), "[1, 2, 3]"),
        (pa.struct([("x", pa.int8())]), '{"y": 1}'),
        (pa.struct([("x", pa.int8())]), '{"x": 1.5}'),
        (pa.struct([pa.field("x", pa.int8(), nullable=False)]), "{}"),
        (pa.map_(pa.string(), pa.int8()), '{"x": 1.5}'),
        (pa.map_(pa.int8(), pa.int8()), '[{"key": 1}, {"value": 1}]'),
        (pa.dictionary(pa.int8(), pa.string()), "1"),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_an_error_and_never_another_value(type_, text):
    for before in ([], ["null"] * 3):
        with pytest.raises(FormatError, match="row") as caught:
            column(type_, *before, text)
        assert caught.value.row == len(before) + 1
        assert caught.value.column.startswith("a")


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (pa.float64(), "9007199254740992", 2.0**53),
        (pa.float64(), "100000000000000000000", 1e20),
        (pa.float64(), "18446744073709551616", 2.0**64),
        (pa.float64(), "-0.0", 0.0),
        (pa.float64(), "0.1000000000000000000000001", 0.1),
        (pa.float32(), "16777216", 2.0**24),
        (pa.decimal128(5, 2), "1.50", Decimal("1.50")),
        (pa.decimal128(5, 2), "1.500000", Decimal("1.50")),
        (pa.decimal128(5, 2), "15e-1", Decimal("1.50")),
        (pa.decimal128(5, 2), '"1.5"', Decimal("1.50")),
        (pa.int64(), "-0", 0),
        (pa.timestamp("s", "UTC"), '"2024-01-01T02:00:00+02:00"', dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
        (pa.timestamp("s"), '"2024-01-01 02:00"', dt.datetime(2024, 1, 1, 2)),  # noqa: DTZ001 - Arrow's naive timestamp
        (pa.time64("us"), '"02:00:00.5"', dt.time(2, 0, 0, 500_000)),
        (pa.string(), '"\\ud83d\\ude00"', "😀"),
        (pa.map_(pa.string(), pa.int8()), '{"x": 1, "x": 2}', [("x", 2)]),
    ],
    ids=str,
)
def test_other_forms_of_the_same_value_are_read(type_, text, value):
    assert column(type_, text) == [value]


def test_a_key_whose_value_is_null_is_kept():
    rows = pa.table({"a": pa.array([[("k", None), ("l", 1)]], pa.map_(pa.string(), pa.int64()))})
    assert table(written(rows), schema=rows.schema) == rows


def test_the_last_of_duplicate_names_counts():
    schema = pa.schema([("a", pa.int64())])
    assert table('{"a": 1, "a": 2}\n{"a": 1, "\\u0061": null}', schema=schema).column("a").to_pylist() == [2, None]


def test_a_large_integer_in_one_row_leaves_the_strictness_for_the_others():
    with pytest.raises(FormatError) as caught:
        column(pa.float64(), "100000000000000000000", "1.5", '"1.5"')
    assert caught.value.row == 3


def test_two_columns_of_one_name_cannot_be_read():
    with pytest.raises(UnsupportedError, match="two fields of the name 'a'"):
        table("", schema=pa.schema([("a", pa.int8()), ("a", pa.int8())]))


def test_a_dictionary_that_outgrows_its_indices_is_an_error():
    with pytest.raises(FormatError) as caught:
        column(pa.dictionary(pa.int8(), pa.string()), *(f'"{number}"' for number in range(200)))
    assert caught.value.row == 129


def test_binary_values_can_be_hexadecimal():
    rows = pa.table({"a": [b"\0\xff", None]})
    text = written(rows, binary="hex")
    assert json.loads(text.splitlines()[0]) == {"a": "00ff"}
    assert table(text, schema=rows.schema, binary="hex").equals(rows)


@pytest.mark.parametrize("text", ['"0"', '"0 ff"', '"zz"', '"AAE="'])
def test_what_is_not_hexadecimal_is_an_error(text):
    with pytest.raises(FormatError):
        column(pa.binary(), text, binary="hex")


def test_a_schema_that_does_not_allow_null_is_held():
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False)])
    for text in ("{}", '{"a": null}'):
        with pytest.raises(FormatError) as caught:
            table('{"a": 1}\n' + text, schema=schema)
        assert (caught.value.row, caught.value.column) == (2, "a")


NAMES = st.text(max_size=4).filter(lambda name: "\0" not in name)
SIMPLE = st.sampled_from(
    [
        (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
        (pa.uint64(), st.integers(0, 2**64 - 1)),
        (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
        (pa.float32(), st.floats(allow_nan=False, allow_infinity=False, width=32)),
        (pa.string(), st.text(max_size=12)),
        (pa.binary(), st.binary(max_size=12)),
        (pa.bool_(), st.booleans()),
        (pa.timestamp("us"), st.datetimes()),
        (pa.date32(), st.dates()),
        (pa.time64("us"), st.times()),
        (pa.decimal128(20, 5), st.decimals(-(10**14), 10**14, places=5)),
    ]
)
TYPED = st.recursive(
    SIMPLE,
    lambda inner: (
        inner.map(lambda pair: (pa.list_(pair[0]), st.lists(st.none() | pair[1], max_size=3)))
        | inner.map(
            lambda pair: (
                pa.map_(pa.string(), pair[0]),
                st.dictionaries(st.text(max_size=3), pair[1], max_size=3).map(lambda d: list(d.items())),
            )
        )
        | st.dictionaries(NAMES, inner, max_size=3).map(
            lambda fields: (
                pa.struct([(name, pair[0]) for name, pair in fields.items()]),
                st.fixed_dictionaries({name: st.none() | pair[1] for name, pair in fields.items()}),
            )
        )
    ),
    max_leaves=4,
)


@given(st.data(), st.dictionaries(NAMES, TYPED, min_size=1, max_size=4), st.sampled_from(LAYOUTS))
@settings(deadline=None, max_examples=150)
def test_any_table_comes_back_as_it_was(data, columns, layout):
    rows = data.draw(st.integers(0, 4))
    schema = pa.schema([(name, type_) for name, (type_, _) in columns.items()])
    values = [data.draw(st.lists(st.none() | each, min_size=rows, max_size=rows)) for _, each in columns.values()]
    before = pa.table(
        [pa.array(column_, type_) for column_, (type_, _) in zip(values, columns.values(), strict=True)], schema=schema
    )
    assert table(written(before, layout), layout, schema, block_bytes=64).combine_chunks().equals(before.combine_chunks())


def test_a_dictionary_of_dictionaries_is_not_read():
    with pytest.raises(UnsupportedError, match="dictionary of dictionaries"):
        column(pa.dictionary(pa.int8(), pa.dictionary(pa.int8(), pa.string())), '"x"')
