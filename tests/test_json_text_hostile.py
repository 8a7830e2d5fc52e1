"""JSON text that means harm, or is only broken: a FormatError, soon, in little memory, and never a wrong value."""

import contextlib
import json
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from corpora import corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from json_documents import LAYOUTS, batches, document, table

from format_plugins.contract import FormatError

#: Valid JSON that no column can have: values of several kinds in one list.
NOT_TABULAR = {"y_array_heterogeneous.json"}
#: Valid JSON with a line feed in it, which a line cannot have.
SEVERAL_LINES = {
    "y_array_with_1_and_newline.json",
    "y_number_double_close_to_zero.json",
    "y_object_with_newlines.json",
    "y_structure_trailing_newline.json",
}
#: Wrong JSON that is right once it is put into an object: none.
RIGHT_WHEN_WRAPPED = set()


def accepted(folder, wrap, layout):
    """The names of the files that are read; any other exception than FormatError fails the test."""
    found = set()
    for path in sorted(folder.iterdir()):
        try:
            table(wrap(path.read_bytes()), layout)
        except FormatError:
            continue
        found.add(path.name)
    return found


@pytest.mark.parametrize(
    ("wrap", "layout", "refused"),
    [
        (lambda text: b'[{"a":' + text + b"}]", "array", NOT_TABULAR),
        (lambda text: b'{"a":' + text + b"}\n", "lines", NOT_TABULAR | SEVERAL_LINES),
    ],
    ids=LAYOUTS,
)
def test_the_suite_as_values_is_judged_as_the_standard_does(wrap, layout, refused):
    folder = corpus("JSONTestSuite") / "test_parsing"
    found = accepted(folder, wrap, layout)
    files = {path.name for path in folder.iterdir()}
    assert {name for name in found if name.startswith("n_")} == RIGHT_WHEN_WRAPPED
    assert {name for name in files - found if name.startswith("y_")} == refused


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_suite_as_documents_gives_records_only_where_it_has_records(layout):
    folder = corpus("JSONTestSuite") / "test_parsing"
    found = accepted(folder, lambda text: text, layout)
    assert all(name.startswith("y_") for name in found)
    for path in folder.iterdir():
        if not path.name.startswith("y_"):
            continue
        value = json.loads(path.read_bytes())
        single_line = b"\n" not in path.read_bytes().rstrip()
        tabular = isinstance(value, dict) and value and (layout == "array" or single_line)
        empty_array = value == [] and layout == "array"
        assert (path.name in found) == bool(tabular or empty_array), path.name


DEEP = 100_000


@pytest.mark.parametrize(
    "text",
    [
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b"[" + b'{"a":[' * DEEP,
        b'[{"a":' + b"[" * DEEP + b"]" * DEEP + b"}]",
        b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    ],
    ids=["arrays", "objects", "both", "closed in an array", "closed", "closed objects"],
)
@pytest.mark.parametrize(
    "schema", [None, pa.schema([("a", pa.int64())]), pa.schema([("b", pa.int64())])], ids=["inferred", "a", "b"]
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_deep_nesting_is_refused_at_once(text, schema, layout):
    begin = time.perf_counter()
    for unknown_fields in ("error", "ignore"):
        with pytest.raises(FormatError):
            table(text, layout, schema, unknown_fields=unknown_fields)
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nesting_is_limited_where_it_is_inferred_and_where_it_is_given(layout):
    def nested(depth):
        return document('{"a": ' + "[" * depth + "]" * depth + "}", layout=layout)

    type_ = pa.int8()
    for _ in range(61):
        type_ = pa.list_(type_)
    assert table(nested(61), layout, pa.schema([("a", type_)])).num_rows == 1
    with pytest.raises(FormatError, match="nest") as caught:
        table(nested(70), layout)
    assert caught.value.option == "max_depth"
    with pytest.raises(FormatError, match="nest"):
        table(nested(2), layout, pa.schema([("a", pa.list_(pa.list_(pa.int8())))]), max_depth=2)


def test_many_distinct_names_are_refused_soon():
    begin = time.perf_counter()
    for layout in LAYOUTS:
        with pytest.raises(FormatError, match="max_columns") as caught:
            table(document(*(f'{{"k{number}": 1}}' for number in range(20_000)), layout=layout), layout)
        assert (caught.value.row, caught.value.option) == (4_097, "max_columns")
        with pytest.raises(FormatError, match="max_columns"):
            table(document("{" + ", ".join(f'"k{number}": 1' for number in range(20_000)) + "}", layout=layout), layout)
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_many_small_records_of_a_wide_schema_become_small_batches(layout):
    schema = pa.schema([(f"k{number}", pa.int64()) for number in range(1_000)])
    reader = batches(document(*["{}"] * 100_000, layout=layout), layout, schema)
    before = pa.total_allocated_bytes()
    for _ in range(10):
        assert next(reader).nbytes <= 2 << 20
    assert pa.total_allocated_bytes() - before < 100 << 20


def test_a_record_of_many_empty_objects_of_a_wide_type_is_refused():
    schema = pa.schema([("a", pa.list_(pa.struct([(f"k{number}", pa.int64()) for number in range(1_000)])))])
    with pytest.raises(FormatError, match="most of them nulls") as caught:
        table('{"a": []}\n{"a": [' + ",".join(["{}"] * 100_000) + "]}", schema=schema)
    assert caught.value.row == 2


def test_a_schema_whose_single_row_would_be_gigabytes_is_refused():
    with pytest.raises(FormatError, match="a row of the schema"):
        table("{}", schema=pa.schema([("a", pa.list_(pa.int8(), 1 << 30))]))


@pytest.mark.parametrize("text", ["1" * 5_000, "-" + "9" * 5_000, "1e999999999999", "0." + "0" * 5_000 + "1", "1" * 400])
@pytest.mark.parametrize("type_", [pa.int64(), pa.uint64(), pa.decimal128(38, 2), pa.string(), pa.float32()])
def test_absurd_numbers_are_refused_or_exact(text, type_):
    schema = pa.schema([("a", type_)])
    try:
        (value,) = table(f'{{"a": {text}}}', schema=schema).column("a").to_pylist()
    except FormatError:
        return
    assert Decimal(value) == Decimal(text) or (pa.types.is_floating(type_) and value == float(text) == 0)


def test_long_strings_are_carried():
    text = "x\u00e9\n" * 1_000_000
    assert table(json.dumps([{"a": text}]), "array").column("a").to_pylist() == [text]


@given(st.binary(max_size=200), st.sampled_from(LAYOUTS), st.booleans())
@settings(deadline=None, max_examples=300)
def test_random_bytes_are_read_or_refused(data, layout, typed):
    with contextlib.suppress(FormatError):
        table(data, layout, pa.schema([("a", pa.int64())]) if typed else None)


def sample(number):
    text = 'té"\\\n{}[],:' * (number % 3)
    day = f"2024-01-{number + 1:02}T00:00:00Z"
    return {"id": number, "x": number / 7, "s": text, "t": day, "l": [[], [number]], "o": {"k": None}}


VALID = json.dumps([sample(number) for number in range(6)])
SCHEMA = table(VALID, "array").schema
PIECES = ['"', "\\", "{", "}", "[", "]", ",", ":", "1", "e", "-", ".", "\n", "\0", "nul", "\\ud800"]
CHANGES = st.tuples(st.integers(0, len(VALID)), st.integers(0, 3), st.sampled_from(PIECES))


@given(st.lists(CHANGES, min_size=1, max_size=3), st.sampled_from(LAYOUTS), st.integers(16, 300))
@settings(deadline=None, max_examples=300)
def test_valid_json_with_changes_gives_what_the_standard_parser_gives_or_is_refused(changes, layout, block_bytes):
    text = VALID if layout == "array" else "\n".join(json.dumps(record) for record in json.loads(VALID))
    for place, drop, insert in changes:
        text = text[:place] + insert + text[place + drop :]
    for schema in (None, SCHEMA):
        try:
            found = table(text, layout, schema, block_bytes=block_bytes, timestamps="text")
        except FormatError:
            continue
        wanted = json.loads(text) if layout == "array" else [json.loads(line) for line in text.split("\n") if line.strip()]
        wanted = [wanted] if isinstance(wanted, dict) else wanted
        assert found.num_rows == len(wanted)
        if schema is None:
            assert [known(record) for record in found.to_pylist()] == [known(record) for record in wanted]


def known(value):
    """``value`` without what is null or missing, which columns do not tell apart."""
    if isinstance(value, dict):
        return {name: known(part) for name, part in value.items() if part is not None}
    return [known(part) for part in value] if isinstance(value, list) else value


def test_the_kinds_of_files_in_the_suite_are_all_there():
    counts = Counter(path.name[0] for path in (corpus("JSONTestSuite") / "test_parsing").iterdir())
    assert counts == {"y": 95, "n": 188, "i": 35}


def test_a_panic_of_the_columnar_reader_is_an_error_of_the_data(monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(*_, **__):
        raise PanicException("index out of bounds")

    monkeypatch.setattr("arro3.io.read_json", panic)
    with pytest.raises(FormatError, match="index out of bounds"):
        table('{"a": 1}')


def test_what_is_no_panic_passes_through_the_columnar_reader(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("arro3.io.read_json", interrupted)
    with pytest.raises(KeyboardInterrupt):
        table('{"a": 1}')


def test_types_made_for_a_stream_are_given_back_with_it():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096

    schema = pa.schema([(f"k{number}", pa.struct([("x", pa.int64()), ("y", pa.float64())])) for number in range(20)])
    for _ in range(50):
        table('{"k1": {"x": 1}}', schema=schema)
    before = resident()
    for _ in range(500):
        table('{"k1": {"x": 1}}', schema=schema)
    assert resident() - before < 16 << 20
