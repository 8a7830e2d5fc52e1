"""What a check finds: that a plugin keeps a rule, or in a sentence how it breaks it, and how to repair it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

DETAIL_CHARS = 8000
_LINE_CHARS = 300
_BEFORE = (__package__, "importlib.", "_frozen_importlib")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The verdict of one check. Plain text throughout, so that it can be printed, or sent as JSON."""

    check: str  # the name of the check: a sentence in snake case
    ok: bool
    skipped: bool = False  # nothing was judged; ``sentence`` says why
    sentence: str = ""  # what is wrong
    fix: str = ""  # what the plugin's author can do about it
    detail: str = ""  # a traceback, or the list of all cases; may have many lines


class Unmet(AssertionError):
    """A rule that the plugin breaks.

    ``owner`` names the check whose rule it is, when another check comes upon it: that one then has nothing to judge,
    and one mistake makes one failure.
    """

    def __init__(self, sentence: str, *, fix: str, detail: str = "", owner: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.fix = fix
        self.detail = detail[-DETAIL_CHARS:]
        self.owner = owner


class NotApplicable(Exception):
    """The check has nothing to judge in this plugin; the message says why."""


def told(error: BaseException) -> str:
    """Put an exception in one line."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    try:
        words = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - a plugin's __str__ may do anything
        words = ""
    return f"{type(error).__name__}: {words[:_LINE_CHARS]}" if words else type(error).__name__


def trace(error: BaseException) -> str:
    """Return the traceback of ``error``, without the frames before the plugin's first: of the kit, and of imports."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(_BEFORE):
        frames = frames.tb_next
    if frames is None and not isinstance(error, SyntaxError):  # which names its line itself
        frames = error.__traceback__
    return "".join(traceback.format_exception(type(error), error, frames))[-DETAIL_CHARS:]
