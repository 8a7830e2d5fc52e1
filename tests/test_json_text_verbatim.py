"""Text that the columnar reader is given as it is: the same columns, or the same error, as of the text written again."""

import json
from decimal import Decimal
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_documents import LAYOUTS, document, table, written

from format_plugins.contract import FormatError
from format_plugins.json_text.columnar import ColumnReader
from format_plugins.json_text.decoding import BlockDecoder

BLANKS = st.text(" \t\r", max_size=2)
#: Escapes of every kind, halves of characters among them, which the reader puts together otherwise.
ESCAPES = [
    r"\u0041",
    r"\ud83d\ude00",
    r"\ud840\udc00",
    r"\udbff\udfff",
    r"\u0000",
    r"\/",
    r"\"",
    r"\\ud840",
    r"\n",
    r"\ud840",
    "\\",
]
INTEGERS = ["0", "-0", "-1", "127", "128", "-129", "65535", "4294967296", "9223372036854775807", "9223372036854775808"]
INTEGERS += ["-9223372036854775808", "18446744073709551615", "18446744073709551616", "1.0", "1e2", "1E2", "1" * 30, "01"]
FLOATS = ["-0", "-0.0", "-0e5", "0.1", "9007199254740992", "9007199254740993", "9007199254740993.0", "1e23", "5e-324", "1e999"]
FLOATS += ["2.4703282292062328e-324", "2.2250738585072011e-308", "1.7976931348623157e308", "0." + "0" * 400 + "1", "16777217"]
FLOATS += ["1.00000017881393432617187499", "-1E-400", "8.5899345915e9", "65519.99999999999", '"NaN"', '"Infinity"', '"1"']
TIMES = [
    "2024-01-01",
    "2024-01-01T00:00:00.123456",
    "2024-01-01T00:00:00Z",
    "12:00:00",
    "12:00:00.5",
    "24:00:00",
    "aGk=",
    "6869",
]


@st.composite
def strings(draw):
    parts = draw(st.lists(st.sampled_from(ESCAPES) | st.text(max_size=4).map(lambda text: json.dumps(text)[1:-1]), max_size=4))
    raw = draw(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=4))
    return f'"{"".join(parts)}{raw}"'


INTEGER = st.sampled_from(INTEGERS) | st.integers(-(2**64), 2**64).map(str)
FLOAT = st.sampled_from(FLOATS) | st.floats(allow_nan=False, allow_infinity=False).map(repr) | INTEGER
FLOAT |= st.from_regex(r"\A-?[1-9][0-9]{0,25}\.[0-9]{1,25}([eE][+-]?[0-9]{1,3})?\Z")
STRING = strings()
TIME = st.sampled_from(TIMES).map(json.dumps)
ANY = st.sampled_from(["null", "true", "false", "{}", "[]", '{"x": 1}', "[1, 2]"]) | INTEGER | STRING
#: Types of no others, each with texts that often are of that type.
LEAVES = [
    *((type_, INTEGER) for type_ in (pa.int8(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64())),
    *((type_, FLOAT) for type_ in (pa.float16(), pa.float32(), pa.float64(), pa.float64(), pa.float64())),
    *((type_, STRING) for type_ in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))),
    *((type_, TIME) for type_ in (pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.date32(), pa.time64("us"), pa.binary())),
    (pa.bool_(), st.sampled_from(["true", "false"])),
    (pa.duration("s"), INTEGER),
    (pa.decimal128(20, 3), st.sampled_from(["1.5", "1", '"2.5"', "1e3"])),
]


def key(name, draw):
    """A name as JSON, sometimes in escapes."""
    return f'"\\u{ord(name[0]):04x}{name[1:]}"' if draw(st.integers(0, 9)) == 9 else f'"{name}"'


@st.composite
def objects(draw, fields):
    """The text of an object: fields are missing, repeated or unknown, with white space wherever it may be."""
    names = draw(st.lists(st.sampled_from([*fields, *fields, *fields, "other"]), max_size=len(fields) + 1))
    names = draw(st.just([*fields]) | st.just(names))
    pairs = [
        f"{draw(BLANKS)}{key(name, draw)}{draw(BLANKS)}:{draw(BLANKS)}{draw(fields.get(name, ANY))}{draw(BLANKS)}"
        for name in names
    ]
    return f"{{{draw(BLANKS)}{','.join(pairs)}}}"


def listed(texts, least=0, most=3):
    return st.lists(texts, min_size=least, max_size=most).map(lambda items: f"[{','.join(items)}]")


def nested(inner):
    """Types that hold others, each with texts."""

    @st.composite
    def struct(draw):
        fields = draw(st.lists(inner, min_size=1, max_size=3))
        named = [pa.field(f"n{number}", type_, nullable=draw(st.booleans())) for number, (type_, _) in enumerate(fields)]
        return pa.struct(named), objects({f"n{number}": text for number, (_, text) in enumerate(fields)})

    def of(make, write):
        return inner.map(lambda pair: (make(pair[0]), write(pair[1])))

    return (
        struct()
        | of(pa.list_, listed)
        | of(pa.large_list, listed)
        | of(pa.list_view, listed)
        | of(lambda type_: pa.list_(type_, 2), lambda text: listed(text, 2, 2))
        | of(lambda type_: pa.map_(pa.string(), type_), lambda text: objects({"k": text, "l": text, "other": text}))
        | of(lambda type_: pa.map_(pa.int8(), type_), lambda text: listed(objects({"key": INTEGER, "value": text})))
    )


TYPED = st.recursive(st.sampled_from(LEAVES), nested, max_leaves=4) | st.just((pa.null(), st.just("null")))


@st.composite
def cases(draw):
    """A schema, and records as text that mostly fit."""
    typed = draw(st.lists(TYPED, min_size=1, max_size=3))
    fields = [
        pa.field(f"c{number}", type_, nullable=type_ == pa.null() or draw(st.integers(0, 3)) > 0)
        for number, (type_, _) in enumerate(typed)
    ]
    texts = {
        f"c{number}": st.one_of(text, text, text, text, text, st.just("null"), ANY) for number, (_, text) in enumerate(typed)
    }
    return pa.schema(fields), draw(st.lists(objects(texts), min_size=1, max_size=4))


def outcome(data, layout, schema, **options):
    """The schema and the values, with the signs of zeros and NaN, as text; or all that an error says."""
    try:
        found = table(data, layout, schema, **options)
    except FormatError as error:
        return str(error), error.row, error.column, error.offset, error.value, error.option
    return found.schema, written(found, non_finite="string")


def rewritten(data, layout, schema, **options):
    with patch.object(ColumnReader, "of_block", return_value=None):
        return outcome(data, layout, schema, **options)


@given(cases(), st.sampled_from(LAYOUTS), st.sampled_from(["error", "string"]), st.sampled_from(["error", "ignore"]))
@settings(deadline=None, max_examples=500)
def test_a_document_is_read_as_if_it_were_written_again(case, layout, non_finite, unknown_fields):
    schema, records = case
    data, options = document(*records, layout=layout), {"non_finite": non_finite, "unknown_fields": unknown_fields}
    assert outcome(data, layout, schema, **options) == rewritten(data, layout, schema, **options)
    for record in records:  # one that fits is not hidden by one that does not
        data = document(record, layout=layout)
        assert outcome(data, layout, schema, **options) == rewritten(data, layout, schema, **options)


@given(cases(), st.sampled_from(LAYOUTS), st.data())
@settings(deadline=None, max_examples=300)
def test_a_damaged_document_is_read_as_if_it_were_written_again(case, layout, data):
    schema, records = case
    text = document(*records, layout=layout).encode()
    at = data.draw(st.integers(0, len(text)))
    piece = data.draw(
        st.binary(max_size=2) | st.sampled_from([b",", b"}", b'"', b"\n", b"0", b"-", b"\\", b"\xff", b"\xef\xbb\xbf"])
    )
    damaged = text[:at] + piece + text[at + data.draw(st.integers(0, 2)) :]
    assert outcome(damaged, layout, schema) == rewritten(damaged, layout, schema)


@given(st.lists(FLOAT, min_size=1, max_size=30))
@settings(deadline=None, max_examples=300)
def test_a_double_is_the_nearest_of_its_text_whoever_reads_it(texts):
    schema = pa.schema([("a", pa.float64())])
    for text in texts:
        found = outcome(f'{{"a": {text}}}', "lines", schema)
        assert found == rewritten(f'{{"a": {text}}}', "lines", schema)
        if isinstance(found[0], pa.Schema) and text != "-0":
            assert repr(json.loads(found[1])["a"]) == repr(float(text))


VERBATIM = [
    (pa.int64(), "-17"),
    (pa.float64(), "0.1"),
    (pa.float64(), "-0.0"),
    (pa.string(), r'"a\n\u00e9"'),
    (pa.timestamp("us"), '"2024-01-01T00:00:00"'),
    (pa.date32(), '"2024-01-01"'),
    (pa.bool_(), "true"),
    (pa.list_(pa.null()), "[null, null]"),
    (pa.struct([("x", pa.list_(pa.int8()))]), '{"x": [1]}'),
    (pa.dictionary(pa.int8(), pa.string()), '"x"'),
]
WRITTEN_AGAIN = [
    (pa.string(), r'"\ud840\udc00"', "\U00020000"),
    (pa.float64(), "-0", 0.0),
    (pa.list_(pa.float64()), "[-0 ]", [0.0]),
    (pa.float32(), "1.00000005960464477539062499", 1.0000001192092896),
    (pa.map_(pa.string(), pa.int8()), '{"k": 1, "k": 2}', [("k", 2)]),
    (pa.decimal128(5, 2), "1.50", Decimal("1.50")),
    (pa.float64(), "9007199254740994", 9007199254740994.0),
]


@pytest.mark.parametrize(("type_", "text"), VERBATIM)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_usual_text_is_not_written_again(type_, text, layout):
    with patch.object(BlockDecoder, "_rewritten", side_effect=AssertionError):
        assert table(document(f'{{"a": {text}}}', layout=layout), layout, pa.schema([("a", type_)])).num_rows == 1


@pytest.mark.parametrize(("type_", "text", "value"), WRITTEN_AGAIN)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_text_that_the_columnar_reader_takes_otherwise_is_written_again(type_, text, value, layout):
    found = table(document(f'{{"a": {text}}}', layout=layout), layout, pa.schema([("a", type_)])).column("a").to_pylist()
    assert repr(found) == repr([value])
