"""What is written for tables, judged by the standard library's parser, and what is refused."""

import datetime as dt
import json
import math

import pyarrow as pa
import pytest
from json_documents import LAYOUTS, table, written

from format_plugins.contract import UnsupportedError


def run_ends(values, ends=(2, 5)):
    """Values in runs; a slice, which has the runs of the whole and begins and ends within one."""
    return pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int16()), values).slice(1, 3)


def records(rows, layout="lines", **options):
    text = written(rows, layout, **options).decode()
    return json.loads(text) if layout == "array" else [json.loads(line) for line in text.splitlines()]


def test_no_rows_are_an_empty_array_and_no_lines():
    rows = pa.table({"a": pa.array([], pa.int64())})
    assert (written(rows, "array"), written(rows, "lines")) == (b"[]", b"")


@pytest.mark.parametrize("count", [1, 2, 8_192, 8_193, 20_000])
def test_rows_are_elements_and_lines(count):
    rows = pa.table({"a": range(count)})
    wanted = [{"a": number} for number in range(count)]
    assert records(rows, "array") == records(rows, "lines") == wanted
    assert written(rows, "lines").endswith(b"}\n")


def test_batches_of_no_rows_leave_no_trace():
    batch = pa.record_batch({"a": [1]})
    rows = pa.Table.from_batches([batch.slice(0, 0), batch, batch.slice(0, 0), batch])
    assert written(rows, "array") == b'[{"a":1},{"a":1}]'


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([2**53 + 1, -(2**63)]), ["9007199254740993", "-9223372036854775808"]),
        (pa.array([1.0, 1e22, -0.0]), ["1.0", "1.0e22", "-0.0"]),
        (pa.array([b"\0\xff"]), ['"AP8="']),
        (pa.array([0], pa.timestamp("us")), ['"1970-01-01T00:00:00"']),
        (pa.array([1], pa.timestamp("us", "Europe/Paris")), ['"1970-01-01T00:00:00.000001Z"']),
        (pa.array([dt.date(2024, 2, 29)]), ['"2024-02-29"']),
        (pa.array([1], pa.time32("ms")), ['"00:00:00.001"']),
        (pa.array([90], pa.duration("s")), ["90"]),
        (pa.array(["1.50"]).cast(pa.decimal128(5, 2)), ["1.50"]),
        (pa.array(['a\n\u2028"\\']), ['"a\\n\u2028\\"\\\\"']),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())), ['{"k":1}']),
        (pa.array([[(1, 2)]], pa.map_(pa.int8(), pa.int8())), ['[{"key":1,"value":2}]']),
        (pa.array(["a"]).dictionary_encode(), ['"a"']),
        (run_ends(pa.array(["a", None])), ['"a"', "null", "null"]),
        (run_ends(pa.array(["a", "b"]).dictionary_encode()), ['"a"', '"b"', '"b"']),
        (run_ends(pa.array([[1], None])), ["[1]", "null", "null"]),
        (pa.array([{"x": None}], pa.struct([("x", pa.int8())])), ['{"x":null}']),
        (pa.array([[1, None]]), ["[1,null]"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_each_type_has_its_form(array, texts):
    wanted = "".join(f'{{"a":{text}}}\n' for text in texts)
    assert written(pa.table({"a": array})).decode() == wanted


def test_nulls_can_be_left_out():
    type_ = pa.struct([("x", pa.int8()), ("y", pa.list_(pa.int8()))])
    rows = pa.table({"a": [1, None], "s": pa.array([{"x": None, "y": [None]}, None], type_)})
    assert records(rows, explicit_nulls=False) == [{"a": 1, "s": {"y": [None]}}, {}]
    assert records(rows) == [{"a": 1, "s": {"x": None, "y": [None]}}, {"a": None, "s": None}]


def strange(type_):
    """A table with a value that is not finite in each place where one can stand."""
    numbers = pa.array([1.5, math.nan, None, math.inf], type_)
    nested = pa.StructArray.from_arrays([numbers, pa.array(["a", "b", None, "d"])], ["x", "y"])
    lists = pa.ListArray.from_arrays([0, 1, 3, 3, 4], pa.array([1.0, -math.inf, None, 2.0], type_))
    maps = pa.array([[("k", 1.0), ("l", math.nan)], None, [], [("m", 2.0)]], pa.map_(pa.string(), type_))
    return pa.table({"n": numbers, "s": nested, "l": lists, "m": maps, "i": [2**63 - 1] * 4})


def test_the_keys_of_a_map_are_not_left_out_with_their_nulls():
    rows = pa.table({"m": pa.array([[("k", None)]], pa.map_(pa.string(), pa.int8()))})
    assert records(rows) == [{"m": {"k": None}}]
    with pytest.raises(UnsupportedError, match="explicit_nulls"):
        written(rows, explicit_nulls=False)


@pytest.mark.parametrize("column", ["n", "s", "l", "m"])
def test_what_is_not_finite_is_refused(column):
    with pytest.raises(UnsupportedError, match="non_finite") as caught:
        written(strange(pa.float64()).select([column]))
    assert caught.value.option == "non_finite"
    assert caught.value.column.startswith(column)


def test_what_is_not_finite_can_become_null():
    found = records(strange(pa.float64()), non_finite="null")
    assert [record["n"] for record in found] == [1.5, None, None, None]
    assert found[1]["l"] == [None, None]


@pytest.mark.parametrize("type_", [pa.float64(), pa.float32(), pa.float16()], ids=str)
@pytest.mark.parametrize("explicit_nulls", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_not_finite_can_become_text_and_is_read_back(type_, explicit_nulls, layout):
    rows = strange(type_)
    options = {"non_finite": "string", "explicit_nulls": explicit_nulls}
    text = written(rows, layout, **options)
    found = records(rows, layout, **options)
    assert [record.get("n") for record in found] == [1.5, "NaN", None, "Infinity"]
    assert (found[1]["s"]["x"], found[1]["l"], found[0]["m"]) == ("NaN", ["-Infinity", None], {"k": 1.0, "l": "NaN"})
    assert {record["i"] for record in found} == {2**63 - 1}
    after = table(text, layout, rows.schema, **options)
    assert repr(after.to_pydict()) == repr(rows.to_pydict())


@pytest.mark.parametrize(
    "array",
    [
        pa.array([2**31 - 1], pa.date32()),
        pa.array([-719_529], pa.date32()),
        pa.array([1], pa.date64()),
        pa.array([2**62], pa.timestamp("us")),
        pa.array([-62_167_219_201], pa.timestamp("s")),
        pa.array([253_402_300_800], pa.timestamp("s", "UTC")),
        pa.array([86_400], pa.time32("s")),
        pa.array([-1], pa.time64("us")),
    ],
    ids=lambda array: str(array.type),
)
def test_moments_that_iso_8601_cannot_say_are_refused(array):
    for column in (array, pa.ListArray.from_arrays([0, 1], array)):
        with pytest.raises(UnsupportedError) as caught:
            written(pa.table({"a": column}))
        assert caught.value.column in {"a", "a[]"}


def test_what_hides_beneath_a_null_does_not_count():
    hidden = pa.array([math.nan, 1.0])
    struct = pa.StructArray.from_arrays([hidden], ["x"], mask=pa.array([True, False]))
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), hidden, mask=pa.array([True, False]))
    found = records(pa.table({"s": struct, "l": lists}))
    assert found == [{"s": None, "l": None}, {"s": {"x": 1.0}, "l": [1.0]}]


def test_slices_are_written_as_what_they_show():
    moments = pa.array([0, 1, 2, 3], pa.timestamp("s"))
    for type_ in (pa.list_, pa.large_list, pa.list_view, pa.large_list_view):
        lists = pa.array([[0], [1, 2], None, [3]], type_(pa.timestamp("s")))
        struct = pa.StructArray.from_arrays([moments, lists], ["x", "l"])
        maps = pa.array([[("k", 0)], [("l", 1)], None, [("m", 3)]], pa.map_(pa.string(), pa.timestamp("s")))
        rows = pa.table({"l": lists, "s": struct, "m": maps})
        assert records(rows.slice(1, 2)) == records(rows)[1:3]


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        (pa.table([[1], [2]], names=["a", "a"]), "a"),
        (pa.table({"s": pa.array([None], pa.struct([("x", pa.int8()), ("x", pa.int8())]))}), "s.x"),
        (pa.table({"m": pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int8()))}), "m"),
        (pa.table({"a\0b": [1]}), "a\0b"),
    ],
    ids=["columns", "fields", "keys", "NUL"],
)
def test_names_that_an_object_cannot_have_are_refused(rows, column):
    with pytest.raises(UnsupportedError) as caught:
        written(rows)
    assert caught.value.column == column


def test_the_same_key_in_two_rows_is_no_duplicate():
    rows = pa.table({"m": pa.array([[("k", 1)], [("k", 2)]], pa.map_(pa.string(), pa.int8()))})
    assert records(rows) == [{"m": {"k": 1}}, {"m": {"k": 2}}]


def test_rows_without_columns_are_empty_objects():
    batch = pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))
    assert records(pa.Table.from_batches([batch])) == [{}, {}]


def test_nulls_in_a_column_that_has_none_are_written_all_the_same():
    schema = pa.schema([pa.field("a", pa.int8(), nullable=False)])
    assert records(pa.table({"a": pa.array([1, None], pa.int8())}, schema=schema)) == [{"a": 1}, {"a": None}]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_maps_are_written_without_a_word_on_stderr(kind, capfd):
    maps = pa.array([[("a", 1), ("b", 2)], None, [("a", 3)]], pa.map_(kind, pa.int8()))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("a", maps.type)])) as writer:
        writer.write_table(pa.table({"a": maps}))
    text = b"x" + sink.getvalue().to_pybytes()
    # As Flight hands it on: not where Arrow's compute engine wants its buffers.
    rows = pa.ipc.open_stream(pa.py_buffer(text).slice(1)).read_all()
    assert records(rows) == [{"a": {"a": 1, "b": 2}}, {"a": None}, {"a": {"a": 3}}]
    assert capfd.readouterr().err == ""


def test_a_key_that_stands_twice_in_one_map_only_is_refused():
    rows = pa.table({"a": pa.array([[("a", 1)], [("a", 2), ("b", 3), ("a", 4)]], pa.map_(pa.string(), pa.int8()))})
    with pytest.raises(UnsupportedError, match="same key twice"):
        written(rows, "lines")
