"""What the quick check of record batches refuses is what Arrow's own full validation refuses, no more and no less."""

import random
import struct

import pyarrow as pa
import pytest
from effort import effort

from flight_server import validation
from flight_server.validation import Validation
from format_plugins.conformance.arrays import arrays

ROWS = 200


@pytest.fixture(autouse=True)
def any_size(monkeypatch):
    monkeypatch.setattr(validation, "_FEWEST_ROWS", 1)


def text(*buffers, kind=None, nulls=-1):
    made = [None if each is None else pa.py_buffer(each) for each in buffers]
    return pa.Array.from_buffers(kind or pa.string(), 2, made, nulls)


def refusal(check, batch):
    try:
        check(batch)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        return str(error)
    return None


ARRAYS = {
    "ascii": lambda: pa.array(["tea", "", None, "milk"]),
    "other letters": lambda: pa.array(["Bär", "茶", "x"]),
    "wide": lambda: pa.array(["a", "ü"], pa.large_string()),
    "all null": lambda: pa.array([None, None], pa.string()),
    "all empty": lambda: pa.array(["", ""]),
    "a slice": lambda: pa.array(["ä", "b", "c", "ü"]).slice(1, 2),
    "nothing": lambda: pa.array([], pa.string()),
    "garbage behind nulls": lambda: text(b"\x01", struct.pack("=3i", 0, 1, 2), b"a\xff"),
    "garbage behind the end": lambda: text(None, struct.pack("=3i", 0, 1, 2), b"ab\xff"),
    "not UTF-8": lambda: text(None, struct.pack("=3i", 0, 1, 2), b"a\xff"),
    "a letter cut in two": lambda: text(None, struct.pack("=3i", 0, 1, 2), "ä".encode()),
    "offsets out of range": lambda: text(None, struct.pack("=3i", 0, 5000, 7), b"abcdefg"),
    "negative offsets": lambda: text(None, struct.pack("=3i", 0, -9, 7), b"abcdefg"),
    "wide offsets out of range": lambda: text(None, struct.pack("=3q", 0, 1 << 60, 7), b"abcdefg", kind=pa.large_string()),
    "another count of nulls": lambda: text(b"\x01", struct.pack("=3i", 0, 1, 2), b"ab", nulls=2),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_column_is_judged_as_by_arrow(name):
    for beside in ([], [pa.array(["tea"] * len(ARRAYS[name]()))], [pa.array(["Tür"] * len(ARRAYS[name]()))]):
        columns = [ARRAYS[name](), *beside]
        batch = pa.RecordBatch.from_arrays(columns, [str(number) for number in range(len(columns))])
        checks = Validation()
        for _ in range(2):  # a column that has other letters is remembered
            assert refusal(checks.check, batch) == refusal(lambda each: each.validate(full=True), batch)


def test_some_of_the_columns_are_wrong():
    batches = [pa.RecordBatch.from_arrays([make()], ["a"]) for make in ARRAYS.values()]
    assert sum(refusal(lambda each: each.validate(full=True), batch) is not None for batch in batches) >= 6


def test_a_column_is_refused_in_any_batch_of_a_stream():
    checks = Validation()
    good, other = (pa.record_batch({"a": [word] * ROWS}) for word in ("tea", "Bär"))
    bad = pa.RecordBatch.from_arrays([ARRAYS["not UTF-8"]()], ["a"])
    for batch in (good, other, good):
        checks.check(batch)
        assert refusal(checks.check, bad)


COLUMNS = {
    "text": lambda draw: pa.array([draw.choice(["", "tea", "milk and sugar", "Bär", None]) for _ in range(ROWS)]),
    "ascii": lambda draw: pa.array([draw.choice(["", "tea", "milk"]) for _ in range(ROWS)]),
    "wide": lambda draw: pa.array([draw.choice(["a", "bc"]) for _ in range(ROWS)], pa.large_string()),
    "numbers": lambda draw: pa.array([draw.randrange(1000) for _ in range(ROWS)]),
    "lists": lambda draw: pa.array([[draw.choice(["x", "ä"])] * draw.randrange(3) for _ in range(ROWS)]),
}


def spoiled(batch, draw):
    """``batch`` as it arrives when some bytes of its values, offsets and bits have changed on the way."""
    message = batch.serialize().to_pybytes()
    body = pa.ipc.read_message(message).body.size
    data = bytearray(message)
    for _ in range(draw.choice([0, 1, 1, 3])):
        data[len(data) - 1 - draw.randrange(body)] ^= 1 << draw.randrange(8)
    return pa.ipc.read_record_batch(pa.py_buffer(bytes(data)), batch.schema)


def test_what_chance_makes_of_good_batches_is_judged_as_by_arrow():
    draw = random.Random(5)
    refused = 0
    for _ in range(effort(1_500, 30_000)):
        columns = [COLUMNS[draw.choice(list(COLUMNS))](draw) for _ in range(draw.randrange(1, 4))]
        whole = spoiled(pa.RecordBatch.from_arrays(columns, list("abc"[: len(columns)])), draw)
        for batch in (whole, whole.slice(draw.randrange(ROWS), draw.randrange(ROWS))):
            found = refusal(Validation().check, batch)
            refused += found is not None
            assert found == refusal(lambda each: each.validate(full=True), batch)
    assert refused > effort(100, 1000)


EVERY_TYPE = [array for _, array in arrays()]


def any_column(draw, rows):
    array = draw.choice(EVERY_TYPE)
    if not len(array) or pa.types.is_run_end_encoded(array.type):  # which do not concatenate
        return pa.array(
            [draw.choice(["", "tea", "milk", None]) for _ in range(rows)], draw.choice([pa.string(), pa.large_string()])
        )
    return pa.concat_arrays([array] * (rows // len(array) + 1)).slice(0, rows)


def as_it_arrives(batch, draw):
    """What is read of a stream with ``batch`` when bytes of it changed on the way, in its schema and in its heads, too."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    data = bytearray(sink.getvalue())
    for _ in range(draw.choice([1, 1, 3])):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    try:
        return list(pa.ipc.open_stream(pa.py_buffer(bytes(data))))
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return []


def test_what_chance_makes_of_streams_of_any_type_is_judged_as_by_arrow():
    draw = random.Random(6)
    judged = 0
    for _ in range(effort(3_000, 100_000)):
        columns = [pa.array(["tea", "milk", None] * 2), *(any_column(draw, 6) for _ in range(draw.randrange(3)))]
        batch = pa.RecordBatch.from_arrays(draw.sample(columns, len(columns)), list("abc"[: len(columns)]))
        for arrived in as_it_arrives(batch, draw):
            judged += 1
            expected = refusal(lambda each: each.validate(full=True), arrived)
            assert refusal(Validation().check, arrived) == expected
    assert judged > effort(500, 10_000)


def renamed(batch, name, other):
    schema = pa.ipc.read_schema(pa.py_buffer(batch.schema.serialize().to_pybytes().replace(name, other)))
    return pa.ipc.read_record_batch(batch.serialize(), schema)


def test_a_column_may_have_a_name_that_is_not_utf8():
    batch = renamed(pa.record_batch({"a name": ["tea", "milk"], "b": [1, 2]}), b"a name", b"\xff name")
    assert refusal(lambda each: each.validate(full=True), batch) is None
    assert refusal(Validation().check, batch) is None


def of_months(batch):
    """``batch`` read as if its 32 bit numbers were intervals of months, a type that pyarrow can carry and not make."""
    schema = bytes(batch.schema.set(0, pa.field("n", pa.month_day_nano_interval())).serialize())
    at = next(at for at in range(len(schema)) if types_of(schema[:at] + b"\0" + schema[at + 1 :])[:1] == ["month_interval"])
    made = pa.ipc.read_schema(pa.py_buffer(schema[:at] + b"\0" + schema[at + 1 :]))
    return pa.ipc.read_record_batch(batch.serialize(), made)


def types_of(schema):
    try:
        return [str(type_) for type_ in pa.ipc.read_schema(pa.py_buffer(schema)).types]
    except (pa.ArrowException, OSError, ValueError):
        return []


def test_a_column_may_have_a_type_that_python_has_no_class_for():
    batch = of_months(pa.record_batch({"n": pa.array([1, 2], pa.int32()), "a": ["tea", "milk"]}))
    assert refusal(lambda each: each.validate(full=True), batch) is None
    assert refusal(Validation().check, batch) is None


@pytest.mark.parametrize("value", [None, [None]])
def test_a_wrong_count_of_nulls_is_found_before_arrow_mends_it(value):
    whole = pa.record_batch({"a": ["tea"] * ROWS, "b": [value] * ROWS})
    message = bytearray(whole.serialize())
    node = struct.pack("=qq", ROWS, ROWS)
    message[message.rindex(node) + 8] ^= 1
    batch, same = (pa.ipc.read_record_batch(pa.py_buffer(bytes(message)), whole.schema) for _ in range(2))
    expected = refusal(lambda each: each.validate(full=True), same)
    assert expected is not None
    assert refusal(Validation().check, batch) == expected


def test_few_rows_are_given_to_arrow_as_they_are(monkeypatch):
    monkeypatch.setattr(validation, "_FEWEST_ROWS", ROWS + 1)
    monkeypatch.setattr(validation, "_is_ascii", None)  # would be called
    Validation().check(pa.record_batch({"a": ["tea"] * ROWS}))
    assert refusal(Validation().check, pa.RecordBatch.from_arrays([ARRAYS["not UTF-8"]()], ["a"]))
