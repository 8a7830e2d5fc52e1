"""Content encodings come out as they went in, in bounded memory, or not at all."""

import bz2
import gzip
import hashlib
import shutil
import subprocess

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trips import Memory, Watched, cut

from format_plugins.content_encodings import ENCODINGS, SUFFIXES, ExpansionLimitError, decode_chunks, encode_chunks
from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.pieces import MIN_PIECE_BYTES

TEXT = b"hello, world, " * 60
NOISE = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(20_000))
TOOLS = {"gzip": "gzip", "zstd": "zstd", "lz4": "lz4", "bz2": "bzip2"}

every_encoding = pytest.mark.parametrize("encoding", ENCODINGS)


def packed(encoding, document, size=None):
    return b"".join(encode_chunks(encoding, cut(document, size)))


def unpacked(encoding, document, size=None, **limits):
    return b"".join(decode_chunks(encoding, cut(document, size), **{"max_ratio": 100_000, **limits}))


@every_encoding
@pytest.mark.parametrize(
    "document", [b"", b"x", TEXT, NOISE, NOISE[:100_000] * 30], ids=["empty", "byte", "text", "noise", "long"]
)
def test_a_document_comes_back_as_it_was(encoding, document):
    assert unpacked(encoding, packed(encoding, document)) == document


@every_encoding
@pytest.mark.parametrize("size", [1, 7, 4093, 1 << 20])
def test_where_chunks_end_changes_nothing(encoding, size):
    document = NOISE[:20_000] if size == 1 else NOISE
    assert unpacked(encoding, packed(encoding, document, size), size) == document


@every_encoding
@given(chunks=st.lists(st.binary(max_size=200), max_size=8))
def test_any_chunks_come_back_as_they_were(encoding, chunks):
    assert b"".join(decode_chunks(encoding, encode_chunks(encoding, chunks), max_ratio=1000)) == b"".join(chunks)


@every_encoding
@pytest.mark.parametrize("size", [1, None])
def test_members_that_follow_one_another_are_read_through(encoding, size):
    documents = [TEXT, b"", NOISE[:1000], b"end"]
    assert unpacked(encoding, b"".join(packed(encoding, part) for part in documents), size) == b"".join(documents)


@every_encoding
def test_a_document_cut_short_anywhere_is_an_error(encoding):
    document = packed(encoding, TEXT)
    for end in range(len(document)):
        with pytest.raises(FormatError):
            unpacked(encoding, document[:end])


@every_encoding
def test_a_long_document_cut_short_is_an_error(encoding):
    document = packed(encoding, NOISE)
    for end in range(1, len(document), len(document) // 23):
        with pytest.raises(FormatError):
            unpacked(encoding, document[:end])


@every_encoding
def test_no_flipped_bit_changes_what_comes_out(encoding):
    document = packed(encoding, TEXT)
    for position in range(len(document) * 8):
        damaged = bytearray(document)
        damaged[position // 8] ^= 1 << position % 8
        try:
            found = unpacked(encoding, bytes(damaged))
        except FormatError:
            continue
        assert found == TEXT  # a bit that says nothing, such as the time in a gzip header


@every_encoding
@pytest.mark.parametrize("tail", [b"x", b"garbage after the end", NOISE[:100]])
def test_bytes_after_the_end_are_an_error(encoding, tail):
    with pytest.raises(FormatError):
        unpacked(encoding, packed(encoding, TEXT) + tail)


@pytest.mark.parametrize("size", [None, 1])
@pytest.mark.parametrize("tail", [b"\0", bytes(200_000)], ids=["one", "many"])
def test_zeros_after_gzip_are_padding(tail, size):
    assert unpacked("gzip", packed("gzip", TEXT) + tail, size) == TEXT


def test_a_gzip_member_may_follow_padding():
    assert unpacked("gzip", packed("gzip", TEXT) + bytes(512) + packed("gzip", b"more")) == TEXT + b"more"


@every_encoding
@pytest.mark.parametrize("document", [b"", b"\0" * 100, b"plain text", NOISE], ids=["none", "zeros", "text", "noise"])
def test_what_is_not_encoded_is_an_error(encoding, document):
    with pytest.raises(FormatError):
        unpacked(encoding, document)


def test_no_bytes_at_all_are_said_to_be_a_lost_document():
    with pytest.raises(FormatError, match="empty, not even a header"):
        unpacked("gzip", b"")


@every_encoding
def test_a_bomb_is_stopped_at_its_ratio(encoding):
    bomb = packed(encoding, bytes(30 << 20))
    seen = []
    with pytest.raises(ExpansionLimitError, match="more than 10-fold"):
        seen.extend(map(len, decode_chunks(encoding, [bomb], max_ratio=10, slack_bytes=4 << 20)))
    assert sum(seen) <= 5 << 20


@every_encoding
def test_a_short_document_may_grow_by_any_ratio(encoding):
    assert unpacked(encoding, packed(encoding, bytes(3 << 20)), max_ratio=2, slack_bytes=3 << 20) == bytes(3 << 20)


@every_encoding
def test_one_step_of_a_bomb_is_small(encoding):
    bomb = packed(encoding, bytes(60 << 20))
    with Memory() as memory:
        steps = [len(piece) for piece in decode_chunks(encoding, [bomb], max_ratio=1 << 30)]
    assert max(steps) <= 1 << 20
    assert sum(steps) == 60 << 20
    assert memory.grown < 24 << 20


@every_encoding
def test_encoding_does_not_hold_the_document(encoding):
    with Memory() as memory:
        size = sum(len(piece) for piece in encode_chunks(encoding, (NOISE for _ in range(20 if encoding == "bz2" else 200))))
    assert size > 0
    assert memory.grown < 24 << 20


@every_encoding
def test_a_huge_chunk_is_encoded_in_pieces(encoding):
    pieces = [len(piece) for piece in encode_chunks(encoding, [NOISE * 5])]
    assert len(pieces) > 1
    assert min(pieces[:-1]) >= MIN_PIECE_BYTES


@every_encoding
def test_decoding_begins_before_the_source_ends(encoding):
    source = Watched(cut(packed(encoding, NOISE * 5), 10_000))
    next(decode_chunks(encoding, source, max_ratio=1000))
    assert source.taken < 3 << 20


@every_encoding
def test_closing_early_closes_the_source(encoding):
    source = Watched(cut(packed(encoding, NOISE), 1000))
    pieces = decode_chunks(encoding, source, max_ratio=1000)
    next(pieces)
    pieces.close()
    assert source.closed


@every_encoding
def test_closing_an_encoder_early_closes_the_source(encoding):
    source = Watched(NOISE for _ in range(100))
    pieces = encode_chunks(encoding, source)
    next(pieces)
    pieces.close()
    assert source.closed


@every_encoding
@pytest.mark.parametrize("failure", [ConnectionResetError("gone"), pa.ArrowInvalid("theirs"), OSError("bare"), EOFError()])
def test_a_failure_of_the_source_passes_through(encoding, failure):
    def failing():
        yield packed(encoding, NOISE)[:100_000]
        raise failure

    with pytest.raises(type(failure)) as caught:
        b"".join(decode_chunks(encoding, failing(), max_ratio=1000))
    assert caught.value is failure


@pytest.mark.parametrize("encoding", ["xz", "snappy", "brotli", "identity", ""])
@pytest.mark.parametrize("call", [encode_chunks, lambda *args: decode_chunks(*args, max_ratio=1)])
def test_an_encoding_that_is_not_served_is_refused_before_anything_is_read(encoding, call):
    source = Watched([b"x"])
    with pytest.raises(UnsupportedError, match="gzip, zstd, lz4, bz2"):
        call(encoding, source)
    assert source.taken == 0


def test_every_encoding_has_a_suffix():
    assert set(ENCODINGS) <= set(SUFFIXES.values())


@every_encoding
@pytest.mark.parametrize("document", [b"", TEXT, NOISE], ids=["empty", "text", "noise"])
def test_the_tool_of_the_encoding_reads_what_is_written(encoding, document):
    run = subprocess.run([tool(encoding), "-dc"], input=packed(encoding, document), capture_output=True, check=True)
    assert run.stdout == document


@every_encoding
@pytest.mark.parametrize("document", [b"", TEXT, NOISE], ids=["empty", "text", "noise"])
def test_what_the_tool_of_the_encoding_writes_is_read(encoding, document):
    run = subprocess.run([tool(encoding), "-c"], input=document, capture_output=True, check=True)
    assert unpacked(encoding, run.stdout) == document


def tool(encoding):
    found = shutil.which(TOOLS[encoding])
    if found is None:
        pytest.skip(f"NOT TESTED: there is no {TOOLS[encoding]} here")
    return found


def test_what_the_standard_library_writes_is_read():
    assert unpacked("gzip", gzip.compress(NOISE)) == unpacked("bz2", bz2.compress(NOISE)) == NOISE


def test_a_zstd_frame_that_says_nothing_is_passed_over():
    skippable = bytes.fromhex("502a4d18") + (5).to_bytes(4, "little") + b"12345"
    assert unpacked("zstd", skippable + packed("zstd", TEXT) + skippable) == TEXT
