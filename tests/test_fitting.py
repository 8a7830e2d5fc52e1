"""Batches are made to fit a wanted schema exactly, or refused: no value is lost on the way."""

import datetime as dt
import decimal
import struct as struct_

import pyarrow as pa
import pytest
from arrow_samples import samples
from trips import same

from format_plugins.contract import FormatError
from format_plugins.fitting import fit

D = decimal.Decimal
UTC, PARIS = pa.timestamp("us", "UTC"), pa.timestamp("us", "Europe/Paris")


def fitted(array, kind, *, nullable=True):
    """One column made to fit; a plain list is of the type that Arrow gives it."""
    return table({"c": array}, pa.schema([pa.field("c", kind, nullable=nullable)])).column(0).combine_chunks()


def table(columns, schema):
    found = pa.table(columns)
    return fit(found.to_reader(), schema).read_all()


def misfit(array, kind, **keywords):
    with pytest.raises(FormatError) as caught:
        fitted(array, kind, **keywords)
    return caught.value


def struct(**fields):
    return pa.struct(list(fields.items()))


FITS = {
    "a wider integer": (pa.array([1, None], pa.int8()), pa.int64()),
    "a narrower integer": (pa.array([127, None], pa.int64()), pa.int8()),
    "a whole number as a double": (pa.array([2**53, None]), pa.float64()),
    "a double that is whole": (pa.array([3.0, None]), pa.int32()),
    "a double that a float holds": (pa.array([0.5, float("nan"), float("-inf"), None]), pa.float32()),
    "a half float": (pa.array([0.5, float("nan"), None], pa.float32()), pa.float16()),
    "text as large text": (pa.array(["a", None]), pa.large_string()),
    "text as a view": (pa.array(["a" * 20, None]), pa.string_view()),
    "a view as text": (pa.array(["a" * 20, None], pa.string_view()), pa.string()),
    "text as a dictionary": (pa.array(["a", "b", "a", None]), pa.dictionary(pa.int8(), pa.string())),
    "a dictionary as text": (pa.array(["a", "b", None]).dictionary_encode(), pa.string()),
    "another index": (pa.array(["a", None]).dictionary_encode(), pa.dictionary(pa.int16(), pa.string())),
    "bytes that are text": (pa.array([b"\xc3\xa4", None]), pa.string()),
    "more decimal places": (pa.array([D("1.25"), None]), pa.decimal128(20, 4)),
    "fewer decimal places": (pa.array([D("1.50"), None]), pa.decimal128(5, 1)),
    "coarser time": (pa.array([5_000_000, None], pa.timestamp("us")), pa.timestamp("s")),
    "another zone": (pa.array([5, None], UTC), PARIS),
    "a date as a time": (pa.array([dt.date(2024, 1, 2), None]), pa.timestamp("us")),
    "nothing but nulls": (pa.nulls(3), pa.list_(pa.int8())),
    "a list of wider values": (pa.array([[1, None], None, []], pa.list_(pa.int8())), pa.large_list(pa.int64())),
    "a list of other names": (pa.array([[1]], pa.list_(pa.field("item", pa.int8()))), pa.list_(pa.field("element", pa.int8()))),
    "a list with NaN": (pa.array([[float("nan"), None], None]), pa.list_(pa.float32())),
    "a list of one size": (pa.array([[1, 2], [3, 4]]), pa.list_(pa.int64(), 2)),
    "a struct with more fields": (pa.array([{"a": 1}, None]), struct(a=pa.int64(), b=pa.string())),
    "a struct in another order": (pa.array([{"a": 1, "b": "x"}]), struct(b=pa.large_string(), a=pa.int8())),
    "a map": (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())), pa.map_(pa.large_string(), pa.int64())),
    "an extension's storage": (pa.array([b"0" * 16, None], pa.uuid()), pa.binary(16)),
    "a storage's extension": (pa.array([b"0" * 16, None], pa.binary(16)), pa.uuid()),
    "runs": (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3]), pa.array(["a", "b"])), pa.string()),
    "canonical text of a number": (pa.array(["7", None]), pa.int64()),
}
LOSES = {
    "an integer that is too large": (pa.array([1, 300]), pa.int8()),
    "an integer that a double rounds": (pa.array([1, 2**53 + 1]), pa.float64()),
    "an integer that a float rounds": (pa.array([1, 2**24 + 1]), pa.float32()),
    "a fraction": (pa.array([1.0, 1.5]), pa.int64()),
    "a double that a float rounds": (pa.array([1.0, 0.1]), pa.float32()),
    "a double that is infinite as a float": (pa.array([1.0, 1e300]), pa.float32()),
    "NaN as an integer": (pa.array([1.0, float("nan")]), pa.int64()),
    "a number as a truth": (pa.array([1, 2]), pa.bool_()),
    "decimal places": (pa.array([D("1.20"), D("1.25")]), pa.decimal128(5, 1)),
    "a decimal that a double rounds": (pa.array([D(1), D("0.12345678901234567891")], pa.decimal128(30, 20)), pa.float64()),
    "finer time": (pa.array([1_000_000, 1_000_001], pa.timestamp("us")), pa.timestamp("s")),
    "a time of day": (pa.array([0, 1], pa.timestamp("us")), pa.date32()),
    "leading zeros": (pa.array(["7", "007"]), pa.int64()),
    "text that is no number": (pa.array(["7", "x"]), pa.int64()),
    "bytes that are no text": (pa.array([b"a", b"\xff"]), pa.string()),
    "more values than an index counts": (pa.array(["0"] + [str(i) for i in range(300)]), pa.dictionary(pa.int8(), pa.string())),
    "a double in a list": (pa.array([[1.0], [None, 0.1]]), pa.list_(pa.float32())),
    "a double in a struct": (pa.array([{"a": 1.0}, {"a": 0.1}]), struct(a=pa.float32())),
    "a double in a map": (
        pa.array([[("k", 1.0)], [("k", 0.1)]], pa.map_(pa.string(), pa.float64())),
        pa.map_(pa.string(), pa.float32()),
    ),
    "a list of another size": (pa.array([[1, 2], [3]]), pa.list_(pa.int64(), 2)),
    "a null in a list of values": (pa.array([[1], [None]]), pa.list_(pa.field("item", pa.int64(), nullable=False))),
    "a null in a struct of values": (
        pa.array([{"a": 1}, {"a": None}]),
        pa.struct([pa.field("a", pa.int64(), nullable=False)]),
    ),
}
NEVER = {
    "a zone made up": (pa.array([1], pa.timestamp("us")), UTC),
    "a zone dropped": (pa.array([1], UTC), pa.timestamp("us")),
    "a zone dropped in a list": (pa.array([[1]], pa.list_(UTC)), pa.list_(pa.timestamp("us"))),
    "a zone dropped in a dictionary": (pa.array([1], UTC).dictionary_encode(), pa.timestamp("us")),
    "a field dropped": (pa.array([{"a": 1, "b": 2}]), struct(a=pa.int64())),
    "a list as a number": (pa.array([[1]]), pa.int64()),
    "a number as a struct": (pa.array([1]), struct(a=pa.int64())),
}


@pytest.mark.parametrize(("array", "kind"), FITS.values(), ids=FITS)
def test_what_loses_nothing_fits(array, kind):
    found = fitted(array, kind)
    assert found.type == kind
    plain = array if pa.types.is_run_end_encoded(array.type) else array.cast(kind)
    assert str(found.to_pylist()) in {str(array.to_pylist()), str(plain.to_pylist())}


@pytest.mark.parametrize(("array", "kind"), LOSES.values(), ids=LOSES)
def test_what_loses_something_is_refused_at_its_row(array, kind):
    error = misfit(array, kind)
    assert error.column == "c"
    assert f"has {array.type} where {kind} is wanted" in str(error)
    assert error.row == 2 or len(array) > 2


@pytest.mark.parametrize(("array", "kind"), NEVER.values(), ids=NEVER)
def test_types_that_never_fit_are_refused_before_the_first_batch(array, kind):
    reader = pa.table({"c": array}).slice(0, 0).to_reader()
    with pytest.raises(FormatError, match="the column 'c' has"):
        fit(reader, pa.schema([("c", kind)]))


def test_the_row_is_counted_over_batches():
    batches = [pa.record_batch({"c": [1, 2, 3]}), pa.record_batch({"c": [4, 2**40]})]
    reader = fit(pa.RecordBatchReader.from_batches(batches[0].schema, batches), pa.schema([("c", pa.int32())]))
    reader.read_next_batch()
    with pytest.raises(FormatError) as caught:
        reader.read_next_batch()
    assert (caught.value.row, caught.value.value) == (5, str(2**40))


@pytest.mark.parametrize("name", samples())
def test_a_column_of_the_wanted_type_is_not_touched(name):
    array = samples()[name]
    assert same(fitted(array, array.type), array)


def test_the_schema_is_the_wanted_one_with_its_metadata():
    schema = pa.schema([pa.field("c", pa.int64(), metadata={"unit": "m"})], metadata={"a": "b"})
    assert table({"c": [1]}, schema).schema.equals(schema, check_metadata=True)


def test_columns_come_in_the_wanted_order():
    assert table({"a": [1], "b": ["x"]}, pa.schema([("b", pa.string()), ("a", pa.int64())])).column_names == ["b", "a"]


def test_a_missing_column_is_null():
    found = table({"a": [1, 2]}, pa.schema([("a", pa.int64()), ("b", pa.list_(pa.string()))]))
    assert found.column("b").to_pylist() == [None, None]


def test_a_missing_column_that_wants_values_is_refused():
    with pytest.raises(FormatError, match="'b' is missing, and int64 not null is wanted"):
        table({"a": [1]}, pa.schema([("a", pa.int64()), pa.field("b", pa.int64(), nullable=False)]))


def test_a_column_that_is_not_wanted_is_refused():
    with pytest.raises(FormatError, match="'b' is not in the schema"):
        table({"a": [1], "b": [2]}, pa.schema([("a", pa.int64())]))


def test_a_null_where_values_are_wanted_is_refused_at_its_row():
    error = misfit(pa.array([1, None]), pa.int64(), nullable=False)
    assert (error.row, error.column) == (2, "c")
    assert "int64 not null is wanted" in str(error)


def test_a_column_without_nulls_fits_where_values_are_wanted():
    assert fitted(pa.array([1, 2]), pa.int64(), nullable=False).to_pylist() == [1, 2]


def test_a_null_struct_may_have_no_values_inside():
    kind = pa.struct([pa.field("a", pa.int64(), nullable=False)])
    assert fitted(pa.array([{"a": 1}, None]), kind).to_pylist() == [{"a": 1}, None]


def test_two_columns_of_one_name_are_matched_by_place():
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array(["x"])], ["a", "a"])
    schema = pa.schema([("a", pa.int8()), ("a", pa.large_string())])
    found = fit(pa.RecordBatchReader.from_batches(batch.schema, [batch]), schema).read_next_batch()
    assert [column.to_pylist() for column in found.columns] == [[1], ["x"]]


def test_two_columns_of_one_name_that_cannot_be_told_apart_are_refused():
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array(["x"])], ["a", "a"])
    with pytest.raises(FormatError, match="there are 2 columns 'a'"):
        fit(pa.RecordBatchReader.from_batches(batch.schema, [batch]), pa.schema([("a", pa.int64()), ("b", pa.string())]))


def test_rows_without_columns_keep_their_number():
    batch = pa.record_batch({"a": [1, 2]}).select([])
    reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    assert fit(reader, pa.schema([], metadata={"k": "v"})).read_next_batch().num_rows == 2


def test_a_slice_is_judged_by_its_own_rows():
    array = pa.array([[2**40], [1], None, [2**50]]).slice(1, 2)
    assert fitted(array, pa.list_(pa.int8())).to_pylist() == [[1], None]


def test_batches_are_converted_one_at_a_time():
    taken = []

    def batches():
        for number in range(3):
            taken.append(number)
            yield pa.record_batch({"c": [number]})

    reader = fit(pa.RecordBatchReader.from_batches(pa.schema([("c", pa.int64())]), batches()), pa.schema([("c", pa.int8())]))
    reader.read_next_batch()
    assert taken == [0]


def test_damaged_offsets_are_an_error_before_they_are_followed():
    offsets = pa.py_buffer(struct_.pack("<4i", 0, 2**30, -5, 1))
    batch = pa.record_batch([pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"x")])], ["c"])
    with pytest.raises(FormatError, match="not valid"):
        fit(pa.RecordBatchReader.from_batches(batch.schema, [batch]), pa.schema([("c", pa.large_string())])).read_all()
