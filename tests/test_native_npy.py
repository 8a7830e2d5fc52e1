"""The example in C, built by its own Makefile: NumPy's files are read and written, held against NumPy's own."""

import array
import ast
import contextlib
import math
import re
import struct
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_plugins import COMPILER, NATIVE, Loaded, assert_conforms, declared, needs_compiler, run, table
from trips import cut

from flight_server.config import LimitsConfig
from flight_server.plugins import signatures
from flight_server.transcode import Decoded, encoded
from format_plugins.contract import FormatError, UnsupportedError

pytestmark = needs_compiler

#: Written by NumPy 2.4: see make.py there.
GOLDEN = Path(__file__).parent / "data" / "npy"
EXAMPLE = NATIVE / "examples" / "c"
#: Arrow's type, NumPy's name of it, and Python's letter for ``array`` and ``struct``.
TYPES = [
    (pa.int8(), "|i1", "b"),
    (pa.int16(), "<i2", "h"),
    (pa.int32(), "<i4", "i"),
    (pa.int64(), "<i8", "q"),
    (pa.uint8(), "|u1", "B"),
    (pa.uint16(), "<u2", "H"),
    (pa.uint32(), "<u4", "I"),
    (pa.uint64(), "<u8", "Q"),
    (pa.float16(), "<f2", "e"),
    (pa.float32(), "<f4", "f"),
    (pa.float64(), "<f8", "d"),
    (pa.bool_(), "|b1", "?"),
]


@pytest.fixture(scope="module")
def npy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("npy")
    run(["make", "-C", EXAMPLE, f"BUILD={folder}", "CFLAGS=-O2 -Werror"])
    return Loaded((folder / "libnpy.so").read_bytes(), folder)


def golden(npy, name, **options):
    return table(npy.reader([(GOLDEN / f"{name}.npy").read_bytes()], **options))


def independently(document):
    """The columns of an .npy file, by name, as Python's own modules read them."""
    assert document[:6] == b"\x93NUMPY"
    form, start = ("<H", 10) if document[6] == 1 else ("<I", 12)
    end = start + struct.unpack_from(form, document, 8)[0]
    assert end % 64 == 0
    head = ast.literal_eval(document[start:end].decode("utf-8" if document[6] == 3 else "latin-1"))
    assert head["fortran_order"] is False
    letters = {name: letter for _, name, letter in TYPES}
    fields, shape = head["descr"], head["shape"]
    if isinstance(fields, str):
        fields = [(str(index), fields) for index in range(math.prod(shape[1:]))]
    rows = list(struct.iter_unpack("<" + "".join(letters[kind] for _, kind in fields), document[end:]))
    assert len(rows) == shape[0]
    return {name: [row[index] for row in rows] for index, (name, _) in enumerate(fields)}


def test_its_own_tests_pass(tmp_path):
    assert "3 passed, 0 failed" in run(["make", "-C", EXAMPLE, f"BUILD={tmp_path}", "test"])


def test_it_is_a_plugin(npy):
    metadata = npy.plugin.metadata()
    assert (metadata.name, metadata.extensions) == ("npy", (".npy",))
    assert metadata.capabilities.streaming_read
    assert not metadata.capabilities.streaming_write
    signatures.check_format(npy.codec(), metadata.capabilities)


class TestReading:
    @pytest.mark.parametrize(
        ("name", "kind", "values"),
        [
            ("float64", pa.float64(), [0.5, -1.25, math.inf]),
            ("float16", pa.float16(), [0.5, -2.0]),
            ("big_endian", pa.int32(), [1, -2, 300]),
            ("bool", pa.bool_(), [True, False, True, False, True, False]),
            ("uint8", pa.uint8(), [0, 1, 2, 3, 4, 5]),
            ("version_2", pa.int64(), [0, 1, 2, 3, 4, 5]),
            ("no_rows", pa.float32(), []),
            ("scalar", pa.float32(), [2.5]),
        ],
    )
    def test_an_array_is_a_column(self, npy, name, kind, values):
        assert golden(npy, name).equals(pa.table({"value": pa.array(values, kind)}))

    def test_an_array_of_two_dimensions_has_a_column_for_each_of_its_own(self, npy):
        expected = {"0": pa.array([0, 2, 4], pa.int16()), "1": pa.array([1, 3, 5], pa.int16())}
        assert golden(npy, "two_dimensions").equals(pa.table(expected))

    def test_an_array_of_records_is_a_table(self, npy):
        expected = {"id": pa.array([1, -2], pa.int32()), "größe": [0.5, 1.5], "it's": [True, False]}
        assert golden(npy, "records").equals(pa.table(expected))

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("fortran", "it is in Fortran order"),
            ("three_dimensions", "it has 3 dimensions"),
            ("text", "its type <U2 is no boolean"),
            ("complex", "its type <c16 is no boolean"),
            ("times", r"its type <M8\[s\] is no boolean"),
            ("nested", "its field a is an array in itself"),
        ],
    )
    def test_what_is_no_table_of_numbers_is_refused_and_named(self, npy, name, message):
        with pytest.raises(UnsupportedError, match=message):
            golden(npy, name)

    @pytest.mark.parametrize("name", ["float64", "records", "bool", "big_endian", "two_dimensions"])
    @pytest.mark.parametrize("batch_rows", [1, 2, 65_536])
    def test_chunks_and_batches_of_any_size_make_the_same_table(self, npy, name, batch_rows):
        document = (GOLDEN / f"{name}.npy").read_bytes()
        whole = golden(npy, name)
        for size in (1, 3, 7, 64, 129):
            # Not through a ByteStream, which would join them.
            reader = npy.codec(batch_rows=batch_rows).read_batches_from_stream(None, map(pa.py_buffer, cut(document, size)))
            batches = list(reader)
            assert pa.Table.from_batches(batches, reader.schema).equals(whole)
            assert max(batch.num_rows for batch in batches) <= batch_rows

    def test_numbers_are_not_copied(self, npy):
        document = pa.py_buffer(npy.written(pa.table({"value": pa.array(range(200_000), pa.int64())}), layout="array"))
        start, end = document.address, document.address + document.size
        batches = list(npy.codec().read_batches_from_stream(None, iter([document])))
        assert len(batches) == 2
        assert all(start < batch.column(0).buffers()[1].address < end for batch in batches)
        del document
        assert batches[1].column(0)[-1].as_py() == 199_999

    @pytest.mark.parametrize("name", ["float64", "records", "bool"])
    def test_a_document_that_is_cut_short_anywhere_is_refused(self, npy, name):
        document = (GOLDEN / f"{name}.npy").read_bytes()
        for end in range(len(document)):
            with pytest.raises(FormatError, match="it is cut short") as caught:
                npy.reader([document[:end]]).read_all()
            assert caught.value.offset == end

    def test_bytes_behind_the_array_are_refused(self, npy):
        document = (GOLDEN / "float64.npy").read_bytes()
        with pytest.raises(FormatError, match="there are bytes after the end of the array") as caught:
            npy.reader([document, b"x"]).read_all()
        assert caught.value.offset == len(document)

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("", "a dictionary expected"),
            ("{'descr': '<f8', 'fortran_order': False, }", "one each of 'descr', 'fortran_order' and 'shape' expected"),
            ("{'descr': '<f8', 'descr': '<f8'}", "one each of"),
            ("{'descr': '<f8', 'fortran_order': 0, 'shape': (3,)}", "True or False expected"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", "a length expected"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)} x", "the end expected"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}", "a smaller length expected"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000000000,)}", "the array is larger than any file"),
            ("{'descr': '<f8\\x00', 'fortran_order': False, 'shape': (3,)}", "without escapes expected"),
            ("{'descr': [], 'fortran_order': False, 'shape': (3,)}", "a field expected"),
            ("{'descr': '<f8'\0, 'fortran_order': False, 'shape': (3,)}", "it holds a NUL"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}\0", "it holds a NUL"),
            ("[" * 60_000, "a dictionary expected"),
        ],
    )
    def test_a_header_that_is_wrong_is_refused(self, npy, header, message):
        document = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
        with pytest.raises(FormatError, match=message):
            npy.reader([document]).read_all()

    def test_a_header_that_promises_a_lot_costs_nothing(self, npy):
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000, 16384)}"
        document = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(1000)
        with pytest.raises(FormatError, match="its header says 10000000000000 rows, and it ends in row 1") as caught:
            npy.reader([document]).read_all()
        assert caught.value.row == 1

    @given(st.data())
    def test_damage_is_refused_or_read(self, npy, data):
        document = bytearray((GOLDEN / "records.npy").read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            document[data.draw(st.integers(0, len(document) - 1))] = data.draw(st.integers(0, 255))
        size = data.draw(st.integers(1, len(document)))
        with contextlib.suppress(FormatError):
            table(npy.codec().read_batches_from_stream(None, map(pa.py_buffer, cut(bytes(document), size))))

    @given(st.binary(max_size=40))
    def test_a_header_of_version_3_is_utf_8(self, npy, name):
        name = bytes(byte for byte in name if byte not in b"'\\\0\n") + b"x"
        header = b"{'descr': [('" + name + b"', '<f8')], 'fortran_order': False, 'shape': (0,)}"
        reading = lambda: npy.reader([b"\x93NUMPY\x03\x00" + struct.pack("<I", len(header)) + header]).schema.names  # noqa: E731 - one line of one test
        try:
            expected = name.decode()
        except UnicodeDecodeError:
            with pytest.raises(FormatError, match="it is not UTF-8"):
                reading()
        else:
            assert reading() == [expected]


class TestWriting:
    @given(st.data())
    def test_tables_come_back_and_python_reads_the_same(self, npy, data):
        rows = data.draw(st.integers(0, 20))
        kinds = data.draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=5))
        names = data.draw(st.lists(st.text(st.characters(exclude_categories=["C"]), min_size=1), min_size=9, unique=True))
        columns = {}
        for name, (kind, _, letter) in zip(names, kinds, strict=False):
            content = data.draw(st.binary(min_size=8 * rows, max_size=8 * rows))
            values = [bool(byte & 1) for byte in content[:rows]]
            if letter not in "?e":
                values = array.array(letter, content).tolist()[:rows]
            columns[name] = pa.array([0.0 if value != value else value for value in values], kind)  # noqa: PLR0124 - NaN
        original = pa.table(columns)
        document = npy.written(original.slice(rows // 3))
        assert table(npy.reader([document])).equals(original.slice(rows // 3))
        assert independently(document) == original.slice(rows // 3).to_pydict()

    def test_a_plain_array_has_one_type_and_no_names(self, npy):
        document = npy.written(pa.table({"a": [1, 2, 3], "b": [4, 5, 6]}), layout="array")
        assert b"'shape': (3, 2), }" in document
        assert independently(document) == {"0": [1, 2, 3], "1": [4, 5, 6]}

    def test_a_single_column_is_an_array_of_one_dimension(self, npy):
        assert b"'descr': '<i8', 'fortran_order': False, 'shape': (3,), }" in npy.written(
            pa.table({"a": [1, 2, 3]}), layout="array"
        )

    def test_many_record_batches_are_written_in_chunks(self, npy):
        original = pa.table({"n": pa.array(range(300_000), pa.int64()), "odd": pa.array([True, False] * 150_000)})
        pieces = list(npy.codec().write_batches(original.to_reader(70_001)))
        assert max(map(len, pieces)) <= 1 << 20
        assert table(npy.reader(pieces)).equals(original)

    def test_long_headers_are_of_version_2_and_other_letters_of_version_3(self, npy):
        many = pa.table({f"a column with a long name {index:05}": pa.array([index], pa.int32()) for index in range(2_000)})
        document = npy.written(many)
        assert document[6] == 2
        assert independently(document) == many.to_pydict() == table(npy.reader([document])).to_pydict()
        assert npy.written(pa.table({"größe": [1]}))[6] == 3

    @pytest.mark.parametrize(
        ("columns", "options", "message", "column"),
        [
            ({"a": ["x"]}, {}, "the column a is of no boolean, integer or floating point type", "a"),
            ({"a": pa.array(["x"]).dictionary_encode()}, {}, "the column a is of no boolean", "a"),
            ({"a": [1, None]}, {}, "row 2 of the column a is null", "a"),
            ({"": [1]}, {}, "the column '' has no name", None),
            ({"a\n": [1]}, {}, "the name of the column 0 has a control character", "a\n"),
            ({"a": [1], "b": [1.5]}, {"layout": "array"}, "the column b has another type than the first", "b"),
            ({}, {}, "there are no columns to write", None),
        ],
    )
    def test_what_the_format_cannot_carry_is_refused_by_name(self, npy, columns, options, message, column):
        with pytest.raises(UnsupportedError, match=message) as caught:
            npy.written(pa.table(columns), **options)
        assert caught.value.column == column

    def test_two_columns_of_one_name_are_refused(self, npy):
        batch = pa.record_batch([[1], [2]], ["a", "a"])
        with pytest.raises(UnsupportedError, match="there are two columns a"):
            npy.written(pa.Table.from_batches([batch]))

    def test_a_null_is_found_in_a_slice_too(self, npy):
        whole = pa.record_batch({"a": pa.array([None, 1, 2, 3, None])})
        assert independently(npy.written(pa.Table.from_batches([whole.slice(1, 3)]))) == {"a": [1, 2, 3]}
        with pytest.raises(UnsupportedError, match="row 2 of the column a") as caught:
            npy.written(pa.Table.from_batches([whole.slice(3)]))
        assert caught.value.row == 2


def test_the_server_decodes_and_encodes_with_it(npy):
    original = pa.table({"id": [1, 2, 3], "price": [0.5, 1.5, 2.5]})
    document = b"".join(encoded(npy.codec(), original.to_batches(), original.schema, plugin="npy"))
    decoded = Decoded(npy.codec(), [document], plugin="npy", schema=None, limits=LimitsConfig())
    assert pa.Table.from_batches(decoded, decoded.schema).equals(original)
    decoded.close()


def test_the_kit_finds_no_loss_that_is_not_declared(npy):
    assert_conforms(npy.plugin, declared(EXAMPLE, EXAMPLE / "libnpy.so"))


def test_the_header_is_all_that_it_needs(tmp_path):
    """As its README says: copied out, with the header beside its sources, it builds."""
    for source in [*EXAMPLE.glob("*.[ch]"), EXAMPLE / "Makefile", NATIVE / "format_plugin.h"]:
        (tmp_path / source.name).write_bytes(source.read_bytes())
    run(["make", "-C", tmp_path, "INTERFACE=."])
    assert (tmp_path / "libnpy.so").exists()
    assert COMPILER


def test_the_guides_python_block_loads_it(tmp_path, monkeypatch):
    run(["make", "-C", EXAMPLE, f"BUILD={tmp_path}"])
    monkeypatch.chdir(tmp_path)
    block = re.search(r"<!-- runs: library -->\n```python\n(.*?)```", (NATIVE / "README.md").read_text(), re.DOTALL)[1]
    names = {}
    exec(compile(block, "README.md:library", "exec"), names)  # noqa: S102 - our own page
    assert names["manifest"].metadata.name == names["plugin"].metadata().name == "npy"
    assert b"".join(names["codec"].write_batches(pa.table({"a": [1]}).to_reader())).startswith(b"\x93NUMPY")
