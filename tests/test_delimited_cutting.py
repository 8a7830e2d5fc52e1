"""Where blocks of delimited text end."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from format_plugins.delimited.cutter import CutError, Cutter
from format_plugins.delimited.dialect import Dialect
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.delimited.text import TextSource
from format_plugins.streams import ByteStream

DIALECTS = [
    {},
    {"quote": None},
    {"escape": "\\"},
    {"escape": "\\", "double_quote": False},
    {"double_quote": False},
    {"quote": None, "escape": "\\"},
    {"quote": "'", "delimiter": "|"},
]


def record_ends(data: bytes, options: DelimitedOptions) -> tuple[list[int], bool]:
    """The grammar once more, a byte at a time: where records end, and whether the document may end here."""
    delimiter, quote, escape = (ord(each) if each else None for each in (options.delimiter, options.quote, options.escape))
    ends, at, state = [], 0, "start"
    while at < len(data):
        byte = data[at]
        at += 1
        if state == "start" and byte == quote:
            state = "quoted"
        elif byte == escape:
            if at == len(data):
                return ends, False
            at += 1
            state = "quoted" if state == "quoted" else "field"
        elif state == "quoted":
            if byte == quote:
                if options.double_quote and data[at : at + 1] == bytes([byte]):
                    at += 1
                else:
                    state = "field"
        elif byte == delimiter:
            state = "start"
        elif byte in b"\r\n":
            at += byte == 13 and data[at : at + 1] == b"\n"
            ends.append(at)
            state = "start"
        else:
            state = "field"
    return ends, state != "quoted"


def blocks_of(data: bytes, chunk: int, lag: int = 0, **options: object) -> Iterator[bytes]:
    settings_ = DelimitedOptions(**options)
    source = TextSource(ByteStream(data[at : at + chunk] for at in range(0, len(data), chunk)), settings_.encoding)
    yield from confirmed(Cutter(source, Dialect(settings_), settings_), data, settings_, lag)


def confirmed(cutter: Cutter, data: bytes, options: DelimitedOptions, lag: int) -> Iterator[bytes]:
    """Take blocks as a decoder does that is ``lag`` blocks behind, and knows by the grammar which guesses are wrong."""
    ends, complete = record_ends(data, options)
    cutter.guess(b"mark")
    blocks, waiting, failure = cutter.blocks(), [], None
    while blocks or waiting:
        while blocks and len(waiting) <= lag:
            try:
                waiting.append(next(blocks))
            except (StopIteration, CutError) as error:
                blocks, failure = None, error
        if waiting:
            block = waiting.pop(0)
            if block.marked is not None and block.offset + len(block.data) not in ends + [len(data)] * complete:
                cutter.cut_again()
                blocks, waiting = cutter.blocks(), []
                continue
            assert data[block.offset : block.offset + len(block.data)] == block.data
            assert block.marked in (None, bytes(block.data) + b"mark")
            cutter.confirm(block.offset)
            yield bytes(block.data)
    if isinstance(failure, CutError):
        raise failure


texts = st.text(alphabet="a1,\"\\\n\r|' ", max_size=60).map(str.encode)


@settings(max_examples=400, deadline=None)
@given(texts, st.sampled_from(DIALECTS))
def test_the_last_record_end_is_the_one_of_the_grammar(data: bytes, dialect: dict):
    options = DelimitedOptions(**dialect)
    ends, complete = record_ends(data, options)
    found = Dialect(options).records_end(data)
    assert Dialect(options).is_complete(data) == complete
    # Without knowing what follows, the search may stop at an earlier end, but never at a place that is none.
    assert found in {0, *ends}
    assert found or not [end for end in ends if end < len(data)]


@settings(max_examples=300, deadline=None)
@given(texts, st.sampled_from(DIALECTS), st.integers(1, 20), st.integers(1, 30), st.integers(0, 3))
def test_blocks_are_whole_records_whatever_the_chunks(data: bytes, dialect: dict, chunk: int, block_bytes: int, lag: int):
    options = {**dialect, "block_bytes": block_bytes, "sample_bytes": 1}
    ends, complete = record_ends(data, DelimitedOptions(**dialect))
    blocks = []
    failed = False
    try:
        blocks.extend(blocks_of(data, chunk, lag, **options))
    except CutError:
        failed = True
    assert failed == (not complete)
    assert data.startswith(b"".join(blocks))
    places = {0, *ends} if failed else {0, *ends, len(data)}
    at = 0
    for block in blocks:
        at += len(block)
        assert at in places
    assert at == (max([0, *ends]) if failed else len(data))
    if chunk > 1 and complete:
        assert blocks == list(blocks_of(data, 1, **options))


def test_a_quote_inside_a_plain_field_is_text():
    data = b'6" pipe,1\n' * 500
    assert len(list(blocks_of(data, 64, block_bytes=100, sample_bytes=1))) > 10


def test_a_carriage_return_at_the_end_of_a_block_is_not_parted_from_its_line_feed():
    data = b"abc\r\n" * 20
    for size in range(3, 12):
        assert all(block.endswith(b"\r\n") for block in blocks_of(data, 7, block_bytes=size, sample_bytes=1))


def test_lines_that_end_with_carriage_returns_alone_are_cut():
    blocks = list(blocks_of(b"ab\rcd\ref\rgh", 8, block_bytes=4, sample_bytes=1))
    assert len(blocks) > 1
    assert all(block.endswith(b"\r") for block in blocks[:-1])


def test_a_quoted_value_full_of_line_ends_is_never_cut():
    data = b'1,"' + b"x\n" * 5000 + b'"\n2,y\n'
    blocks = list(blocks_of(data, 100, block_bytes=64, sample_bytes=1))
    assert blocks[0].startswith(b'1,"')
    assert blocks[0].count(b"\n") >= 5001


@pytest.mark.parametrize("text", [b"x" * 3000, b'"' + b"x\n" * 1500, b'""' * 1500, b"\\" * 3001])
def test_a_record_longer_than_the_limit_is_refused_before_more_is_read(text: bytes):
    pulled = 0

    def chunks() -> Iterator[bytes]:
        nonlocal pulled
        for _ in range(1000):
            pulled += 1
            yield text

    options = DelimitedOptions(max_record_bytes=1000, block_bytes=100, escape="\\")
    with pytest.raises(CutError, match="max_record_bytes") as caught:
        list(Cutter(TextSource(ByteStream(chunks()), "utf-8"), Dialect(options), options).blocks())
    assert (caught.value.offset, caught.value.option, pulled) == (0, "max_record_bytes", 1)


def test_an_open_quote_at_the_end_is_an_error_after_the_records_before_it():
    found = blocks_of(b'a,b\n1,2\n3,"x\n', 5)
    assert next(found) == b"a,b\n1,2\n"
    with pytest.raises(CutError, match="never closed") as caught:
        next(found)
    assert caught.value.offset == 8


def test_the_search_in_hostile_quotes_takes_time_in_proportion():
    source = random.Random(5)
    data = bytes(source.choice(b'",\n') for _ in range(300_000)) + b'"' + b'\n""' * 300_000
    options = DelimitedOptions(max_record_bytes=4 << 20)
    with pytest.raises(CutError):
        list(blocks_of(data + b" " if not Dialect(options).is_complete(data) else data + b'\n"', 1 << 20))


@pytest.mark.parametrize("most", [1, 2, 3, 10])
def test_fields_are_counted_no_further_than_needed(most: int):
    record = b'a,"b,c",d\n'
    assert Dialect(DelimitedOptions()).count_fields(record, most) == min(3, most + 1)
