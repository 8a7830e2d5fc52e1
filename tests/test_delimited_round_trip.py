"""What delimited text keeps: tables come back as they went out, whatever the chunks."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.delimited.codec import DelimitedFormat
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.streams import ByteStream


def encode(table: pa.Table, options: DelimitedOptions) -> bytes:
    return b"".join(bytes(memoryview(piece)) for piece in DelimitedFormat(options).write_batches(table.to_reader()))


def decode(data: bytes, schema: pa.Schema | None, options: DelimitedOptions, chunk: int = 1 << 20) -> pa.Table:
    stream = ByteStream(data[at : at + chunk] for at in range(0, len(data), chunk))
    table = DelimitedFormat(options).read_batches_from_stream(schema, stream).read_all()
    table.validate(full=True)
    return table


def ints(low: int, high: int, storage: pa.DataType, type_: pa.DataType) -> tuple:
    return type_, st.integers(low, high), storage


DAY_MS = 86_400_000
I32, I64 = pa.int32(), pa.int64()
FIRST_DAY, LAST_DAY = -719_528, 2_932_896
tricky = st.text(alphabet=st.sampled_from("ab,;|\"'\\\r\n\t \ufeff\0\u00e9\U0001f600NA0-."), max_size=8)
texts = st.one_of(st.text(max_size=10), tricky, st.sampled_from(["", "NA", "nan", "null", "007", "\u2028", "\x85"]))
COLUMNS = [
    *(ints(0, 2**bits - 1, type_, type_) for bits, type_ in ((8, pa.uint8()), (32, pa.uint32()), (64, pa.uint64()))),
    *(
        ints(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, type_, type_)
        for bits, type_ in ((8, pa.int8()), (16, pa.int16()), (64, I64))
    ),
    (pa.bool_(), st.booleans(), pa.bool_()),
    *((type_, st.floats(width=width), type_) for width, type_ in ((16, pa.float16()), (32, pa.float32()), (64, pa.float64()))),
    ints(FIRST_DAY, LAST_DAY, I32, pa.date32()),
    (pa.date64(), st.integers(FIRST_DAY, LAST_DAY).map(lambda day: day * DAY_MS), I64),
    ints(0, 86_399, I32, pa.time32("s")),
    ints(0, DAY_MS - 1, I32, pa.time32("ms")),
    ints(0, DAY_MS * 1000 - 1, I64, pa.time64("us")),
    ints(0, DAY_MS * 1_000_000 - 1, I64, pa.time64("ns")),
    ints(FIRST_DAY * 86_400, LAST_DAY * 86_400, I64, pa.timestamp("s")),
    ints(FIRST_DAY * DAY_MS, LAST_DAY * DAY_MS, I64, pa.timestamp("ms", "America/New_York")),
    ints(FIRST_DAY * DAY_MS * 1000, LAST_DAY * DAY_MS * 1000, I64, pa.timestamp("us", "+05:30")),
    ints(-9_223_372_036_000_000_000, 2**63 - 1, I64, pa.timestamp("ns", "UTC")),
    ints(-(2**63), 2**63 - 1, I64, pa.duration("ns")),
    (pa.decimal32(7, 2), st.decimals(-99999, 99999, places=2), pa.decimal32(7, 2)),
    (pa.decimal64(16, 8), st.decimals(-(10**7), 10**7, places=8), pa.decimal64(16, 8)),
    (pa.decimal128(38, 30), st.decimals(-(10**7), 10**7, places=30), pa.decimal128(38, 30)),
    (pa.decimal256(70, 10), st.decimals(-(10**50), 10**50, places=10), pa.decimal256(70, 10)),
    *((type_, texts, type_) for type_ in (pa.string(), pa.large_string(), pa.string_view())),
    (pa.dictionary(pa.int8(), pa.string()), texts, pa.dictionary(pa.int8(), pa.string())),
    (pa.dictionary(pa.int32(), I64), st.integers(-5, 5), pa.dictionary(pa.int32(), I64)),
    (pa.null(), st.none(), pa.null()),
]


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    chosen = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4))
    rows = draw(st.integers(0, 6))
    arrays = []
    for type_, values, storage in chosen:
        column = draw(st.lists(st.one_of(st.none(), values), min_size=rows, max_size=rows))
        arrays.append(pa.array(column, storage).cast(type_))
    names = draw(st.lists(texts, min_size=len(arrays), max_size=len(arrays), unique=True))
    return pa.Table.from_arrays(arrays, names=names)


def plain(table: pa.Table) -> list:
    """Values that compare: NaN to NaN, 0.0 not to -0.0, nanoseconds in full."""
    columns = []
    for column in table.columns:
        type_ = column.type
        if isinstance(type_, pa.DictionaryType):
            column = column.cast(type_.value_type)  # noqa: PLW2901 - the same column, in a form that compares
        temporal = pa.types.is_temporal(type_)
        if temporal:
            column = column.cast(I32 if type_.bit_width == 32 else I64)  # noqa: PLW2901 - the same column, in a form that compares
        columns.append([repr(value) for value in column.to_pylist()])
    return columns


DIALECTS = [
    {},
    {"delimiter": "\t", "line_ending": "crlf"},
    {"delimiter": ";", "decimal_point": ",", "quoting": "all"},
    {"escape": "\\"},
    {"escape": "\\", "double_quote": False},
    {"null_values": ("NA", "", "0")},
    {"null_values": ("-0", "x"), "null_text": "", "delimiter": "-"},
    {"encoding": "utf-16"},
    {"header": False},
    {"true_values": ("1",), "false_values": ("0",), "quote": "'"},
]


@settings(max_examples=500, deadline=None)
@given(tables(), st.sampled_from(DIALECTS), st.integers(1, 40))
def test_a_table_comes_back_exactly_when_its_schema_is_given(table: pa.Table, dialect: dict, block_bytes: int):
    if dialect.get("null_text") == "":
        dialect = {**dialect, "null_values": (*dialect["null_values"], "")}
    options = DelimitedOptions(**dialect, block_bytes=block_bytes)
    data = encode(table, options)
    again = decode(data, table.schema, options, chunk=7)
    assert again.schema.equals(table.schema, check_metadata=True)
    assert plain(again) == plain(table)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(texts, texts), max_size=6), st.sampled_from([{"quote": None, "escape": "\\"}, {"quote": None}]))
def test_without_quotes_texts_come_back_or_are_refused(rows: list, dialect: dict):
    table = pa.table(
        {"a": pa.array([row[0] for row in rows], pa.string()), "b": pa.array([row[1] for row in rows], pa.string())}
    )
    options = DelimitedOptions(**dialect)
    try:
        data = encode(table, options)
    except UnsupportedError:
        return
    assert decode(data, table.schema, options).equals(table)


SAMPLE = (
    '\ufeffid,text,when,n\r\n1,"a ""quoted""\r\nline, with all",2020-01-01 00:00:00Z,1.5\r\n'
    '2,6" pipe,2020-01-01 00:00:01.5+02:00,\r\n\r\n3,"",,-2e3\n4,\U0001f600,2021-12-31 23:59:59Z,nan\r'
).encode() + b"".join(b'%d,"x\n%d",2022-01-01 00:00:00Z,%d\n' % (n, n, n) for n in range(5, 300))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
def test_chunk_borders_change_nothing(encoding: str, block_bytes: int):
    data = SAMPLE if encoding == "utf-8" else SAMPLE.decode("utf-8-sig").encode(encoding)
    options = DelimitedOptions(encoding=encoding, block_bytes=block_bytes, sample_bytes=500)
    whole = decode(data, None, options)
    assert whole.num_rows == 299
    for chunk in (1, 7, 997):
        again = decode(data, None, options, chunk)
        assert again.equals(whole) or plain(again) == plain(whole)
        assert [part.num_rows for part in again.to_batches()] == [part.num_rows for part in whole.to_batches()]


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(st.binary(max_size=80), st.text(alphabet='a1,"\\\n\r\0\ufeff.-:TZ0 é', max_size=80).map(str.encode)),
    st.sampled_from([*DIALECTS, {"quote": None}, {"encoding": "utf-16-le"}, {"encoding": "utf-7"}]),
    st.integers(1, 50),
    st.sampled_from([None, pa.schema({"a": I64}), pa.schema({"a": pa.string(), "b": pa.float32()})]),
)
def test_rubbish_raises_format_errors_alone(data: bytes, dialect: dict, block_bytes: int, schema: pa.Schema | None):
    options = DelimitedOptions(**dialect, block_bytes=block_bytes, sample_bytes=block_bytes, max_record_bytes=60, max_columns=5)
    try:
        table = decode(data, schema, options, chunk=11)
    except FormatError as error:
        assert str(error)  # noqa: PT017 - either way is right
    else:
        assert schema is None or table.schema.equals(schema)


def test_memory_does_not_follow_the_size_of_the_document():
    line = b"12345,some text here,2020-01-01 00:00:00Z,1.25\n"
    block = line * (65536 // len(line))
    before = pa.total_allocated_bytes()
    bound = 4 << 20

    def chunks() -> Iterator[bytes]:
        yield b"a,b,c,d\n"
        for _ in range(10 * bound // len(block)):
            yield block

    options = DelimitedOptions(block_bytes=1 << 18)
    reader = DelimitedFormat(options).read_batches_from_stream(None, ByteStream(chunks()))
    most = 0
    for piece in DelimitedFormat(options).write_batches(reader):
        assert memoryview(piece).nbytes < 2 << 20
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < bound


def test_a_reader_that_is_dropped_half_way_leaves_no_thread_and_reads_no_further():
    pulled = 0

    def chunks() -> Iterator[bytes]:
        nonlocal pulled
        yield b"a\n"
        for _ in range(1000):
            pulled += 1
            yield b"1\n" * 500

    options = DelimitedOptions(block_bytes=1000, sample_bytes=1)
    threads = set(threading.enumerate())
    reader = DelimitedFormat(options).read_batches_from_stream(None, ByteStream(chunks()))
    for _ in range(3):
        reader.read_next_batch()
    del reader
    assert set(threading.enumerate()) == threads
    assert pulled < 20
