import pyarrow as pa
import pytest
from arrow_samples import samples
from store_folder import files, numbers, opened, put

from format_plugins.slicing import TARGET_BYTES

SAMPLES = samples()
MIB = 1 << 20


def batches_of(store, dataset):
    with store.snapshot(dataset) as snapshot:
        return snapshot.schema, list(snapshot.batches())


def assert_same(found, wanted):
    """The same bytes, and the same schema with its metadata."""
    assert found.schema.equals(wanted.schema, check_metadata=True)
    found.validate(full=True)
    assert found.serialize().to_pybytes() == wanted.serialize().to_pybytes()


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("inline_limit_bytes", [0, 1 << 20], ids=["file", "inline"])
def test_every_type_comes_back_as_it_was(tmp_path, name, inline_limit_bytes):
    field = pa.field(name, SAMPLES[name].type, metadata={b"\xff": b"\0"})
    batch = pa.record_batch([SAMPLES[name]], schema=pa.schema([field], metadata={"of": "the table"}))
    with opened(tmp_path, inline_limit_bytes=inline_limit_bytes) as store:
        put(store, "d", batch)
    with opened(tmp_path) as store:
        schema, (found,) = batches_of(store, "d")
    assert schema.equals(batch.schema, check_metadata=True)
    assert_same(found, batch)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "null"])  # nulls have no bytes to cut
def test_every_type_is_cut_to_messages_and_comes_back(tmp_path, name):
    array = SAMPLES[name]
    if name == "run_end_encoded":
        array = pa.RunEndEncodedArray.from_arrays(pa.array(range(1, 200_001), pa.int32()), pa.array(["a", None] * 100_000))
    elif not name.endswith("union"):
        array = pa.concat_arrays([array] * 60_000)
    batch = pa.record_batch({"c": array, "n": pa.array(range(len(array)))})
    with opened(tmp_path) as store:
        put(store, "d", batch.slice(3))
        _, found = batches_of(store, "d")
    position = 3
    for piece in found:
        part = batch.slice(position, piece.num_rows)
        assert piece.column(1) == part.column(1)
        assert piece.column(0) == part.column(0) or str(piece.column(0)) == str(part.column(0))  # NaN equals nothing
        position += piece.num_rows
    assert position == len(array)
    assert all(pa.ipc.get_record_batch_size(piece) < 2 * TARGET_BYTES for piece in found)


def test_values_of_very_different_size_are_cut_apart(tmp_path):
    batch = pa.record_batch({"s": pa.array(["x"] * 50_000 + ["y" * (5 * MIB)] + ["z"] * 50_000)})
    with opened(tmp_path) as store:
        put(store, "d", batch)
        _, found = batches_of(store, "d")
    sizes = sorted(pa.ipc.get_record_batch_size(piece) for piece in found)
    assert pa.Table.from_batches(found).combine_chunks() == pa.Table.from_batches([batch])
    assert sizes[-1] >= 5 * MIB
    assert sizes[-2] <= 1.25 * TARGET_BYTES


@pytest.mark.parametrize(
    "kind", [pa.string_view(), pa.list_(pa.string_view()), pa.list_view(pa.int64()), pa.struct([("v", pa.binary_view())])]
)
def test_slices_of_views_do_not_carry_the_data_of_the_whole(tmp_path, kind):
    value = {"s": "x" * 50, "l": ["x" * 50], "v": [1] * 10, "t": {"v": b"x" * 50}}
    key = "t" if pa.types.is_struct(kind) else "v" if pa.types.is_list_view(kind) else "l" if pa.types.is_list(kind) else "s"
    batch = pa.record_batch({"c": pa.array([value[key]] * 200_000, kind)})
    with opened(tmp_path) as store:
        receipt = put(store, "d", batch)
        _, found = batches_of(store, "d")
    assert pa.Table.from_batches(found).num_rows == 200_000
    assert found[-1].schema == batch.schema
    assert receipt.bytes < 1.2 * pa.ipc.get_record_batch_size(batch)


def test_small_batches_are_gathered_and_large_ones_kept(tmp_path):
    with opened(tmp_path) as store:
        put(store, "d", *(numbers(n) for n in range(1000)))
        _, found = batches_of(store, "d")
    assert [batch.num_rows for batch in found] == [1000]


def test_dictionaries_that_change_on_the_way_come_back_as_they_were(tmp_path):
    def batch(*words):
        return pa.record_batch({"d": pa.array(words).dictionary_encode()})

    put_in = [batch("a", "b"), batch("b", "c", "c"), batch("b", "c"), batch("a", "b")]
    with opened(tmp_path) as store:
        put(store, "d", *put_in)
        put(store, "d", batch("z"))
        with store.snapshot("d") as snapshot:
            found = [*snapshot.batches()]
            natively = snapshot.reader().read_all()
    assert [value for piece in found for value in piece.column(0).to_pylist()] == [
        "a",
        "b",
        "b",
        "c",
        "c",
        "b",
        "c",
        "a",
        "b",
        "z",
    ]
    assert natively.column(0).to_pylist() == [value for piece in found for value in piece.column(0).to_pylist()]
    assert found[0].column(0).dictionary.to_pylist() == ["a", "b"]


def test_small_batches_with_the_same_dictionary_are_gathered(tmp_path):
    words = pa.array(["a", "b"])
    batch = pa.record_batch({"d": pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), words)})
    with opened(tmp_path) as store:
        put(store, "d", *[batch] * 50)
        _, found = batches_of(store, "d")
    assert [piece.num_rows for piece in found] == [100]


def test_columns_of_the_same_name_are_kept_apart(tmp_path):
    batch = pa.record_batch([pa.array([1]), pa.array(["x"])], names=["a", "a"])
    with opened(tmp_path) as store:
        put(store, "d", batch)
        put(store, "d", batch)
        _, found = batches_of(store, "d")
    assert found == [batch, batch]


@pytest.mark.parametrize("puts", [1, 3])
def test_rows_without_columns_are_counted(tmp_path, puts):
    batch = pa.RecordBatch.from_struct_array(pa.array([{}] * 5, pa.struct([])))
    with opened(tmp_path) as store:
        for _ in range(puts):
            put(store, "d", batch)
        with store.snapshot("d") as snapshot:
            assert snapshot.rows == 5 * puts
            assert sum(piece.num_rows for piece in snapshot.reader()) == 5 * puts
            assert sum(piece.num_rows for piece in snapshot.batches(offset=2)) == 5 * puts - 2


def test_a_put_without_rows_has_a_schema_and_no_bytes(tmp_path):
    schema = pa.schema([("a", pa.dictionary(pa.int8(), pa.string()))], metadata={"k": "v"})
    with opened(tmp_path) as store:
        receipt = put(store, "d", schema=schema)
        with store.snapshot("d") as snapshot:
            assert snapshot.native()
            assert snapshot.reader().read_all().num_rows == 0
            assert snapshot.reader().schema.equals(schema, check_metadata=True)
        assert (receipt.version, receipt.rows, receipt.bytes) == (1, 0, 0)
    assert files(tmp_path) == []


def test_small_segments_live_in_the_catalogue_and_large_ones_in_files(tmp_path):
    with opened(tmp_path, inline_limit_bytes=4096) as store:
        put(store, "small", numbers(*range(10)))
        assert files(tmp_path) == []
        put(store, "large", numbers(*range(10_000)))
        assert len(files(tmp_path)) == 1


def test_a_name_never_becomes_a_path(tmp_path):
    with opened(tmp_path, inline_limit_bytes=0) as store:
        put(store, "../../evil/..", numbers(1))
        assert store.list()[0].dataset == "../../evil/.."
    (file,) = files(tmp_path)
    assert "evil" not in str(file)
    assert not (tmp_path.parent / "evil").exists()


def test_a_hostile_depth_of_nesting_is_refused_and_leaves_nothing(tmp_path):
    kind = pa.int8()
    for _ in range(100):
        kind = pa.list_(kind)
    with opened(tmp_path, inline_limit_bytes=0) as store:
        with pytest.raises(Exception, match="cannot be stored"):
            put(store, "deep", pa.record_batch({"c": pa.nulls(1, kind)}))
        assert store.list() == []
    assert files(tmp_path) == []
