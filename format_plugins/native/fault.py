"""Native failures as Python exceptions: whose fault it was, in which words, and where in the document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.native.abi import Error, Status
from format_plugins.options import OptionError


class NativePluginError(Exception):
    """A native plugin failed, and by its own fault."""


class Cancelled(Exception):
    """A native plugin stopped because it was told to."""


_Made = Callable[[str, dict[str, Any]], Exception]
_KINDS: dict[int, _Made] = {
    Status.BAD_DATA: lambda said, place: FormatError(said, **place),
    Status.UNSUPPORTED: lambda said, place: UnsupportedError(said, **place),
    Status.BAD_OPTION: lambda said, place: OptionError(said, key=place["option"] or ""),
    Status.CANCELLED: lambda said, _: Cancelled(said),
    Status.NO_MEMORY: lambda said, _: MemoryError(said),
}
#: What pyarrow makes of the errno that a stream returned.
_ERRNOS: tuple[tuple[type[BaseException], int], ...] = (
    (pa.ArrowInvalid, Status.BAD_DATA),
    (pa.ArrowNotImplementedError, Status.UNSUPPORTED),
    (pa.ArrowMemoryError, Status.NO_MEMORY),
)


def of_call(doing: str, status: int, error: Error) -> Exception:
    """Make the exception for a function that returned ``status``, which is not 0."""
    said = _text(error.message) or f"{doing} failed with status {status}, and the plugin does not say why"
    return _made(status, said, error)


def of_stream(raised: BaseException, error: Error) -> BaseException:
    """Make the exception for a stream of Arrow that failed: the plugin's own words, or else what pyarrow ``raised``."""
    if error.code != Status.OK:
        return of_call("the stream", error.code, error)
    said = str(raised) or "the stream of record batches failed, and the plugin does not say why"
    for kind, status in _ERRNOS:
        if isinstance(raised, kind):
            return _made(status, said, error)
    return NativePluginError(said) if isinstance(raised, Exception) else raised


def _made(status: int, said: str, error: Error) -> Exception:
    make = _KINDS.get(status)
    return NativePluginError(said) if make is None else make(said, _place(error))


def _place(error: Error) -> dict[str, Any]:
    texts = {name: _text(getattr(error, name)) or None for name in ("column", "value", "option")}
    numbers = {name: getattr(error, name) if getattr(error, name) >= 0 else None for name in ("offset", "row")}
    return {**texts, **numbers}


def _text(array: bytes) -> str:
    return array.decode("utf-8", "replace")
