"""Where blocks of JSON text end: between records, wherever the chunks ended."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from format_plugins.json_text.elements import ElementCutter
from format_plugins.json_text.faults import RecordError
from format_plugins.json_text.lines import cut_lines
from format_plugins.json_text.options import JsonOptions
from format_plugins.json_text.scanning import element_end
from format_plugins.streams import ByteStream

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab"\\[]{},:\n\u2028é', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"}{', max_size=3), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(st.text('id"}{', max_size=3), VALUES, max_size=3), max_size=12)
BLANKS = st.text(" \t\r\n", max_size=3)


def cut(data, block_bytes=16, max_record_bytes=1 << 20, layout="array"):
    options = JsonOptions(block_bytes=block_bytes, max_record_bytes=max_record_bytes)
    stream = ByteStream([data])
    return list(ElementCutter(stream, options).blocks() if layout == "array" else cut_lines(stream, options))


def texts(blocks):
    return [block.data[start:end] for block in blocks for start, end in block.extents()]


@given(RECORDS, BLANKS, BLANKS, st.integers(16, 200))
@settings(deadline=None)
def test_every_element_of_an_array_is_cut_out_whole(records, before, after, block_bytes):
    elements = ",".join(f"{before}{json.dumps(record)}{after}" for record in records)
    blocks = cut(f"{before}[{elements}{before}]{after}".encode(), block_bytes)
    assert [json.loads(text) for text in texts(blocks)] == records


@given(RECORDS, st.sampled_from(["\n", "\r\n", "\n\n", " \n"]), st.integers(16, 200))
@settings(deadline=None)
def test_every_line_is_cut_out_whole(records, end, block_bytes):
    blocks = cut("".join(json.dumps(record) + end for record in records).encode(), block_bytes, layout="lines")
    assert [json.loads(text) for text in texts(blocks)] == records


@given(RECORDS, st.integers(16, 200), st.sampled_from(["array", "lines"]))
@settings(deadline=None)
def test_the_offset_of_a_block_is_its_place_in_the_document(records, block_bytes, layout):
    data = (json.dumps(records) if layout == "array" else "\n".join(map(json.dumps, records))).encode()
    for block in cut(data, block_bytes, layout=layout):
        assert data[block.offset : block.offset + len(block.data)] == block.data


@pytest.mark.parametrize(
    "element",
    [
        '{"id": 1, "text": "},{"}',
        '{"id": 1, "rows": [{"id": 2}, {"id": 3}]}',
        '{"id": 1, "text": "\\\\\\"},{\\"id\\": 2"}',
        '{"id": {"id": {"id": 1}}}',
        "{}",
        '{"' + "k" * 300 + '": 1}',
    ],
)
def test_a_guess_at_a_separator_is_never_wrong(element):
    count = 2_000
    blocks = cut(("[" + ",\n".join([element] * count) + "]").encode(), 4_096)
    assert texts(blocks) == [element.encode()] * count
    assert max(len(block.data) for block in blocks) <= 3 * 4_096


@pytest.mark.parametrize(
    ("document", "offset"),
    [
        ("[", 1),
        ('[{"a": 1}', 9),
        ('[{"a": 1}, ', 11),
        ('[{"a": 1', 8),
        ('[{"a": "x', 9),
        ('[{"a": 1},]', 10),
        ('[,{"a": 1}]', 1),
        ('[{"a": 1},,{"a": 2}]', 10),
        ('[{"a": 1} {"a": 2}]', 10),
        ('[{"a": 1}] x', 11),
        ('[{"a": 1}][{"a": 1}]', 10),
        ('{"a": 1}\n{"a": 2}', 9),
        ('{"a": 1},', 8),
        ('{"a": 1', 7),
        ("17", 0),
        ("null", 0),
        (' "text"', 1),
        ("[1]", 1),
        ('[{"a": 1}, null]', 11),
        ("[[]]", 1),
        ("]", 0),
    ],
)
def test_what_is_no_array_of_objects_is_refused_at_its_byte(document, offset):
    with pytest.raises(RecordError) as caught:
        list(texts(cut(document.encode())))
    assert caught.value.offset == offset


def test_a_single_object_is_one_record():
    assert texts(cut(b' {"a": [1, 2]} \n')) == [b'{"a": [1, 2]}']


def test_white_space_may_be_longer_than_a_block():
    gap = b" \n" * 50
    document = gap + b"[" + gap + b'{"a": 1}' + gap + b"," + gap + b'{"a": 2}' + gap + b"]" + gap
    assert texts(cut(document)) == [b'{"a": 1}', b'{"a": 2}']


def test_a_document_of_nothing_has_no_block_but_an_empty_array_has_one():
    assert cut(b" \n") == []
    assert [block.count for block in cut(b" [ ] ")] == [0]


@pytest.mark.parametrize("layout", ["array", "lines"])
def test_a_record_may_be_as_long_as_is_allowed_and_no_longer(layout):
    for length, fits in ((1_000, True), (1_001, False)):
        record = '{"a": "' + "x" * (length - 9) + '"}'
        document = (f"[{record},{record}]" if layout == "array" else f"{record}\n{record}\n").encode()
        for block_bytes in (16, 999, 1_000):
            if fits:
                assert len(texts(cut(document, block_bytes, 1_000, layout))) == 2
                continue
            with pytest.raises(RecordError, match="max_record_bytes") as caught:
                cut(document, block_bytes, 1_000, layout)
            assert caught.value.option == "max_record_bytes"


@pytest.mark.parametrize("layout", ["array", "lines"])
def test_a_byte_order_mark_is_no_part_of_the_document(layout):
    document = b'[{"a": 1}]' if layout == "array" else b'{"a": 1}'
    (block,) = cut(b"\xef\xbb\xbf" + document, layout=layout)
    assert (block.offset, texts([block])) == (4 if layout == "array" else 3, [b'{"a": 1}'])


@pytest.mark.parametrize("layout", ["array", "lines"])
def test_utf_16_is_named_for_what_it_is(layout):
    with pytest.raises(RecordError, match="UTF-16"):
        cut('[{"a": 1}]'.encode("utf-16"), layout=layout)


def test_a_scan_goes_on_where_it_stopped():
    text = b'{"a": "x\\"}", "b": [{}, {"c": "[{"}]} rest'
    for stop in range(1, len(text)):
        position, depth = element_end(text[:stop], 0)
        if depth:
            position, depth = element_end(text, position, depth)
        assert (position, depth) == (len(text) - 5, 0)


def test_a_long_string_is_scanned_in_linear_time_and_little_memory():
    text = b'{"a": "' + b'\\"x' * (4 << 20) + b'"}'
    assert element_end(text, 0) == (len(text), 0)
