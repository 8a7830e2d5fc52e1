"""Parquet files are read in bounded batches and written a row group at a time."""

import io
import random
import struct

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from arrow_samples import samples
from ipc_cases import LARGE, NUMBERS, dictionaries
from trips import Memory, Watched, codec, cut, read, same, written

from format_plugins.builtin import parquet
from format_plugins.contract import FormatError, FormatPlugin, UnsupportedError
from format_plugins.options import OptionError
from format_plugins.pieces import MIN_PIECE_BYTES
from format_plugins.slicing import TARGET_BYTES, data_bytes
from format_plugins.streams import ByteStream, SpoolLimitError

#: Types that come back as others: what Parquet has instead of them.
BECOMES = {
    "date64": pa.date32(),
    "timestamp_s": pa.timestamp("ms", "Europe/Berlin"),
    "time32[s]": pa.time32("ms"),
}
REFUSED = {"interval", "sparse_union", "dense_union", "run_end_encoded"}
TYPES = sorted(samples().keys() - REFUSED)


def file(table, **options):
    """What Arrow itself writes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def footer(document):
    return pq.read_metadata(io.BytesIO(document))


def test_it_is_a_plugin():
    plugin = parquet.create_plugin()
    assert isinstance(plugin, FormatPlugin)
    assert (plugin.metadata().name, plugin.metadata().extensions) == ("parquet", (".parquet", ".pq"))


@pytest.mark.parametrize("dictionary", ["auto", True, False], ids=["auto", "all", "none"])
@pytest.mark.parametrize("name", TYPES)
def test_every_type_comes_back_as_it_was_or_as_is_declared(name, dictionary):
    array = samples()[name]
    found = read(parquet, written(parquet, pa.table({"c": array}), dictionary=dictionary)).column("c").combine_chunks()
    assert same(found, array.cast(BECOMES[name]) if name in BECOMES else array)


@pytest.mark.parametrize("name", TYPES)
def test_a_column_of_no_rows_keeps_its_type(name):
    schema = pa.schema([pa.field("c", samples()[name].type, metadata={"k": "v"})], metadata={"a": "b"})
    document = b"".join(codec(parquet, {}).write_batches(pa.RecordBatchReader.from_batches(schema, [])))
    found = read(parquet, document)
    assert found.schema.field("c").type == BECOMES.get(name, schema.field("c").type)
    assert (found.num_rows, found.schema.metadata) == (0, {b"a": b"b"})


def test_a_struct_without_fields_is_refused_with_its_column():
    with pytest.raises(UnsupportedError, match="'odd' of type struct<>"):
        written(parquet, pa.table({"odd": pa.array([{}, {}], pa.struct([]))}))


def test_a_dictionary_of_numbers_comes_back_as_numbers():
    array = pa.array([5, None, 5, 6]).dictionary_encode()
    found = read(parquet, written(parquet, pa.table({"c": array})))
    assert found.column("c").type == pa.int64()
    assert found.column("c").to_pylist() == [5, None, 5, 6]


def test_times_that_an_older_version_would_cut_are_refused_with_their_column():
    table = pa.table({"fine": [1], "at": pa.array([1], pa.timestamp("ns"))})
    with pytest.raises(UnsupportedError, match="would lose data") as caught:
        written(parquet, table, version="2.4")
    assert caught.value.column == "at"


def test_rows_without_columns_are_refused():
    with pytest.raises(UnsupportedError, match="rows without columns"):
        written(parquet, [pa.record_batch({"a": [1]}).select([])])


def test_a_table_without_columns_and_rows_is_a_file():
    document = b"".join(codec(parquet, {}).write_batches(pa.RecordBatchReader.from_batches(pa.schema([]), [])))
    assert read(parquet, document).schema == pa.schema([])


def test_names_of_any_kind_come_back():
    table = pa.table({"a.b": [1], "a": [{"b": 2}], "": [3], "ä ö": [4], "x" * 300: [5]})
    assert read(parquet, written(parquet, table)) == table
    assert read(parquet, written(parquet, table), columns=["a.b"]).to_pydict() == {"a.b": [1]}


@pytest.mark.parametrize(
    "document", [b"", b"PAR", b"PAR1", b"PAR1PAR1", b"\0" * 64, b"a,b\n1,2\n", b"PAR1" + b"\xff" * 99 + b"PAR1"]
)
def test_what_is_no_parquet_file_is_an_error(document):
    with pytest.raises(FormatError):
        read(parquet, document)


def test_what_is_no_parquet_file_is_refused_before_it_is_spooled():
    source = Watched(cut(bytes(1 << 20), 1000))
    with pytest.raises(FormatError, match="does not begin as a Parquet file"):
        codec(parquet, {}).read_batches_from_stream(None, ByteStream(source))
    assert source.taken == 1000


def test_the_limit_of_the_spool_is_said_as_such():
    with pytest.raises(SpoolLimitError):
        codec(parquet, {}).read_batches_from_stream(None, ByteStream([written(parquet, NUMBERS)], spool_limit_bytes=100))


def test_no_flipped_bit_in_a_page_changes_what_comes_out():
    chance, table = random.Random(7), NUMBERS.slice(0, 200)
    document = written(parquet, table)
    pages = len(document) - 8 - struct.unpack("<i", document[-8:-4])[0]
    for _ in range(300):
        damaged = bytearray(document)
        damaged[chance.randrange(4, pages)] ^= 1 << chance.randrange(8)
        try:
            found = read(parquet, bytes(damaged))
        except FormatError:
            continue
        assert found == table


def test_damaged_bytes_anywhere_give_an_error_or_a_valid_table():
    chance = random.Random(7)
    document = written(parquet, pa.table({name: samples()[name] for name in TYPES}))
    for _ in range(150):
        damaged = bytearray(document)
        damaged[-chance.randrange(1, 6000)] = chance.randrange(256)
        try:
            read(parquet, bytes(damaged))
        except FormatError:
            continue


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_every_compression_comes_back(compression):
    document = written(parquet, NUMBERS, compression=compression)
    assert read(parquet, document) == NUMBERS
    said = footer(document).row_group(0).column(0).compression.lower()
    assert said == {"none": "uncompressed"}.get(compression, compression)


def test_a_level_reaches_the_codec():
    words = random.Random(7).choices(["one", "two", "three", "four", "five"], k=50_000)
    table = pa.table({"t": [" ".join(words[i : i + 5]) for i in range(50_000)]})
    documents = [written(parquet, table, dictionary=False, compression_level=level) for level in (1, 15)]
    assert len(documents[1]) < len(documents[0]) * 0.9


@pytest.mark.parametrize("compression", ["zstd", "gzip", "lz4", "brotli"])
def test_a_level_that_the_codec_does_not_have_is_refused(compression):
    with pytest.raises(OptionError, match=r"has levels from .* not 100"):
        codec(parquet, {"compression": compression, "compression_level": 100})


@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_a_codec_without_levels_takes_none(compression):
    with pytest.raises(OptionError, match="has no levels"):
        codec(parquet, {"compression": compression, "compression_level": 1})


@pytest.mark.parametrize("options", [{"compression": "zip"}, {"row_group_rows": 0}, {"version": "3"}, {"dictionary": "some"}])
def test_a_wrong_option_is_refused(options):
    with pytest.raises(OptionError):
        codec(parquet, options)


def encoded_by_dictionary(document):
    group = footer(document).row_group(0)
    columns = [group.column(index) for index in range(group.num_columns)]
    return {column.path_in_schema for column in columns if "RLE_DICTIONARY" in column.encodings}


MIXED = pa.table(
    {
        "id": pa.array(range(2000)),
        "city": pa.array([f"city {i % 20}" for i in range(2000)]),
        "flag": pa.array([i % 2 == 0 for i in range(2000)]),
        "tags": pa.array([[f"tag {i % 3}"] for i in range(2000)]),
        "ids": pa.array([[i] for i in range(2000)]),
        "place": pa.array([{"street": f"street {i}", "country": f"country {i % 5}"} for i in range(2000)]),
        "counts": pa.array([[("a", i), ("b", i + 2000)] for i in range(2000)], pa.map_(pa.string(), pa.int64())),
        "word": pa.array([f"word {i % 2}" for i in range(2000)]).dictionary_encode(),
    }
)


def test_columns_whose_values_repeat_get_a_dictionary():
    found = encoded_by_dictionary(written(parquet, MIXED))
    assert found == {"city", "tags.list.element", "place.country", "counts.key_value.key", "word"}


def test_columns_that_are_named_get_a_dictionary():
    assert encoded_by_dictionary(written(parquet, MIXED, dictionary=["id", "ids"])) == {"id", "ids.list.element", "word"}


def test_no_column_but_a_dictionary_gets_one_when_none_is_wanted():
    assert encoded_by_dictionary(written(parquet, MIXED, dictionary=False)) == {"word"}


def test_a_footer_that_counts_fewer_rows_than_there_are_is_an_error():
    document = file(pa.table({"n": pa.array(range(200))}), store_schema=False, write_statistics=False)
    place = document.rindex(b"\x90\x03")  # 200 as Thrift writes it; the row group's count is the last one
    with pytest.raises(FormatError, match="200 rows, and its row groups have 192"):
        read(parquet, document[:place] + b"\x80\x03" + document[place + 2 :])


def test_a_column_that_is_not_there_cannot_have_a_dictionary():
    with pytest.raises(UnsupportedError, match="no column 'citi' to have a dictionary; did you mean 'city'"):
        written(parquet, MIXED, dictionary=["citi"])


def test_dictionaries_may_change_between_batches():
    batches = dictionaries(["a", "b"], ["z", "b", None], ["q"])
    assert read(parquet, written(parquet, batches)).column("d").to_pylist() == ["a", "b", "z", "b", None, "q"]


def row_groups(document):
    meta = footer(document)
    return [meta.row_group(index).num_rows for index in range(meta.num_row_groups)]


def test_small_batches_share_a_row_group():
    assert row_groups(written(parquet, NUMBERS.to_batches(max_chunksize=10))) == [1000]


def test_a_row_group_has_no_more_rows_than_asked_for():
    assert row_groups(written(parquet, NUMBERS.to_batches(max_chunksize=90), row_group_rows=300)) == [270, 270, 270, 190]
    assert max(row_groups(written(parquet, NUMBERS, row_group_rows=300))) <= 300


def test_a_row_group_has_no_more_bytes_than_asked_for():
    groups = row_groups(written(parquet, LARGE.to_batches(max_chunksize=10_000), row_group_bytes=1 << 20))
    assert max(groups) <= (1 << 20) // 8
    assert min(groups[:-1]) >= (1 << 20) // 8 - 10_000


def test_a_dictionary_that_batches_share_is_counted_once():
    whole = pa.table({"d": pa.array([f"{i % 5000:040}" for i in range(50_000)]).dictionary_encode()})
    assert row_groups(written(parquet, whole.to_batches(max_chunksize=1000), row_group_bytes=1 << 20)) == [50_000]


def test_statistics_can_be_left_out():
    assert footer(written(parquet, NUMBERS)).row_group(0).column(0).statistics.max == 999
    assert footer(written(parquet, NUMBERS, statistics=False)).row_group(0).column(0).statistics is None


def test_columns_are_chosen_in_the_order_asked_for():
    document = written(parquet, MIXED)
    assert read(parquet, document, columns=["place", "id"]) == MIXED.select(["place", "id"])


def test_a_column_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(FormatError, match="no column 'citi'; did you mean 'city'") as caught:
        read(parquet, written(parquet, MIXED), columns=["citi"])
    assert caught.value.option == "columns"


def test_a_batch_has_no_more_rows_than_asked_for():
    reader = codec(parquet, {"batch_rows": 300}).read_batches_from_stream(None, ByteStream([written(parquet, NUMBERS)]))
    assert max(batch.num_rows for batch in reader) <= 300


def test_batches_do_not_end_where_short_row_groups_do():
    document = written(parquet, NUMBERS, row_group_rows=10)
    reader = codec(parquet, {}).read_batches_from_stream(None, ByteStream([document]))
    assert [batch.num_rows for batch in reader] == [1000]


def test_the_wanted_schema_is_what_comes():
    schema = pa.schema([("t", pa.large_string()), ("n", pa.int32()), ("more", pa.float64())])
    assert read(parquet, written(parquet, NUMBERS), schema=schema).schema == schema


def test_a_wanted_schema_that_does_not_fit_is_an_error():
    with pytest.raises(FormatError, match="has int64 where int8 is wanted") as caught:
        read(parquet, written(parquet, NUMBERS), schema=pa.schema([("n", pa.int8()), ("t", pa.string())]))
    assert (caught.value.row, caught.value.column) == (129, "n")


@pytest.mark.parametrize("wrap", [lambda text: text, lambda text: [text]], ids=["text", "lists"])
def test_long_text_that_repeats_is_read_in_little_memory(wrap):
    document = file(pa.table({"t": [wrap("x" * 20_000 + str(i % 3)) for i in range(20_000)]}), row_group_size=20_000)
    assert len(document) < 1 << 20
    with Memory() as memory:
        batches = codec(parquet, {}).read_batches_from_stream(None, ByteStream([document]))
        sizes = [data_bytes(batch) for batch in batches]
    assert sum(sizes) > 400_000_000
    assert max(sizes) <= TARGET_BYTES * 1.2
    assert memory.grown < 100 << 20


def test_rows_that_are_too_large_are_refused_before_they_are_decoded():
    document = file(pa.table({"t": ["x" * 5_000_000] * 2}), use_dictionary=False)
    with pytest.raises(FormatError, match="rows of 5,000,") as caught:
        read(parquet, document, max_row_bytes=1 << 20)
    assert caught.value.option == "max_row_bytes"


def test_memory_does_not_follow_the_size_of_what_is_read(tmp_path):
    document = tmp_path / "large.parquet"
    with document.open("wb") as sink:
        noise = random.Random(7)
        batches = (pa.record_batch({"n": pa.array([noise.random() for _ in range(100_000)])}) for _ in range(80))
        reader = pa.RecordBatchReader.from_batches(pa.schema([("n", pa.float64())]), batches)
        for piece in codec(parquet, {"compression": "none", "row_group_bytes": 4 << 20}).write_batches(reader):
            sink.write(piece)
    with document.open("rb") as source, Memory() as memory:
        chunks = iter(lambda: source.read(1 << 20), b"")
        batches = codec(parquet, {}).read_batches_from_stream(None, ByteStream(chunks, spool_dir=tmp_path))
        assert sum(batch.num_rows for batch in batches) == 8_000_000
    assert document.stat().st_size > 60 << 20
    assert memory.grown < 56 << 20  # 32 MiB of it before the spool goes to disk


def test_memory_does_not_follow_the_size_of_what_is_written():
    batch = pa.record_batch({"n": pa.array(range(200_000))})
    reader = pa.RecordBatchReader.from_batches(batch.schema, (batch for _ in range(200)))
    with Memory() as memory:
        size = sum(
            len(piece) for piece in codec(parquet, {"row_group_bytes": 8 << 20, "dictionary": False}).write_batches(reader)
        )
    assert size > 1 << 20
    assert memory.grown < 48 << 20


def test_writing_is_lazy():
    taken = []

    def batches():
        for number in range(20):
            taken.append(number)
            yield pa.record_batch({"n": pa.array([random.Random(number).random()] * 100_000)})

    reader = pa.RecordBatchReader.from_batches(pa.schema([("n", pa.float64())]), batches())
    options = {"row_group_rows": 100_000, "compression": "none", "dictionary": False}
    pieces = codec(parquet, options).write_batches(reader)
    assert taken == []
    next(pieces)
    assert len(taken) <= 3


def test_pieces_are_large():
    sizes = [len(piece) for piece in codec(parquet, {"row_group_bytes": 1 << 20}).write_batches(LARGE.to_reader(10_000))]
    assert len(sizes) > 2
    assert min(sizes[:-1]) >= MIN_PIECE_BYTES


def test_an_encrypted_file_is_refused_by_its_name():
    with pytest.raises(UnsupportedError, match="encrypted"):
        read(parquet, b"PARE" + bytes(100) + b"PARE")


def test_text_that_is_no_utf8_is_an_error():
    document = file(pa.table({"t": ["ab"]}), compression="none", use_dictionary=False, write_statistics=False)
    with pytest.raises(FormatError, match=r"not valid.*UTF8"):
        read(parquet, document.replace(b"\x02\0\0\0ab", b"\x02\0\0\0\xff\xfe"))


def test_decimals_of_a_negative_scale_are_refused_by_their_column():
    rows = pa.table({"d": pa.array([None], pa.decimal128(5, -2))})
    with pytest.raises(UnsupportedError, match="'d'"):
        b"".join(codec(parquet, {}).write_batches(rows.to_reader()))
