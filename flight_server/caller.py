"""Who a stream is for, as far as code that may run for long has to know: what to log it under, and whether it still waits."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self


def _stays() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Caller:
    """``call`` is the method, ``id`` tells calls apart in the log.

    ``feeds`` says that the caller sends what is worked on, and may wait for its outcome before it sends more.
    ``has_gone`` may be asked for as long as the call runs, and by its own thread only: it looks at what dies with the call.
    """

    call: str = "nobody's"
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    feeds: bool = True
    has_gone: Callable[[], bool] = _stays

    @classmethod
    def nobody(cls) -> Self:
        """Return a caller that stays to the end."""
        return cls()
