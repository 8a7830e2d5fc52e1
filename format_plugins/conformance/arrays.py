"""Arrays of every Arrow type with the values that formats lose: extremes, nulls, text that looks like something else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa

from format_plugins.kinds import Array

#: Texts that careless readers take for numbers, dates, truths or nothing.
LOOKALIKES = ["007", "1e5", "0x1F", "1.50", "+1", "true", "null", "NULL", "NA", "nan", "None", "-", "2024-02-29", "12:00", "∞"]
TEXTS = {
    "": ["tea", "rice", "a longer text that no view holds inline"],
    " empty": ["", "a", ""],
    " quotes": ['say "tea"', "it's", "a\\b", "`", '"', "a,b;c\td|e"],
    " newlines": ["two\nlines", "dos\r\nlines", "\n", "end\n", "\r"],
    " spaces": [" before", "after ", "  ", "\t"],
    " unicode": ["Zürich", "🫖🍚", "e\u0301", "\u202eright to left", "日本"],
    " nul": ["a\0b", "\0"],
    " lookalikes": LOOKALIKES,
}
DAY = 86_400
#: The first and the last day that ISO 8601 has without agreement between those who exchange dates.
YEAR_0, YEAR_9999 = -719_528, 2_932_896
PER_SECOND: dict[Any, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
INT64 = 2**63 - 1


def arrays() -> Iterator[tuple[str, Array]]:
    """Yield named arrays: ``<type>`` has values without nulls, ``<type> <kind of values>`` others, ``<type> null`` nulls."""
    for make in (_numbers, _texts, _times, _decimals, _lists, _structs, _dictionaries, _extensions, _odd):
        for name, array in make():
            yield name, array
            if " " not in name and array.type != pa.null() and not pa.types.is_union(array.type):
                yield f"{name} null", with_null(array)


def with_null(array: Array) -> Array:
    """Return ``array`` with a null before its last value."""
    null = pa.array([None], array.type) if pa.types.is_run_end_encoded(array.type) else pa.nulls(1, array.type)
    return pa.concat_arrays([array.slice(0, len(array) - 1), null, array.slice(len(array) - 1)])


def _named(name: Any) -> Any:  # noqa: ANN401 - the stubs know a type for each name, and no name that is computed
    return pa.type_for_alias(name)


def _numbers() -> Iterator[tuple[str, Array]]:
    yield "bool", pa.array([True, False, True])
    for bits in (8, 16, 32, 64):
        half = 2 ** (bits - 1)
        yield f"int{bits}", pa.array([-half, half - 1, 0, -1], _named(f"int{bits}"))
        yield f"uint{bits}", pa.array([2 * half - 1, 0, 1], _named(f"uint{bits}"))
    extremes = {"float16": (2.0**-24, 65504.0), "float32": (2.0**-149, 2.0**127), "float64": (5e-324, 1.7976931348623157e308)}
    for name, (least, most) in extremes.items():
        kind = _named(name)
        yield name, pa.array([1.5, -2.25, most, -most, 0.0], kind)
        yield f"{name} subnormal", pa.array([least, -least], kind)
        yield f"{name} nan", pa.array([float("nan"), 1.5], kind)
        yield f"{name} infinity", pa.array([float("inf"), float("-inf"), 1.5], kind)
        yield f"{name} negative zero", pa.array([-0.0, 1.5], kind)
    yield "float64 digits", pa.array([0.1, 1 / 3, 2.0**53 + 2, 123456789.12345679])


def _texts() -> Iterator[tuple[str, Array]]:
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        for variant, texts in TEXTS.items():
            yield f"{kind}{variant}", pa.array(texts, kind)
    for binary in (pa.binary(), pa.large_binary(), pa.binary_view()):
        yield str(binary), pa.array([b"tea", b"\xff\xfe\0\x80", b"more than the twelve bytes of a view"], binary)
        yield f"{binary} empty", pa.array([b"", b"a"], binary)
    yield "fixed_size_binary", pa.array([b"abcd", b"\0\0\xff\n"], pa.binary(4))


def _times() -> Iterator[tuple[str, Array]]:
    days = [0, 19_782, -1, YEAR_9999, YEAR_0 + 366]
    yield "date32", pa.array(days, pa.date32())
    yield "date32 far", pa.array([2**31 - 1, -(2**31)], pa.date32())
    yield "date64", pa.array([day * DAY * 1000 for day in days], pa.date64())
    for unit, parts in PER_SECOND.items():
        moments = [0, DAY * 19_782 * parts + 45_296 * parts + parts // 7, -1]
        moments += [] if unit == "ns" else [(YEAR_9999 + 1) * DAY * parts - 1]
        yield f"timestamp_{unit}", pa.array(moments, pa.timestamp(unit))
        yield f"timestamp_{unit}_utc", pa.array(moments, pa.timestamp(unit, "UTC"))
        yield f"timestamp_{unit} far", pa.array([INT64, -INT64], pa.timestamp(unit))
        yield f"duration_{unit}", pa.array([0, parts, -1, INT64, -INT64], pa.duration(unit))
        kind = pa.time32(unit) if unit in {"s", "ms"} else pa.time64(unit)
        yield str(kind).replace("[", "_").rstrip("]"), pa.array([0, DAY * parts - 1], kind)
    yield "timestamp_us_zone", pa.array([0, 1_700_000_000_000_000], pa.timestamp("us", "Europe/Paris"))
    yield "timestamp_us_offset", pa.array([0, 1_700_000_000_000_000], pa.timestamp("us", "+05:30"))
    yield "interval", pa.array([(1, 2, 3), (-1, -2, -3)], pa.month_day_nano_interval())


def _decimals() -> Iterator[tuple[str, Array]]:
    for make, digits in ((pa.decimal32, 9), (pa.decimal64, 18), (pa.decimal128, 38), (pa.decimal256, 76)):
        most = Decimal((0, (9,) * digits, -2))
        yield make.__name__, pa.array([most, most.copy_negate(), Decimal("0.01"), Decimal("1.50"), Decimal(0)], make(digits, 2))
    yield "decimal128 whole", pa.array([Decimal(12), Decimal(-12)], pa.decimal128(38, 0))
    yield "decimal128 negative scale", pa.array([Decimal(1200), Decimal(-1200)], pa.decimal128(5, -2))


def _lists() -> Iterator[tuple[str, Array]]:
    number = pa.int64()
    kinds = {
        "list": pa.list_(number),
        "large_list": pa.large_list(number),
        "list_view": pa.list_view(number),
        "large_list_view": pa.large_list_view(number),
    }
    for name, kind in kinds.items():
        yield name, pa.array([[1, 2], [3], [-4]], kind)
        yield f"{name} empty", pa.array([[], [1], []], kind)
        yield f"{name} of nulls", pa.array([[1, None], [None]], kind)
    yield "fixed_size_list", pa.array([[1, 2], [3, 4]], pa.list_(number, 2))
    yield "fixed_size_list of nulls", pa.array([[1, None], [None, None]], pa.list_(number, 2))
    yield "list of text", pa.array([["a", 'b"c'], ["", "\n"]], pa.list_(pa.string()))
    yield "list of list", pa.array([[[1], []], [[2, None], None]], pa.list_(pa.list_(number)))
    yield "list of struct", pa.array([[{"a": 1}, {"a": None}], []], pa.list_(pa.struct([("a", number)])))
    kind = pa.list_(pa.dictionary(pa.int32(), pa.string()))
    yield "list of dictionary", pa.array([["a", "b"], ["a"]], cast("Any", kind))


def _structs() -> Iterator[tuple[str, Array]]:
    pair = pa.struct([("a", pa.int64()), ("b", pa.string())])
    yield "struct", pa.array([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], pair)
    yield "struct of nulls", pa.array([{"a": None, "b": "x"}, {"a": None, "b": None}], pair)
    yield "struct empty", pa.array([{}, {}], pa.struct([]))
    nested = pa.struct([("c", pa.struct([("d", pa.list_(pa.int64()))])), ("e", pa.date32())])
    yield "struct of struct", pa.array([{"c": {"d": [1]}, "e": dt.date(2024, 2, 29)}, {"c": {"d": []}, "e": None}], nested)
    words = pa.map_(pa.string(), pa.int64())
    yield "map", pa.array([[("k", 1), ("l", 2)], [("m", 3)]], words)
    yield "map empty", pa.array([[], [("k", 1)]], words)
    yield "map of nulls", pa.array([[("k", None)], [("l", 2)]], words)
    yield "map of key twice", pa.array([[("k", 1), ("k", 2)]], words)
    yield "map of numbers", pa.array([[(1, "a")], [(2, "b")]], pa.map_(pa.int64(), pa.string()))


def _dictionaries() -> Iterator[tuple[str, Array]]:
    for value in (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()):
        words = pa.array(["tea", "rice"]).cast(value)
        name = "dictionary" if pa.types.is_string(value) else f"dictionary of {value}"
        yield name, pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.int8()), words)
    yield "dictionary of numbers", pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.int8()), pa.array([5, 6]))
    yield "dictionary ordered", pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), ["low", "high"], ordered=True)
    null = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array(["a", None]))
    yield "dictionary holding null", null
    inner = pa.array(["x", "y"]).dictionary_encode()
    yield "dictionary of dictionary", pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), inner)
    yield "dictionary unused", pa.DictionaryArray.from_arrays(pa.array([2, 2], pa.int8()), ["never", "twice\n", "used"])


def _extensions() -> Iterator[tuple[str, Array]]:
    yield "uuid", pa.array([b"0123456789abcdef", b"\xff" * 16], pa.uuid())
    yield "json", pa.array(['{"a": 1}', "[]"], pa.json_())
    yield "bool8", pa.array([1, 0, 1], pa.int8()).cast(pa.bool8())
    yield "opaque", pa.ExtensionArray.from_storage(pa.opaque(pa.binary(), "kind", "maker"), pa.array([b"a", b"\0"]))
    tensor = cast("Any", pa.fixed_shape_tensor(pa.int32(), [2]))
    yield "tensor", pa.ExtensionArray.from_storage(tensor, pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)))


def _odd() -> Iterator[tuple[str, Array]]:
    yield "null", pa.nulls(3)
    yield "run_end_encoded", pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", "b"]))
    kinds = pa.array([0, 1, 0], pa.int8())
    numbers, words = pa.array([1, 2, 3]), pa.array(["a", "b", "c"])
    yield "sparse_union", pa.UnionArray.from_sparse(kinds, [numbers, words], ["n", "w"])
    yield "dense_union", pa.UnionArray.from_dense(kinds, pa.array([0, 0, 1], pa.int32()), [numbers, words], ["n", "w"])
