"""Tables of any type, nested, with nulls and extremes, for properties; and their values, for comparing."""

import pyarrow as pa
from hypothesis import strategies as st

from format_plugins.decimals import of_width
from format_plugins.relabelling import mapped, numbers_of_times, relabelled, storage

LONG = "a text that no view holds inline "
FLOATS = [0.0, -0.0, 1.5, 2.0**-24, 65504.0]
WORDS = ["", "NULL", "nan", "007", " x", "\ufeffx", "a,b", 'q"q', "\r\n", "\0", "é", "\U0001f600", "\\", LONG, "2024-01-01"]
INT64 = st.sampled_from([-(2**63), 2**63 - 1, 0, -1]) | st.integers(-(2**63), 2**63 - 1)


def _leaf(type_, each, store=None):
    return st.just((type_, each, store))


LEAVES = st.one_of(
    _leaf(pa.bool_(), st.booleans()),
    _leaf(pa.int8(), st.integers(-128, 127)),
    _leaf(pa.uint64(), st.integers(0, 2**64 - 1)),
    *(_leaf(type_, st.sampled_from(FLOATS)) for type_ in (pa.float16(), pa.float32(), pa.float64())),
    *(_leaf(type_, st.sampled_from(WORDS)) for type_ in (pa.string(), pa.large_string(), pa.string_view())),
    *(_leaf(type_, st.binary(max_size=20)) for type_ in (pa.binary(), pa.large_binary(), pa.binary_view())),
    _leaf(pa.uuid(), st.binary(min_size=16, max_size=16), pa.binary(16)),
    _leaf(pa.opaque(pa.string_view(), "k", "m"), st.sampled_from(WORDS), pa.string_view()),
    _leaf(pa.date32(), st.integers(-(2**31), 2**31 - 1), pa.int32()),
    _leaf(pa.time64("ns"), st.integers(0, 86_400 * 10**9 - 1), pa.int64()),
    *(_leaf(pa.timestamp(unit, zone), INT64, pa.int64()) for unit in ("s", "ns") for zone in (None, "UTC", "+05:30")),
    _leaf(pa.duration("us"), INT64, pa.int64()),
    *(
        _leaf(make(8, scale), st.integers(-(10**8) + 1, 10**8 - 1))
        for make in (pa.decimal32, pa.decimal256)
        for scale in (-3, 0, 2, 12)
    ),
    _leaf(pa.null(), st.none()),
)


@st.composite
def arrays(draw, rows, depth=2):
    """An array of ``rows`` values of any type, nested up to ``depth`` times."""
    gaps = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
    make = draw(st.sampled_from([_plain, _plain, *_NESTED])) if depth else _plain
    return make(draw, gaps, depth - 1)


def _plain(draw, gaps, _depth):
    type_, each, store = draw(LEAVES)
    numbers = [None if gap else draw(each) for gap in gaps]
    if pa.types.is_decimal(type_):
        store = of_width(type_.bit_width, type_.precision)
    return pa.array(numbers, type_) if store is None else relabelled(pa.array(numbers, store), type_)


def _lists(draw, gaps, depth):
    offsets, lengths = _lengths(draw, gaps)
    inner, mask = draw(arrays(sum(lengths), depth)), pa.array(gaps, pa.bool_())
    if draw(st.booleans()):
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), inner, mask=mask)
    return pa.ListViewArray.from_arrays(pa.array(offsets[:-1], pa.int32()), pa.array(lengths, pa.int32()), inner, mask=mask)


def _maps(draw, gaps, depth):
    offsets, lengths = _lengths(draw, gaps)
    keys = pa.array([f"{WORDS[number % 9]}{number}" for number in range(sum(lengths))], pa.string())
    inner = draw(arrays(sum(lengths), depth))
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, inner, mask=pa.array(gaps, pa.bool_()))


def _lengths(draw, gaps):
    lengths = [0 if gap else draw(st.integers(0, 2)) for gap in gaps]
    return [sum(lengths[:place]) for place in range(len(gaps) + 1)], lengths


def _fixed(draw, gaps, depth):
    return pa.FixedSizeListArray.from_arrays(draw(arrays(2 * len(gaps), depth)), 2, mask=pa.array(gaps, pa.bool_()))


def _structs(draw, gaps, depth):
    fields = [draw(arrays(len(gaps), depth)) for _ in "ab"]
    return pa.StructArray.from_arrays(fields, names=["a", 'b."'], mask=pa.array(gaps, pa.bool_()))


def _dictionaries(draw, gaps, depth):
    numbers = [None if gap else draw(st.integers(0, 1)) for gap in gaps]
    return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int8()), draw(arrays(2, depth)))


def _runs(draw, gaps, _depth):
    rows = len(gaps)
    ends = [1, rows] if rows > 1 else [rows][:rows]
    return pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int32()), draw(arrays(len(ends), 0)))


_NESTED = (_lists, _maps, _fixed, _structs, _dictionaries, _runs)


@st.composite
def tables(draw):
    """A table of up to two columns of any types, as it is or a slice."""
    rows = draw(st.integers(1, 4))
    table = pa.table({name: draw(arrays(rows)) for name in draw(st.sampled_from([["a"], ["", "b,"], ["\n", "\ufeff"]]))})
    return table.slice(draw(st.integers(0, rows - 1)))


def values(array):
    """The values of an array, whatever Python cannot hold as numbers."""
    if isinstance(array, pa.ChunkedArray):
        return [value for chunk in array.chunks for value in values(chunk)]
    bare = storage(array)
    return [repr(value) for value in relabelled(bare, mapped(bare.type, _numbers)).to_pylist()]


def _numbers(type_):
    return pa.binary(type_.bit_width // 8) if pa.types.is_decimal(type_) else numbers_of_times(type_)
