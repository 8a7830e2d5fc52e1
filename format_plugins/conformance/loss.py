"""Losses: what a format cannot carry, declared as data, so that all else must come back as it was."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class How(StrEnum):
    """What becomes of a sample that does not come back as it was, other than that it has another type."""

    REFUSED = "is refused with UnsupportedError"
    CHANGED = "comes back as something else"
    UNREADABLE = "is written, and is refused with FormatError when it is read"
    UNDETECTED = "is not noticed"


@dataclass(frozen=True, slots=True)
class Loss:
    """Samples that do not come back, and how.

    ``what`` names samples (``flight-server plugin check`` and a failing test name them): one, or several with commas
    between, ``*`` for anything: ``"list*, struct*, map*"``. ``how`` is a ``How``, or the type that they come back as,
    as ``str(type)`` has it: ``"date32[day]"``; the values must then be the same. ``why`` is for people who read it.
    """

    what: str
    how: How | str
    why: str = ""

    def covers(self, sample: str) -> bool:
        """Say whether ``sample`` is one of those that are lost."""
        return any(fnmatchcase(sample, pattern) for pattern in self.patterns)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The names and patterns in ``what``."""
        return tuple(part.strip() for part in self.what.split(",") if part.strip())


#: The sample of a document that is cut short: a format whose documents have no end cannot always notice.
TRUNCATION = "truncation"


def declared(losses: tuple[Loss, ...], sample: str) -> Loss | None:
    """Return the first of ``losses`` that covers ``sample``."""
    return next((loss for loss in losses if loss.covers(sample)), None)


def as_written(sample: str, how: How | str) -> str:
    """Return the line of Python that declares a loss."""
    outcome = f"How.{how.name}" if isinstance(how, How) else f'"{how}"'
    return f'Loss("{sample}", {outcome})'
