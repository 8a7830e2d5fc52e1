import decimal

import pyarrow as pa
import pytest
from store_folder import held, numbers, opened, put

from flight_server.errors import SchemaMismatch
from flight_server.store.widening import widens

LOSSLESS = [
    (pa.int8(), pa.int64()),
    (pa.uint8(), pa.int16()),
    (pa.uint32(), pa.int64()),
    (pa.uint8(), pa.uint64()),
    (pa.int8(), pa.float16()),
    (pa.int16(), pa.float32()),
    (pa.uint32(), pa.float64()),
    (pa.int64(), pa.decimal128(22, 2)),
    (pa.float16(), pa.float32()),
    (pa.float32(), pa.float64()),
    (pa.decimal32(5, 2), pa.decimal128(20, 4)),
    (pa.string(), pa.large_string()),
    (pa.string(), pa.string_view()),
    (pa.string_view(), pa.large_string()),
    (pa.binary(), pa.large_binary()),
    (pa.binary(), pa.binary_view()),
    (pa.date32(), pa.date64()),
    (pa.date32(), pa.timestamp("ms")),
    (pa.time32("s"), pa.time64("ns")),
    (pa.dictionary(pa.int8(), pa.string()), pa.string()),
    (pa.dictionary(pa.int8(), pa.string()), pa.large_string()),
    (pa.string(), pa.dictionary(pa.int32(), pa.string())),
    (pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.string())),
    (pa.list_(pa.int8()), pa.list_(pa.int64())),
    (pa.list_(pa.int8()), pa.large_list(pa.float32())),
    (pa.list_(pa.int8(), 2), pa.list_(pa.int16(), 2)),
    (pa.struct([("a", pa.int8())]), pa.struct([("a", pa.int64())])),
    (pa.struct([pa.field("a", pa.int8(), nullable=False)]), pa.struct([("a", pa.int8())])),
    (pa.list_(pa.null()), pa.list_(pa.string())),
    (pa.null(), pa.dense_union([pa.field("a", pa.int8())])),
    (pa.null(), pa.run_end_encoded(pa.int32(), pa.string())),
    (pa.null(), pa.uuid()),
    (pa.null(), pa.dictionary(pa.int8(), pa.string())),
]
LOSSY = [
    (pa.int64(), pa.int32()),
    (pa.int8(), pa.uint64()),
    (pa.uint64(), pa.int64()),
    (pa.int32(), pa.float32()),
    (pa.int64(), pa.float64()),
    (pa.int64(), pa.decimal128(19, 1)),
    (pa.float64(), pa.float32()),
    (pa.float64(), pa.int64()),
    (pa.decimal128(10, 2), pa.decimal128(10, 4)),
    (pa.large_string(), pa.string()),
    (pa.string(), pa.binary()),
    (pa.date32(), pa.timestamp("ns")),
    (pa.date32(), pa.timestamp("s", "UTC")),
    (pa.timestamp("s"), pa.timestamp("ns")),
    (pa.timestamp("s", "UTC"), pa.timestamp("s")),
    (pa.time64("ns"), pa.time64("us")),
    (pa.bool_(), pa.int8()),
    (pa.string(), pa.int64()),
    (pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.string())),
    (pa.dictionary(pa.int8(), pa.string(), ordered=True), pa.dictionary(pa.int8(), pa.string())),
    (pa.list_(pa.int8()), pa.list_(pa.int8(), 2)),
    (pa.list_(pa.int8()), pa.list_(pa.field("item", pa.int8(), nullable=False))),
    (pa.struct([("a", pa.int8())]), pa.struct([("b", pa.int8())])),
    (pa.uuid(), pa.binary(16)),
]


@pytest.mark.parametrize(("has", "wanted"), LOSSLESS, ids=str)
def test_a_type_widens_without_loss_when_it_is_appended(tmp_path, has, wanted):
    array = _values(has)
    with opened(tmp_path) as store:
        put(store, "d", schema=pa.schema([("c", wanted)]))
        put(store, "d", pa.record_batch({"c": array}))
        with store.snapshot("d") as snapshot:
            found = snapshot.reader().read_all()
    found.validate(full=True)
    assert found.schema == pa.schema([("c", wanted)])
    if pa.types.is_date(has):  # far days are none of Python's
        assert found["c"].combine_chunks().cast(has) == array
    else:
        assert found["c"].to_pylist() == array.to_pylist()


@pytest.mark.parametrize(("has", "wanted"), LOSSY, ids=str)
def test_a_type_that_may_lose_something_is_refused(tmp_path, has, wanted):
    assert not widens(has, wanted)
    with opened(tmp_path) as store:
        put(store, "d", schema=pa.schema([("c", wanted)]))
        with pytest.raises(SchemaMismatch, match=r"column 'c' has type .*, and 'd' wants .*: use mode 'replace'"):
            put(store, "d", schema=pa.schema([("c", has)]))


def _extremes(kind):
    return [2 ** (kind.bit_width - pa.types.is_signed_integer(kind)) - 1, None, 0]


_VALUES = [
    (pa.types.is_null, lambda _: [None, None]),
    (pa.types.is_struct, lambda _: [{"a": 1}, {"a": 127}]),
    (pa.types.is_fixed_size_list, lambda _: [[1, -128], None, [3, 127]]),
    (pa.types.is_list, lambda kind: [[None], None, []] if pa.types.is_null(kind.value_type) else [[1, -128], None, [127]]),
    (pa.types.is_decimal, lambda _: [decimal.Decimal("-999.99"), None]),
    (pa.types.is_date, lambda _: [2**31 - 1, None, -(2**31)]),
    (pa.types.is_integer, _extremes),
    (pa.types.is_floating, lambda _: [0.5, None, -0.0]),
    (pa.types.is_time, lambda _: [86_399, None]),
    (pa.types.is_binary, lambda _: [b"a", None, b"\xff"]),
]


def _values(kind):
    for fits, values in _VALUES:
        if fits(kind):
            return pa.array(values(kind), kind)
    return pa.array(["b", None, ""]).cast(kind)  # text, also in dictionaries


def test_columns_are_matched_by_name_and_nullable_ones_may_be_left_out(tmp_path):
    schema = pa.schema([("a", pa.int64()), ("b", pa.string()), ("c", pa.list_view(pa.int8()))], metadata={"of": "first"})
    with opened(tmp_path) as store:
        put(store, "d", schema=schema)
        put(store, "d", pa.record_batch({"b": ["x"], "a": pa.array([1], pa.int8())}))
        with store.snapshot("d") as snapshot:
            assert snapshot.reader().schema.equals(schema, check_metadata=True)
            assert snapshot.reader().read_all().to_pylist() == [{"a": 1, "b": "x", "c": None}]


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (pa.record_batch({"m": ["x"]}), "column 'n' is missing"),
        (pa.record_batch({"n": [1], "extra": [1]}), "column 'extra' is new"),
        (pa.record_batch([pa.array([1]), pa.array([2])], names=["n", "n"]), "column 'n' is there more than once"),
    ],
)
def test_columns_that_do_not_match_are_named(tmp_path, batch, says):
    wanted = pa.schema([pa.field("n", pa.int64(), nullable=False), pa.field("m", pa.string())])
    with opened(tmp_path) as store:
        put(store, "d", schema=wanted)
        with pytest.raises(SchemaMismatch, match=says):
            put(store, "d", batch)


def test_a_nullable_column_fits_one_that_is_not_until_a_null_arrives(tmp_path):
    with opened(tmp_path) as store:
        put(store, "d", schema=pa.schema([pa.field("n", pa.int64(), nullable=False)]))
        put(store, "d", numbers(1, 2))
        with pytest.raises(SchemaMismatch, match="column 'n' has 1 nulls in a batch"):
            put(store, "d", numbers(3), numbers(None))
        assert held(store, "d") == [1, 2]


def test_more_values_than_the_dictionarys_index_can_tell_apart_are_refused(tmp_path):
    with opened(tmp_path) as store:
        put(store, "d", schema=pa.schema([("c", pa.dictionary(pa.int8(), pa.string()))]))
        with pytest.raises(SchemaMismatch, match="column 'c' has values that do not fit"):
            put(store, "d", pa.record_batch({"c": [str(n) for n in range(1000)]}))


def test_metadata_of_an_append_is_not_taken_over(tmp_path):
    first = pa.schema([pa.field("n", pa.int64(), metadata={"unit": "m"})], metadata={"of": "first"})
    second = pa.schema([pa.field("n", pa.int64(), metadata={"unit": "km"})], metadata={"of": "second"})
    with opened(tmp_path) as store:
        put(store, "d", numbers(1).cast(first), schema=first)
        put(store, "d", numbers(2).cast(second), schema=second)
        with store.snapshot("d") as snapshot:
            assert snapshot.reader().read_all().schema.equals(first, check_metadata=True)


def test_a_sliced_batch_is_widened_by_its_own_rows(tmp_path):
    with opened(tmp_path) as store:
        put(store, "d", numbers(1))
        put(store, "d", pa.record_batch({"n": pa.array(range(100), pa.int8())}).slice(10, 3))
        assert held(store, "d") == [1, 10, 11, 12]


def test_two_first_puts_at_once_may_differ_in_metadata_only(tmp_path):
    plain, marked = numbers(1).schema, numbers(1).schema.with_metadata({"of": "the other"})
    with opened(tmp_path) as store:
        with (
            store.stage("d", plain, mode="append", put_id=None) as one,
            store.stage("d", marked, mode="append", put_id=None) as two,
            store.stage("d", pa.schema([("n", pa.string())]), mode="append", put_id=None) as three,
        ):
            one.write(numbers(1))
            two.write(numbers(2).replace_schema_metadata({"of": "the other"}))
            one.commit({})
            two.commit({})
            with pytest.raises(SchemaMismatch, match="changed while this put was under way"):
                three.commit({})
        assert held(store, "d") == [1, 2]
        with store.snapshot("d") as snapshot:
            assert all(batch.schema.metadata is None for batch in snapshot.batches())
