"""What a plugin raised, across the border between processes: to a frame in the child, and back to an error in the server."""

from __future__ import annotations

from typing import Any

from flight_server.errors import LimitExceeded, PluginFailed, ServerError
from flight_server.plugins.failure import TRACEBACK_CHARS, authors_traceback, explained, said
from flight_server.runtime.frames import Failed
from format_plugins.content_encodings import ExpansionLimitError
from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.options import OptionError
from format_plugins.streams import SpoolLimitError

_TEXT_CHARS = 2000
#: After these a child is as good as before; after others nobody knows.
_HARMLESS = frozenset({"format", "unsupported", "option", "spool", "limit"})


def told(error: BaseException, own: tuple[str, ...]) -> Failed:
    """Put in a frame what code of the plugin whose files are named like ``own`` has raised. In the child."""
    if isinstance(error, ExpansionLimitError):
        return Failed("limit", _plain(f"{said(error)} (limits.expansion_ratio)"))
    if isinstance(error, FormatError):
        kind = "unsupported" if isinstance(error, UnsupportedError) else "format"
        return Failed(
            kind,  # type: ignore[arg-type] # one of the literals, as the line above has it
            _plain(said(error)),
            offset=_number(error.offset),
            row=_number(error.row),
            column=_text(error.column) if not isinstance(error.column, int) else _number(error.column),
            value=_text(error.value),
            option=_text(error.option),
        )
    if isinstance(error, OptionError):
        return Failed("option", _plain(said(error)), option=_text(error.key))
    if isinstance(error, SpoolLimitError):
        return Failed("spool", _plain(said(error)), offset=error.limit_bytes)
    if isinstance(error, ServerError):
        return Failed("limit" if isinstance(error, LimitExceeded) else "host", _plain(str(error)))
    trace = authors_traceback(error, own)[-TRACEBACK_CHARS:]
    return Failed("plugin", _plain(explained(error)), trace=_plain(trace, TRACEBACK_CHARS))


def is_harmless(failed: Failed) -> bool:
    """Say whether the child that said so can serve another stream."""
    return failed.kind in _HARMLESS


def raised(failed: Failed, plugin: str) -> Exception:
    """Make the error that the same would have been in this process. In the server, which trusts no length."""
    message = failed.message[:_TEXT_CHARS]
    if failed.kind == "spool":
        return SpoolLimitError(failed.offset or 0)
    if failed.kind == "option":
        return OptionError(message, key=(failed.option or "")[:_TEXT_CHARS])
    if failed.kind == "limit":
        return LimitExceeded(message)
    if failed.kind == "host":
        return PluginFailed(message, format=plugin)
    if failed.kind == "plugin":
        return PluginFailed(f"the plugin {plugin!r} failed: {message}", format=plugin)
    made = UnsupportedError if failed.kind == "unsupported" else FormatError
    return made(
        message,
        offset=failed.offset,
        row=failed.row,
        column=_text(failed.column) if isinstance(failed.column, str) else failed.column,
        value=failed.value,
        option=_text(failed.option),
    )


def _number(value: Any) -> int | None:  # noqa: ANN401 - whatever a plugin put there
    is_number = isinstance(value, int) and abs(value) < 1 << 63
    return int(value) if is_number else None


def _text(value: Any) -> str | None:  # noqa: ANN401 - whatever a plugin put there
    try:
        return None if value is None else _plain(str(value))
    except Exception:  # noqa: BLE001 - a plugin's __str__ may do anything
        return None


def _plain(text: str, most: int = _TEXT_CHARS) -> str:
    """Cut a text, and replace in it what cannot be sent: halves of surrogate pairs."""
    return text[:most].encode("utf-8", "replace").decode()
