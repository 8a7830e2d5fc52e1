"""Whose fault an exception of Arrow is: wrong data becomes ``FormatError``, all else stays what it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa

from format_plugins.contract import FormatError, UnsupportedError

_MESSAGE_CHARS = 400  # Arrow quotes data at length


class Fallible(Protocol):
    """What Arrow reads from, when that is ours; it keeps what its ``read`` raised."""

    failure: BaseException | None


@contextmanager
def wrong_data(document: str, source: Fallible | None = None) -> Iterator[None]:
    """Turn what Arrow raises for data that it cannot read into ``FormatError("<document>: <Arrow's message>")``.

    Put it around Arrow's calls only, never around a ``yield``. What ``source`` raised while Arrow read from it passes
    through; so do a failing disk (it has an ``errno``) and a cancellation.
    """
    try:
        yield
    except (pa.ArrowException, ValueError, OverflowError, OSError) as error:
        if _is_not_data(error) or (source is not None and error is source.failure):
            raise
        kind = UnsupportedError if isinstance(error, pa.ArrowNotImplementedError) else FormatError
        raise kind(f"{document}: {_message(error)}") from error
    finally:
        if source is not None:
            source.failure = None  # its traceback holds the source, which would hold it and so keep the stream's memory


def _is_not_data(error: Exception) -> bool:
    if isinstance(error, pa.ArrowCancelled):
        return True
    return isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None)


def _message(error: BaseException) -> str:
    message = " ".join(str(error).split()) or type(error).__name__
    return message if len(message) <= _MESSAGE_CHARS else message[:_MESSAGE_CHARS] + " ..."
