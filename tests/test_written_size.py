"""The size of rows as they are written out, for types whose rows share what they hold."""

import pyarrow as pa
import pytest

from format_plugins.parquet_writing import RowGroups
from format_plugins.slicing import data_bytes, sliced
from format_plugins.written_size import written_bytes

LONG = "x" * 1_000
ROWS = 100


def view_of(*, width):
    """Rows that all point at one text."""
    view = len(LONG).to_bytes(4, "little") + LONG[:4].encode() + bytes(8)
    return pa.Array.from_buffers(pa.string_view(), width, [None, pa.py_buffer(view * width), pa.py_buffer(LONG.encode())])


DICTIONARY = pa.DictionaryArray.from_arrays(pa.array([1] * ROWS), pa.array(["", LONG]))
RUNS = pa.RunEndEncodedArray.from_arrays(pa.array([ROWS]), pa.array([LONG]))
LISTS = pa.ListArray.from_arrays(pa.array(range(ROWS + 1), pa.int32()), DICTIONARY)
SHARING = {
    "dictionary": DICTIONARY,
    "runs": RUNS,
    "view": view_of(width=ROWS),
    "dictionary of lists": pa.DictionaryArray.from_arrays(pa.array([0] * ROWS), pa.array([[LONG[:400], LONG[400:]]])),
    "struct": pa.StructArray.from_arrays([DICTIONARY], ["d"]),
    "list": LISTS,
    "fixed list": pa.FixedSizeListArray.from_arrays(DICTIONARY, 1),
    "map": pa.MapArray.from_arrays(pa.array(range(ROWS + 1), pa.int32()), DICTIONARY, pa.array([None] * ROWS, pa.int8())),
    "list view": pa.ListViewArray.from_arrays(pa.array([0] * ROWS, pa.int32()), pa.array([1] * ROWS, pa.int32()), DICTIONARY),
    "list view of numbers": pa.ListViewArray.from_arrays(
        pa.array([0] * ROWS, pa.int32()), pa.array([125] * ROWS, pa.int32()), pa.array(range(125))
    ),
    "extension": pa.ExtensionArray.from_storage(pa.opaque(DICTIONARY.type, "t", "v"), DICTIONARY),
}


@pytest.mark.parametrize("column", SHARING.values(), ids=SHARING)
@pytest.mark.parametrize(("start", "rows"), [(0, ROWS), (7, 50), (ROWS, 0)])
def test_what_rows_share_counts_for_each(column, start, rows):
    batch = pa.record_batch([column.slice(start, rows)], names=["a"])
    written = written_bytes(batch) - data_bytes(batch)
    assert rows * len(LONG) <= written <= rows * (len(LONG) + 16)


def test_nulls_take_nothing():
    column = pa.DictionaryArray.from_arrays(pa.array([0, None]), pa.array([LONG, None]))
    assert written_bytes(pa.record_batch([column], names=["a"])) < 2 * len(LONG)


def test_rows_that_share_nothing_are_what_they_are():
    batch = pa.record_batch({"a": ["x", "y"], "b": [[1], [2]]})
    assert written_bytes(batch) == data_bytes(batch)


@pytest.mark.parametrize("column", SHARING.values(), ids=SHARING)
def test_slices_are_measured_so(column):
    pieces = list(sliced(pa.record_batch([column], names=["a"]), max_bytes=5_000, measure=written_bytes))
    assert sum(piece.num_rows for piece in pieces) == ROWS
    assert max(piece.num_rows for piece in pieces) < 6


@pytest.mark.parametrize("name", ["view", "list view"])
def test_row_groups_of_parquet_are_measured_so(name):
    batch = pa.record_batch([SHARING[name]], names=["a"])
    rows = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    assert max(group.num_rows for group in RowGroups(rows, max_rows=ROWS, max_bytes=5_000)) < 6
