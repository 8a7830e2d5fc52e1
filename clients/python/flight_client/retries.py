"""When a call is made again, how often, and how long it waits before."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from flight_client.cancelling import Cancel
from flight_client.errors import Busy, DeadlineExceeded, FlightClientError, ShuttingDown


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How much trouble a call is carried through: with the defaults, the restart of a server.

    Only what is safe is made again, and only after ``busy``, ``shutting_down`` and ``unavailable``: never what the server
    refused, and never what ran out of time. The waits double from ``first_delay`` to ``longest_delay``, each shortened
    by chance by up to a half, so that many clients do not come back at once. When ``attempts`` or ``seconds`` are used
    up, the last error is raised. ``seconds`` count from the first failure after the last sign of life.

    A server that this client has never heard from is not waited for, so that a wrong address is told at once, unless
    ``before_contact`` is set.
    """

    attempts: int = 12
    seconds: float = 60.0
    first_delay: float = 0.1
    longest_delay: float = 5.0
    before_contact: bool = False


#: What a client does unless it is told otherwise.
DEFAULT = Retries()
#: Every call is made once.
NEVER = Retries(attempts=1)


class Tries:
    """One call's use of its ``Retries``."""

    def __init__(self, policy: Retries, cancel: Cancel) -> None:
        self._policy = policy
        self._cancel = cancel
        self._failed = 0
        self._since: float | None = None

    def worked(self) -> None:
        """Begin to count the seconds anew: the server took something in since."""
        self._since = None

    def again(self, error: FlightClientError, *, safe: bool = True, heard: bool = True) -> None:
        """Wait until the call may be made again, or raise ``error`` when it may not.

        ``safe`` says that doing it twice does no more than doing it once; what was turned away at the door has not
        been done. ``heard`` says that the server was there before.
        """
        at_the_door = isinstance(error, Busy | ShuttingDown)
        wanted = error.retryable and not isinstance(error, DeadlineExceeded) and (safe or at_the_door)
        if not wanted or not (heard or at_the_door or self._policy.before_contact):
            raise error
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        self._failed += 1
        delay = min(self._policy.first_delay * 2 ** (self._failed - 1), self._policy.longest_delay)
        delay *= random.uniform(0.5, 1)  # noqa: S311 - it spreads clients, it hides nothing
        if self._failed >= self._policy.attempts or now + delay - self._since > self._policy.seconds:
            raise error
        self._cancel.sleep(delay)
