"""What an encoder writes comes out in order and in large pieces."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from format_plugins.pieces import MIN_PIECE_BYTES, PieceSink

SIZES = st.lists(st.sampled_from([0, 1, 100, MIN_PIECE_BYTES - 1, MIN_PIECE_BYTES, MIN_PIECE_BYTES * 3]), max_size=12)


@given(SIZES, st.integers(1, 5))
def test_pieces_hold_what_was_written_and_all_but_the_last_are_large(sizes, every):
    sink, document, pieces = PieceSink(), bytearray(), []
    for number, size in enumerate(sizes):
        data = bytes([number]) * size
        assert sink.write(data) == size
        document += data
        if number % every == 0:
            pieces += map(bytes, sink.take())
    pieces += map(bytes, sink.rest())
    assert b"".join(pieces) == document
    assert sink.tell() == len(document)
    assert all(len(piece) >= MIN_PIECE_BYTES for piece in pieces[:-1])


def test_a_large_piece_is_not_copied():
    sink, data = PieceSink(), pa.py_buffer(bytes(MIN_PIECE_BYTES))
    sink.write(data)
    (piece,) = sink.take()
    assert piece.address == data.address


def test_what_was_written_can_be_taken_after_closing():
    sink = PieceSink()
    sink.write(b"ab")
    sink.close()
    assert [bytes(piece) for piece in sink.rest()] == [b"ab"]
