"""What the two Arrow IPC formats must both do."""

import random
import resource
import struct

import pyarrow as pa
import pytest
from arrow_samples import samples
from trips import Memory, codec, read, same, written

from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.options import OptionError
from format_plugins.pieces import MIN_PIECE_BYTES
from format_plugins.slicing import TARGET_BYTES, data_bytes
from format_plugins.streams import ByteStream

NUMBERS = pa.table({"n": pa.array(range(1000)), "t": pa.array([None if i % 7 == 0 else f"row {i}" for i in range(1000)])})
LARGE = pa.table({"n": pa.array(range(2_000_000))})
COMPRESSIONS = ("none", "lz4", "zstd")


def dictionaries(*values):
    """Record batches whose dictionaries are those values."""
    return [pa.record_batch({"d": pa.array(each, pa.string()).dictionary_encode()}) for each in values]


def lists_of(batches):
    """The same dictionaries below a list."""
    return [
        pa.record_batch({"d": pa.ListArray.from_arrays(pa.array(range(len(batch) + 1), pa.int32()), batch.column(0))})
        for batch in batches
    ]


def empty_union():
    """A record batch that is valid, and ends the process when it is asked for ``nbytes``."""
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]).slice(0, 0)
    return pa.record_batch({"u": pa.ListArray.from_arrays(pa.array([0, 0, 0], pa.int32()), union)})


class IpcCases:
    """Subclassed by a format's test class, which names its ``module``."""

    module = None

    def write(self, batches, **options):
        return written(self.module, batches, **options)

    def read(self, document, **options):
        return read(self.module, document, **options)

    def trip(self, batches, **options):
        return self.read(self.write(batches, **options))

    @pytest.mark.parametrize("compression", COMPRESSIONS)
    @pytest.mark.parametrize("name", samples())
    def test_every_type_comes_back_as_it_was(self, name, compression):
        array = samples()[name]
        found = self.trip(pa.table({"c": array}), compression=compression)
        assert same(found.column("c").combine_chunks(), array)

    @pytest.mark.parametrize("name", samples())
    def test_a_column_of_no_rows_keeps_its_type(self, name):
        schema = pa.schema([pa.field("c", samples()[name].type, metadata={"k": "v"})], metadata={"a": "b"})
        reader = pa.RecordBatchReader.from_batches(schema, [])
        document = b"".join(codec(self.module, {}).write_batches(reader))
        assert self.read(document).schema.equals(schema, check_metadata=True)

    def test_a_table_without_columns_keeps_its_rows(self):
        batch = pa.record_batch({"a": [1, 2]}).select([])
        assert self.trip([batch]).num_rows == 2

    def test_an_empty_union_does_not_end_the_process(self):
        assert self.trip([empty_union()]).column("u").to_pylist() == [[], []]

    @pytest.mark.parametrize("compression", COMPRESSIONS)
    def test_a_document_cut_short_anywhere_is_an_error(self, compression):
        batch = pa.record_batch({"n": [1, 2], "d": pa.array(["a", "b"]).dictionary_encode()})
        document = self.write([batch, batch], compression=compression)
        for end in range(len(document)):
            with pytest.raises(FormatError):
                self.read(document[:end])

    @pytest.mark.parametrize("compression", COMPRESSIONS)
    def test_damaged_bytes_give_an_error_or_a_valid_table(self, compression):
        chance = random.Random(7)
        batch = pa.record_batch({name: array for name, array in samples().items() if "interval" not in name})
        document = self.write([batch, batch], compression=compression)
        for _ in range(300):
            damaged = bytearray(document)
            for _ in range(chance.choice((1, 1, 3))):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            try:
                self.read(bytes(damaged))
            except FormatError:
                continue

    @pytest.mark.parametrize(
        "values",
        [
            (["a", "b"], ["a", "b", "c"], ["a", "b"]),
            (["a", "b"], ["z", "b", None], ["q"], ["a", None]),
            (["a"], [None, None], ["b"]),
        ],
        ids=["growing", "replaced", "emptied"],
    )
    def test_dictionaries_may_change_between_batches(self, values):
        found = self.trip(dictionaries(*values))
        assert found.column("d").to_pylist() == [value for each in values for value in each]

    def test_batches_stay_right_while_later_ones_are_read(self):
        document = self.write(dictionaries(["a", "b"], ["z", "b"], ["q"]))
        batches = list(codec(self.module, {}).read_batches_from_stream(None, ByteStream([document])))
        assert [batch.column(0).to_pylist() for batch in batches] == [["a", "b"], ["z", "b"], ["q"]]

    def test_a_dictionary_in_a_dictionary_is_refused_with_its_column(self):
        inner = pa.array(["x", "y"]).dictionary_encode()
        batch = pa.record_batch({"fine": [1, 2], "odd": pa.DictionaryArray.from_arrays(pa.array([0, 1]), inner)})
        with pytest.raises(UnsupportedError, match="'odd' has dictionary<"):
            self.write([batch])

    def test_columns_are_chosen_in_the_order_asked_for(self):
        found = self.read(self.write(NUMBERS), columns=["t"])
        assert found == NUMBERS.select(["t"])

    def test_a_column_that_is_not_there_is_refused_with_the_nearest(self):
        with pytest.raises(FormatError, match="no column 'tt'; did you mean 't'") as caught:
            self.read(self.write(NUMBERS.rename_columns(["number", "t"])), columns=["tt"])
        assert (caught.value.column, caught.value.option) == ("tt", "columns")

    def test_a_batch_has_no_more_rows_than_asked_for(self):
        reader = codec(self.module, {"batch_rows": 300}).read_batches_from_stream(None, ByteStream([self.write(NUMBERS)]))
        assert max(batch.num_rows for batch in reader) <= 300

    @pytest.mark.parametrize("kind", [pa.int64(), pa.string(), pa.string_view(), pa.binary_view()])
    def test_a_large_batch_comes_in_slices_of_about_2_mib(self, kind):
        batch = pa.record_batch({"c": pa.array([f"{number:020}" for number in range(500_000)]).cast(kind)})
        reader = codec(self.module, {"batch_rows": 10**9}).read_batches_from_stream(None, ByteStream([self.write([batch])]))
        batches = list(reader)
        assert max(map(data_bytes, batches)) <= TARGET_BYTES * 1.2
        assert pa.Table.from_batches(batches) == pa.Table.from_batches([batch])

    def test_views_that_repeat_a_long_text_too_often_are_refused(self):
        text = pa.py_buffer(b"x" * (1 << 20))
        views = struct.pack("<i4sii", 1 << 20, b"xxxx", 0, 0) * 1000
        array = pa.Array.from_buffers(pa.string_view(), 1000, [None, pa.py_buffer(views), text])
        with pytest.raises(FormatError, match="'v' repeats text up to 1,048,576,000 bytes"):
            self.trip([pa.record_batch({"v": array})])

    def test_the_wanted_schema_is_what_comes(self):
        schema = pa.schema([("t", pa.large_string()), ("n", pa.int32()), ("more", pa.float64())])
        found = self.read(self.write(NUMBERS), schema=schema)
        assert found.schema == schema
        assert found.column("n").to_pylist() == NUMBERS.column("n").to_pylist()

    def test_a_wanted_schema_that_does_not_fit_is_an_error(self):
        with pytest.raises(FormatError, match="has int64 where int8 is wanted") as caught:
            self.read(self.write(NUMBERS), schema=pa.schema([("n", pa.int8()), ("t", pa.string())]))
        assert (caught.value.row, caught.value.column) == (129, "n")

    @pytest.mark.parametrize("compression", ["lz4", "zstd"])
    def test_a_bomb_in_a_message_is_refused_before_it_is_decompressed(self, compression):
        document = self.write(pa.table({"z": pa.array([0] * (6 << 20), pa.int64())}), compression=compression)
        with Memory() as memory, pytest.raises(FormatError, match="bytes, where 1,048,576 are allowed") as caught:
            self.read(document, max_message_bytes=1 << 20)
        assert caught.value.option == "max_message_bytes"
        assert memory.grown < 16 << 20

    def test_a_large_message_is_refused_before_it_is_read(self):
        with pytest.raises(FormatError, match="Arrow message of 16,"):
            self.read(self.write(LARGE), max_message_bytes=1 << 20)

    @pytest.mark.parametrize(
        "options", [{"batch_rows": 0}, {"max_message_bytes": 1}, {"compression": "gzip"}, {"column": ["a"]}]
    )
    def test_a_wrong_option_is_refused(self, options):
        with pytest.raises(OptionError):
            codec(self.module, options)

    def test_writing_is_lazy(self):
        taken = []

        def batches():
            for number in range(5):
                taken.append(number)
                yield pa.record_batch({"n": pa.array(range(100_000))})

        schema = pa.schema([("n", pa.int64())])
        pieces = codec(self.module, {}).write_batches(pa.RecordBatchReader.from_batches(schema, batches()))
        assert taken == []
        next(pieces)
        assert len(taken) == 1

    def test_pieces_are_large(self):
        batches = [pa.record_batch({"n": pa.array(range(100)), "m": pa.array(range(100))}) for _ in range(2000)]
        reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
        sizes = [len(piece) for piece in codec(self.module, {}).write_batches(reader)]
        assert len(sizes) > 3
        assert min(sizes[:-1]) >= MIN_PIECE_BYTES

    def test_hundreds_of_documents_leave_no_descriptor_and_little_memory(self):
        document = self.write(NUMBERS)
        for _ in range(20):
            self.read(document)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(300):
            self.read(document)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
