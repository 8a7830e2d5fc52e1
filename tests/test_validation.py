"""What the quick check of record batches refuses is what Arrow's own full validation refuses, no more and no less."""

import random
import struct

import pyarrow as pa
import pytest
from effort import effort

from flight_server import validation
from flight_server.validation import Validation

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


def test_few_rows_are_given_to_arrow_as_they_are(monkeypatch):
    monkeypatch.setattr(validation, "_FEWEST_ROWS", ROWS + 1)
    monkeypatch.setattr(validation, "_is_ascii", None)  # would be called
    Validation().check(pa.record_batch({"a": ["tea"] * ROWS}))
    assert refusal(Validation().check, pa.RecordBatch.from_arrays([ARRAYS["not UTF-8"]()], ["a"]))
