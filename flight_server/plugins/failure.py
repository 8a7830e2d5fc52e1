"""Why a plugin could not be loaded, as text only: a kept exception would keep the code that raised it alive."""

from __future__ import annotations

import re
import resource
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

from flight_server.nursery import sandbox
from format_plugins.contract import PluginMetadata

SENTENCE_CHARS = 400
TRACEBACK_CHARS = 16 << 10
#: As much of an exception's own words is looked at: a plugin may put a whole document into them.
_SAID_CHARS = 2000

# "/srv/plugins/lines.py" becomes "lines.py": a server's paths are nobody's business on the wire.
_FOLDERS = re.compile(r"(?<![\w./])/(?:[^/\s'\":,]+/)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What an operator reads, what the author reads in the log, and what the plugin would have served.

    ``again``: it could not be tried, so that nothing is known against its bytes. Who tries them again says so in the sentence.
    """

    sentence: str
    traceback: str = ""
    metadata: PluginMetadata | None = None
    again: bool = False


class LoadError(Exception):
    """A plugin breaks a rule, or raised something: a sentence for operators, a traceback for the author."""

    def __init__(self, sentence: str, *, trace: str = "") -> None:
        super().__init__(sentence[:SENTENCE_CHARS])
        self.trace = trace


@contextmanager
def plugin_code(doing: str, *, own: tuple[str, ...]) -> Iterator[None]:
    """Run code of the plugin whose code objects name files that begin with ``own``; whatever it raises becomes a ``LoadError``.

    ``doing`` begins the sentence: "lines.py cannot be imported". Plugins call ``sys.exit`` and native ones panic past
    ``Exception``, so nothing gets by but an operator's Ctrl-C.
    """
    try:
        yield
    except LoadError:
        raise
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise LoadError(f"{doing}: {explained(error)}{_place(error, own)}", trace=authors_traceback(error, own)) from None


def is_interrupt(error: BaseException) -> bool:
    """Say whether ``error`` is the operator's Ctrl-C, and not a plugin that raises the same."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def explained(error: BaseException) -> str:
    """Put an exception in one line, without folders of the server."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} (line {error.lineno})"
    lines = said(error).strip().splitlines()
    if isinstance(error, MemoryError):
        return _out_of_memory()
    words = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return f"{words}: {refusal}" if (refusal := sandbox.refusal(error)) else words


def _out_of_memory() -> str:
    allowed, _ = resource.getrlimit(resource.RLIMIT_DATA)
    limit = "" if allowed == resource.RLIM_INFINITY else f" (plugins.limits.memory_bytes allows {allowed:,} bytes)"
    return f"it ran out of memory{limit}"


def said(error: BaseException) -> str:
    """Return the words of a plugin's exception, without folders of the server; no more than anybody reads."""
    try:
        return without_folders(str(error)[:_SAID_CHARS])
    except BaseException:  # noqa: BLE001 - a plugin's __str__ may do anything
        return ""


def without_folders(text: str) -> str:
    """Cut absolute paths in ``text`` down to their last part."""
    return _FOLDERS.sub("", text)


def authors_traceback(error: BaseException, own: tuple[str, ...]) -> str:
    """Format a traceback from the first line of the plugin on: what the host did before is not its author's concern."""
    frames = error.__traceback__
    while frames is not None and not _is_own(frames, own):
        frames = frames.tb_next
    if frames is None and not isinstance(error, SyntaxError):  # which names its line itself
        frames = error.__traceback__
    text = "".join(traceback.format_exception(type(error), error, frames))
    if refusal := sandbox.refusal(error):
        text += f"{refusal}\n"
    return text[-TRACEBACK_CHARS:]


def _place(error: BaseException, own: tuple[str, ...]) -> str:
    line = None
    frames = error.__traceback__
    while frames is not None:
        if _is_own(frames, own):
            line = frames.tb_lineno
        frames = frames.tb_next
    return "" if line is None else f" (line {line})"


def _is_own(frames: TracebackType, own: tuple[str, ...]) -> bool:
    return frames.tb_frame.f_code.co_filename.startswith(own)
