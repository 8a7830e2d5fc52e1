"""Arrow's exceptions are the data's fault, unless they came from elsewhere."""

import errno

import pyarrow as pa
import pytest

from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.faults import wrong_data


class Source:
    failure = None


def raised_for(error, source=None):
    with pytest.raises(Exception) as caught, wrong_data("the file", source):  # noqa: PT011 - which one is the question
        raise error
    return caught.value


@pytest.mark.parametrize(
    "error",
    [pa.ArrowInvalid("x"), pa.ArrowKeyError("x"), OSError("x"), ValueError("x"), OverflowError("x"), pa.ArrowMemoryError("x")],
)
def test_what_arrow_raises_for_data_is_a_format_error(error):
    found = raised_for(error)
    assert type(found) is FormatError
    assert str(found).startswith("the file: ")


def test_what_arrow_does_not_know_is_unsupported():
    assert type(raised_for(pa.ArrowNotImplementedError("x"))) is UnsupportedError


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "disk"), ConnectionResetError("gone"), pa.ArrowCancelled("stop"), RuntimeError("x"), FormatError("x")],
)
def test_what_is_not_of_the_data_stays_what_it_is(error):
    assert raised_for(error) is error


def test_what_the_source_raised_stays_what_it_is():
    source, theirs = Source(), pa.ArrowInvalid("theirs")
    source.failure = theirs
    assert raised_for(theirs, source) is theirs


def test_what_the_source_raised_is_not_kept():
    source, theirs = Source(), pa.ArrowInvalid("theirs")
    source.failure = theirs
    raised_for(theirs, source)
    assert source.failure is None


def test_a_message_is_one_short_line():
    assert len(str(raised_for(pa.ArrowInvalid("x\n" * 5000)))) < 500
    assert "\n" not in str(raised_for(pa.ArrowInvalid("a\nb")))
