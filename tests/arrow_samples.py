"""One array of every Arrow type, nulls and extremes among its values."""

import datetime as dt
import decimal

import pyarrow as pa

NESTED = pa.struct([pa.field("x", pa.int64(), metadata={"unit": "m"}), pa.field("y", pa.list_(pa.string()))])


def _integers(kind):
    bits = kind.bit_width
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if pa.types.is_signed_integer(kind) else (0, 2**bits - 1)
    return pa.array([low, None, high, 1], kind)


def _unions():
    kinds = pa.array([0, 1, 0, 1], pa.int8())
    numbers, words = pa.array([1, None, 3, 4]), pa.array(["a", "b", None, "d"])
    dense = pa.UnionArray.from_dense(kinds, pa.array([0, 0, 1, 1], pa.int32()), [pa.array([1, None]), pa.array(["a", None])])
    return {"sparse_union": pa.UnionArray.from_sparse(kinds, [numbers, words], ["n", "w"]), "dense_union": dense}


def samples():
    """Return a mapping from a name to an array of four values."""
    text = ["", None, "ä" * 40, "\0"]
    data = [b"", None, b"\xff" * 40, b"\0"]
    day, moment = dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 23, 59, 59)  # noqa: DTZ001 - Arrow's naive timestamp
    found = {
        str(kind): _integers(kind)
        for kind in map(pa.type_for_alias, [f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)])
    }
    found |= {
        str(kind): pa.array([float("nan"), None, float("-inf"), -0.0], kind)
        for kind in (pa.float16(), pa.float32(), pa.float64())
    }
    found |= {str(kind): pa.array(text, kind) for kind in (pa.string(), pa.large_string(), pa.string_view())}
    found |= {str(kind): pa.array(data, kind) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())}
    found |= {
        f"timestamp_{unit}": pa.array([moment, None, moment, moment], pa.timestamp(unit, "Europe/Berlin"))
        for unit in ("s", "ms")
    }
    found |= {f"timestamp_{unit}": pa.array([moment, None, moment, moment], pa.timestamp(unit)) for unit in ("us", "ns")}
    found |= {
        f"duration_{unit}": pa.array([1, None, -(2**63) + 1, 2**63 - 1], pa.duration(unit)) for unit in ("s", "ms", "us", "ns")
    }
    found |= {
        str(kind): pa.array([1, None, 86_399, 0], kind)
        for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))
    }
    found |= {
        str(kind): pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-9.99"), decimal.Decimal(0)], kind)
        for kind in (pa.decimal32(9, 2), pa.decimal64(18, 2), pa.decimal128(38, 2), pa.decimal256(76, 2))
    }
    found |= {
        "null": pa.nulls(4),
        "bool": pa.array([True, None, False, True]),
        "fixed_binary": pa.array([b"abcd", None, b"\0\0\0\0", b"wxyz"], pa.binary(4)),
        "date32": pa.array([day, None, day, day], pa.date32()),
        "date64": pa.array([day, None, day, day], pa.date64()),
        "interval": pa.array([pa.MonthDayNano([1, 2, 3]), None, pa.MonthDayNano([-1, -2, -3]), pa.MonthDayNano([0, 0, 0])]),
        "list": pa.array([[1, None], None, [], [3]], pa.list_(pa.int32())),
        "large_list": pa.array([[1, None], None, [], [3]], pa.large_list(pa.field("element", pa.int32()))),
        "fixed_list": pa.array([[1, None], None, [2, 3], [3, 4]], pa.list_(pa.int32(), 2)),
        "list_view": pa.array([[1, None], None, [], [3]], pa.list_view(pa.int32())),
        "large_list_view": pa.array([[1, None], None, [], [3]], pa.large_list_view(pa.int32())),
        "struct": pa.array([{"x": 1, "y": ["a"]}, None, {"x": None, "y": None}, {"x": 4, "y": []}], NESTED),
        "map": pa.array([[("k", 1)], None, [], [("a", None), ("b", 2)]], pa.map_(pa.string(), pa.int64())),
        "dictionary": pa.array(["a", None, "b", "a"]).dictionary_encode(),
        "ordered_dictionary": pa.DictionaryArray.from_arrays(pa.array([1, None, 0, 1], pa.int8()), ["z", "a"], ordered=True),
        "dictionary_in_list": pa.ListArray.from_arrays([0, 1, 2, 3, 4], pa.array(["a", None, "b", "a"]).dictionary_encode()),
        "run_end_encoded": pa.RunEndEncodedArray.from_arrays(pa.array([1, 3, 4], pa.int32()), pa.array(["a", None, "b"])),
        "uuid": pa.array([b"0123456789abcdef", None, b"\0" * 16, b"\xff" * 16], pa.uuid()),
        "json": pa.array(['{"a": 1}', None, "[]", "0"], pa.json_()),
        "bool8": pa.array([1, None, 0, 1], pa.int8()).cast(pa.bool8()),
        "opaque": pa.ExtensionArray.from_storage(pa.opaque(pa.binary(), "kind", "maker"), pa.array(data, pa.binary())),
        "tensor": pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(pa.int32(), [2]), pa.array([[1, 2], None, [3, 4], [5, 6]], pa.list_(pa.int32(), 2))
        ),
    }
    return found | _unions()
