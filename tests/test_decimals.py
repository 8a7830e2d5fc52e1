"""Texts become decimals exactly, or not at all."""

from decimal import Context, Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from format_plugins.decimals import of_texts

TYPES = [
    pa.decimal32(9, 4),
    pa.decimal64(18, 0),
    pa.decimal128(38, 38),
    pa.decimal128(38, 2),
    pa.decimal128(5, -2),
    pa.decimal256(76, 40),
]
EXACT = Context(prec=1000, Emax=10_000, Emin=-10_000)


def fits(number, kind):
    """Whether a number is a multiple of the type's unit, and small enough: by Python's own arithmetic."""
    unscaled = number.scaleb(kind.scale, EXACT)
    return unscaled == unscaled.to_integral_value() and abs(unscaled) < Decimal(10) ** kind.precision


@given(st.sampled_from(TYPES), st.decimals(allow_nan=False, allow_infinity=False).filter(lambda n: abs(n.adjusted()) < 500))
def test_every_number_is_exact_or_refused(kind, number):
    texts = pa.array([str(number), None])
    if fits(number, kind):
        assert of_texts(texts, kind).to_pylist() == [number, None]
    else:
        with pytest.raises(ValueError, match="digits"):
            of_texts(texts, kind)


@pytest.mark.parametrize("text", ["", "x", "1_000", "NaN", "Infinity", "1.2.3", "٣", "1e", "--1", "0x10", "1e999999999"])
def test_what_is_no_decimal_is_refused(text):
    with pytest.raises(ValueError, match=r"decimal|digits"):
        of_texts(pa.array([text]), pa.decimal128(38, 2))


def test_no_texts_are_no_decimals():
    assert of_texts(pa.array([], pa.string()), pa.decimal128(5, 2)).type == pa.decimal128(5, 2)
