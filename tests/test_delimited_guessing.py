"""Ends of blocks that are guessed: a wrong guess changes nothing but the time that it takes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from format_plugins.contract import FormatError
from format_plugins.delimited.document import read_document
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.streams import ByteStream

SCHEMA = pa.schema([("a", pa.string()), ("b", pa.string())])

pieces = st.sampled_from(
    [
        "a,b\n",
        'x"y,2\n',
        '"q,r",s\n',
        '"two\nlines",t\n',
        ',6" pipe\n',
        '"",""\n',
        '"a""b",c\n',
        "\n",
        "1,2,3\n",
        '"open',
        '5",6\n',
        "ü,ß\n",
        "\ufeffa,b\n",
        '\ufeff"q,r\n',
        "1,2\r",
        "1,2\r\n",
        '"dos\r\nlines",t\r\n',
        "nul\0,2\n",
    ]
)
documents = st.lists(pieces, max_size=40).map(lambda parts: "".join(["k,v\n", *parts]))


def outcome(chunks: Iterator[bytes], **options: int) -> tuple[list, str]:
    """Return the rows, and the error that followed them."""
    rows: list = []
    try:
        for batch in read_document(SCHEMA, ByteStream(chunks), DelimitedOptions(header=False, **options)):
            rows += batch.to_pylist()
    except FormatError as error:
        return rows, str(error)
    return rows, ""


@settings(max_examples=300, deadline=None)
@given(documents, st.integers(1, 60))
def test_rows_and_errors_do_not_depend_on_where_blocks_end(document: str, block_bytes: int):
    data = document.encode()
    known = outcome(iter([data]))
    guessed = outcome(iter([data]), sample_bytes=1, block_bytes=block_bytes)
    assert guessed[1] == known[1]
    # The rows of a block that has an error are not given out: of smaller blocks, fewer are lost.
    assert guessed[0][: len(known[0])] == known[0]
    assert known[1] or len(guessed[0]) == len(known[0])


@pytest.mark.parametrize("block_bytes", [1, 100])
def test_a_byte_order_mark_behind_the_start_is_text_wherever_a_block_begins(block_bytes: int):
    rows, error = outcome(iter(["k,v\n\ufeffa,b\n\ufeffc,d\n".encode()]), sample_bytes=1, block_bytes=block_bytes)
    assert not error
    assert [row["a"] for row in rows] == ["k", "\ufeffa", "\ufeffc"]


@pytest.mark.parametrize("block_bytes", [1, 100])
@pytest.mark.parametrize("width", [1, 2])
def test_blank_lines_before_one_column_are_records_where_one_is_expected(width: int, block_bytes: int):
    schema = pa.schema([(name, pa.string()) for name in "ab"[:width]])
    options = DelimitedOptions(header=False, sample_bytes=block_bytes, block_bytes=block_bytes)
    rows = read_document(schema, ByteStream(iter([b"\n\ntea\n"])), options).read_all().column(0).to_pylist()
    assert rows == ([None, None, "tea"] if width == 1 else ["tea"])


def test_a_wrong_guess_behind_the_sample_loses_no_record():
    record = b'1,"a\nb"\n2,6" pipe\n'
    data = record * 5000
    rows, error = outcome((data[at : at + 999] for at in range(0, len(data), 999)), sample_bytes=100, block_bytes=1000)
    assert not error
    assert rows == [{"a": "1", "b": "a\nb"}, {"a": "2", "b": '6" pipe'}] * 5000


def test_text_that_is_not_utf_8_behind_a_wrong_guess_is_refused_with_its_row():
    rows, error = outcome(iter([b'1,6" pipe\n' * 100 + b"\xff,2,3\n" + b"5,6\n" * 100]), sample_bytes=20, block_bytes=100)
    assert error.startswith("row 101: it has 3 columns, where 2 are expected"), error
    assert len(rows) <= 100


class Broken(Exception):
    """What a stream fails with."""


@pytest.mark.parametrize("sample_bytes", [10, 1 << 20])
def test_a_stream_that_fails_fails_so_behind_a_wrong_guess_too(sample_bytes: int):
    class Held:
        """Something of the call that must not outlive it."""

    seen: list[weakref.ref] = []

    def chunks() -> Iterator[bytes]:
        held = Held()
        seen.append(weakref.ref(held))
        for _ in range(50):
            yield b'1,6" pipe\n' * 9
        raise Broken("the line broke")

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(Broken, match="the line broke"):
            outcome(chunks(), sample_bytes=sample_bytes, block_bytes=100)
        assert seen[0]() is None
    finally:
        gc.enable()
