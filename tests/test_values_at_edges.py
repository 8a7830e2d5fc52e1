"""Valid tables that formats once lost, changed in silence or ended the process over: each comes back, or is refused by name."""

import contextlib
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from any_tables import LONG, tables, values
from hypothesis import given, settings
from hypothesis import strategies as st
from trips import read, written

from format_plugins.builtin import arrow_file, arrow_stream, comma_separated, json_array, json_lines, parquet, tab_separated
from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.fitting import fit
from format_plugins.sharing import dictionary_of, runs_of
from format_plugins.views import compacted

TEXT = [comma_separated, tab_separated]
JSON = [json_array, json_lines]
ALL = [*TEXT, *JSON, parquet, arrow_file, arrow_stream]
VIEWS = pa.ExtensionArray.from_storage(
    pa.opaque(pa.string_view(), "kind", "maker"), pa.array([f"{LONG}{number}" for number in range(6)], pa.string_view())
)
UNION = pa.UnionArray.from_sparse(pa.array([0, 1, 0, 1], pa.int8()), [pa.array([1, 2, 3, 4]), pa.array([5, 6, 7, 8])])
HALF_NULL = pa.array([True, False, True, False])


def of(array):
    return pa.table({"x": array})


def comes_back(module, table):
    again = read(module, written(module, table), schema=table.schema)
    assert again.schema.equals(table.schema)
    assert [values(column) for column in again.columns] == [values(column) for column in table.columns]


def unscaled(type_, *numbers):
    data = b"".join(number.to_bytes(type_.bit_width // 8, "little", signed=True) for number in numbers)
    return pa.Array.from_buffers(type_, len(numbers), [None, pa.py_buffer(data)])


def nested(type_, *rows):
    return pa.array(rows, type_)


# What is written is what is there.


@pytest.mark.parametrize("module", JSON)
def test_structs_in_structs_are_written_in_slices_too(module):
    pairs = pa.array([{"a": {"b": str(number)}, "c": None} for number in range(20_000)])
    comes_back(module, of(pairs))
    comes_back(module, of(pairs.slice(5, 10)))


@pytest.mark.parametrize("module", JSON)
def test_lists_of_extension_types_over_views_hold_no_other_memory(module):
    comes_back(module, of(pa.ListArray.from_arrays([0, 1, 3, 6], VIEWS).slice(1)))


@pytest.mark.parametrize("module", JSON)
@pytest.mark.parametrize(
    "array",
    [
        nested(
            pa.map_(pa.string(), pa.list_(pa.list_(pa.null()), 1)),
            [("k", [[None]])],
            None,
            [("l", [[None, None]]), ("m", None)],
        ),
        nested(
            pa.map_(pa.string(), pa.map_(pa.int64(), pa.null())), [("k", [(1, None)])], None, [("l", [(2, None), (3, None)])]
        ),
        nested(pa.list_(pa.list_(pa.null())), [[None], []], None, [[None, None]]),
    ],
    ids=lambda array: str(array.type),
)
def test_nulls_alone_are_nested_as_deep_as_other_values(module, array):
    for rows in (array, array.slice(1), array.slice(2)):
        comes_back(module, of(rows))


@pytest.mark.parametrize("module", JSON)
def test_maps_are_written_that_lie_beneath_a_null(module):
    maps = nested(pa.map_(pa.string(), pa.int64()), [("k", 1)], [("k", 2), ("l", 3)], [])
    comes_back(module, of(pa.StructArray.from_arrays([maps], names=["m"], mask=pa.array([True, False, True]))))


@pytest.mark.parametrize("module", JSON)
@pytest.mark.parametrize(
    "array",
    [
        pa.DictionaryArray.from_arrays([1, 0, None], pa.array([[f"{LONG}1"], [LONG]], pa.list_(pa.string_view()))),
        pa.DictionaryArray.from_arrays([1, 0, None], pa.array([b"a", b"b"], pa.binary_view())),
        pa.DictionaryArray.from_arrays([1, 0, 1], pa.array([Decimal("1.5"), None], pa.decimal32(5, 2))),
        pa.DictionaryArray.from_arrays([1, 0, 1], VIEWS.slice(2)),
        pa.DictionaryArray.from_arrays([1, 0, 1], pa.RunEndEncodedArray.from_arrays(pa.array([1, 2]), pa.array(["a", "b"]))),
        pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int16()), pa.array([LONG, None], pa.string_view())),
        pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int16()), pa.array([{"a": [1]}, None])),
        pa.StructArray.from_arrays(
            [pa.RunEndEncodedArray.from_arrays(pa.array([2, 3]), pa.array([1, 2])), pa.array([1, 2, 3])],
            names=["runs", "n"],
            mask=pa.array([True, False, False]),
        ),
        nested(pa.map_(pa.dictionary(pa.int8(), pa.string()), pa.int64()), [("k", 1)], None, []),
    ],
    ids=lambda array: str(array.type),
)
def test_dictionaries_and_runs_of_any_values_come_back(module, array):
    comes_back(module, of(array))
    comes_back(module, of(array.slice(1)))


@pytest.mark.parametrize("module", JSON)
def test_runs_of_runs_of_an_extension_type_are_written(module):
    uuids = pa.RunEndEncodedArray.from_arrays(pa.array([1, 2]), pa.array([b"0123456789abcdef", None], pa.uuid()))
    document = written(module, of(pa.RunEndEncodedArray.from_arrays(pa.array([2, 3]), uuids)))
    assert read(module, document)["x"].to_pylist() == ["MDEyMzQ1Njc4OWFiY2RlZg=="] * 2 + [None]


@pytest.mark.parametrize("module", JSON)
@pytest.mark.parametrize("maker", [pa.decimal32, pa.decimal64, pa.decimal128, pa.decimal256])
def test_zero_with_a_negative_scale_is_json(module, maker):
    rows = of(unscaled(maker(5, -2), 0, 12345, -1))
    comes_back(module, rows)
    assert b'"x":0}' in written(module, rows)


def test_a_number_of_more_digits_than_any_decimal_has_is_refused():
    with pytest.raises(UnsupportedError, match=r"'x'.*86 digits"):
        written(json_lines, of(unscaled(pa.decimal256(76, -10), 0)))


@pytest.mark.parametrize("module", [*TEXT, *JSON])
@pytest.mark.parametrize("type_", [pa.decimal32(9, 12), pa.decimal64(17, 20), pa.decimal128(5, 45)], ids=str)
def test_decimals_whose_scale_passes_their_width_come_back(module, type_):
    comes_back(module, of(unscaled(type_, 0, 12345, -1)))


def test_a_map_whose_value_is_null_in_a_dictionary_needs_explicit_nulls():
    words = pa.DictionaryArray.from_arrays([0, None], ["a"])
    maps = pa.MapArray.from_arrays([0, 2], pa.array(["k", "l"]), words)
    with pytest.raises(UnsupportedError) as caught:
        written(json_lines, of(maps), explicit_nulls=False)
    assert caught.value.option == "explicit_nulls"


@pytest.mark.parametrize("type_", [pa.date32(), pa.timestamp("ns"), pa.timestamp("s", "Europe/Paris")], ids=str)
def test_times_that_python_has_not_stand_beside_numbers_that_are_not_finite(type_):
    number = -719_528 if pa.types.is_date(type_) else -1 if type_.unit == "ns" else -719_528 * 86_400
    times = pa.array([number], pa.int32() if pa.types.is_date(type_) else pa.int64()).view(type_)
    rows = of(pa.StructArray.from_arrays([times, pa.array([float("nan")])], names=["t", "n"]))
    assert json.loads(written(json_lines, rows, non_finite="string"))["x"]["n"] == "NaN"


# The ends of time.


@pytest.mark.parametrize("module", JSON)
@pytest.mark.parametrize("zone", [None, "UTC", "+05:30"])
def test_timestamps_in_nanoseconds_come_back_to_their_ends(module, zone):
    numbers = [-(2**63), -(2**63) + 1, -9_223_372_036_000_000_001, None, 2**63 - 1, 0]
    comes_back(module, of(pa.array(numbers, pa.int64()).view(pa.timestamp("ns", zone))))


@pytest.mark.parametrize("text", ["43.145224191", "43.14522419", "43.", "43.1452241921", "42.9"])
def test_a_text_before_the_first_nanosecond_is_an_error(text):
    with pytest.raises(FormatError) as caught:
        read(json_lines, f'{{"x":"1677-09-21T00:12:{text}"}}\n'.encode(), schema=pa.schema([("x", pa.timestamp("ns"))]))
    assert (caught.value.row, caught.value.column) == (1, "x")


@pytest.mark.parametrize("module", TEXT)
def test_the_first_part_of_a_second_in_nanoseconds_is_refused_for_what_it_is(module):
    first = pa.array([-(2**63)], pa.int64()).view(pa.timestamp("ns"))
    with pytest.raises(UnsupportedError, match="before 1677-09-21 00:12:44") as caught:
        written(module, of(first))
    assert caught.value.column == "x"
    comes_back(module, of(pa.array([-9_223_372_036_000_000_000, 2**63 - 1], pa.int64()).view(pa.timestamp("ns"))))


# Dictionaries.


@pytest.mark.parametrize("module", [*TEXT, *JSON])
def test_too_many_values_for_the_indices_of_a_dictionary_are_an_error_that_says_so(module):
    kind = pa.dictionary(pa.int8(), pa.string())
    document = written(module, of(pa.array([f"v{number}" for number in range(200)])))
    with pytest.raises(
        FormatError, match=r"(129|200) different values in one record batch, and indices of int8 tell 128 apart"
    ):
        read(module, document, schema=pa.schema([("x", kind)]))


@pytest.mark.parametrize("module", TEXT)
def test_a_dictionary_of_dictionaries_comes_back_from_text(module):
    inner = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array([5, 7], pa.date32()))
    comes_back(module, of(pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.int8()), inner)))


def test_parquet_refuses_a_dictionary_in_another_wherever_it_is():
    inner = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([1.5]))
    outer = pa.DictionaryArray.from_arrays(pa.array([0]), inner)
    for array in (outer, pa.StructArray.from_arrays([outer, pa.array([1])], names=["d", "n"])):
        with pytest.raises(UnsupportedError) as caught:
            written(parquet, of(array))
        assert caught.value.column == "x"


@pytest.mark.parametrize("module", [parquet, arrow_file, arrow_stream])
def test_a_dictionary_of_an_extension_type_is_refused_where_it_would_not_be_read_again(module):
    uuids = pa.array([b"0123456789abcdef"], pa.uuid())
    with pytest.raises(UnsupportedError, match="dictionary of an extension type") as caught:
        written(module, of(pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), uuids)))
    assert caught.value.column == "x"


def test_parquet_comes_back_as_dictionaries_of_numbers_when_these_are_asked_for():
    comes_back(parquet, of(pa.DictionaryArray.from_arrays(pa.array([1, 0, None], pa.int8()), pa.array([5, 6]))))


def test_equal_values_of_any_type_are_one_value_of_a_dictionary_and_one_run():
    lists = pa.array([[1], [1], None, [2], [1]])
    assert dictionary_of(lists, pa.dictionary(pa.int8(), lists.type)).indices.to_pylist()[:2] == [0, 0]
    assert runs_of(lists, pa.run_end_encoded(pa.int16(), lists.type)).run_ends.to_pylist() == [2, 3, 4, 5]


# What ends the process when Arrow is left to it.


def test_parquet_refuses_lists_of_no_values():
    with pytest.raises(UnsupportedError, match=r"'x'.*no values"):
        written(parquet, of(pa.array([[], []], pa.list_(pa.string(), 0))))


def test_parquet_refuses_a_struct_that_is_null_over_a_list_that_is_not():
    kind = pa.struct([pa.field("l", pa.list_(pa.int8(), 2), nullable=False)])
    comes_back(parquet, of(pa.array([{"l": [1, 2]}, {"l": [3, 4]}], kind)))
    masked = pa.StructArray.from_arrays(
        [pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2))], fields=list(kind), mask=HALF_NULL[:2]
    )
    for array in (masked, pa.ListArray.from_arrays([0, 2], masked)):
        with pytest.raises(UnsupportedError, match=r"'x'.*not nullable"):
            written(parquet, of(array))


@pytest.mark.parametrize("inner", [pa.uuid(), pa.dictionary(pa.int8(), pa.timestamp("us")), pa.json_()], ids=str)
def test_parquet_has_no_rows_of_any_type(inner):
    schema = pa.schema([("x", pa.struct([("a", inner)]))])
    assert read(parquet, written(parquet, pa.Table.from_batches([], schema))).num_rows == 0
    assert read(parquet, written(parquet, of(pa.nulls(2, pa.list_(pa.struct([("a", inner)])))))).num_rows == 2


@pytest.mark.parametrize("lists", [pa.list_, pa.list_view, pa.large_list, lambda item: pa.list_(item, 1)])
def test_lists_that_are_all_null_need_no_value_of_any_type(lists):
    halves = pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array([1.5], pa.float16()))
    again = read(parquet, written(parquet, of(pa.nulls(3, lists(halves.type)))))
    assert again["x"].to_pylist() == [None] * 3


def test_unions_in_structs_that_are_null_are_looked_through():
    pairs = pa.StructArray.from_arrays([UNION, pa.array([LONG] * 4, pa.string_view())], names=["u", "v"], mask=HALF_NULL)
    assert compacted(pa.record_batch({"x": pairs}).slice(1, 2)).num_rows == 2
    numbers = pa.StructArray.from_arrays([UNION, pa.array([1] * 4, pa.int32())], names=["u", "n"], mask=HALF_NULL)
    wanted = pa.schema([("x", pa.struct([("u", UNION.type), ("n", pa.int64())]))])
    assert fit(of(numbers).to_reader(), wanted).read_all().schema == wanted


def test_a_conversion_that_arrow_spoils_is_an_error_and_no_array_that_is_not_valid():
    lists = pa.array([[None, None], [None] * 3, None], pa.list_(pa.null()))
    pairs = pa.StructArray.from_arrays([lists, pa.array([1, 2, 3], pa.date32())], names=["l", "d"])
    wanted = pa.schema([("x", pa.struct([("l", lists.type), ("d", pa.date64())]))])
    with pytest.raises(FormatError, match="'x'"):
        fit(of(pairs).to_reader(), wanted).read_all()


# Anything at all.


@settings(max_examples=250, deadline=None)
@given(tables(), st.sampled_from([*TEXT, *JSON]))
def test_any_table_comes_back_as_text_or_is_refused(table, module):
    table.validate(full=True)
    with contextlib.suppress(UnsupportedError):
        again = read(module, written(module, table), schema=table.schema)
        assert [values(column) for column in again.columns] == [values(column) for column in table.columns]


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from([parquet, arrow_file, arrow_stream]))
def test_any_table_comes_back_as_columns_or_is_refused(table, module):
    with contextlib.suppress(UnsupportedError):
        again = read(module, written(module, table))
        for before, after in zip(table.columns, again.columns, strict=True):
            assert before.type != after.type or values(before) == values(after)
