"""A put, repeated where that is safe until the server says that it is stored, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from flight_client.cancelling import Cancel
from flight_client.errors import FlightClientError
from flight_client.line import Line
from flight_client.put_call import CallFailed, PutCall
from flight_client.results import Progress, PutResult
from flight_client.retries import Tries
from flight_client.sources import Original, Source

OnProgress: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Put:
    """What a put needs beside its source. ``status`` asks the server, once, what it knows of the put's id."""

    line: Line
    request: Mapping[str, Any]
    status: Callable[[], PutResult | None]
    own_id: bool  # the put_id was made for this call: nobody else has used it
    on_progress: OnProgress | None
    cancel: Cancel

    def carry_out(self, original: Original) -> PutResult:
        """Send ``original`` and return the server's answer.

        When anything is raised nothing is stored, with one exception: ``NoAnswer`` may come after the commit message has
        gone out, and then ``put_status`` tells. After a failure of the line the server is asked whether it has the put;
        if it has not, and ``original`` is repeatable, it is sent again under the same id, which is stored once only,
        even when the first call still runs there unnoticed.
        """
        tries = self.line.tries(self.cancel)
        uncertain = False  # a commit message may have arrived, and no answer came
        while True:
            try:
                with original.opened() as source:
                    return self._attributed(self._once(source), uncertain=uncertain)
            except CallFailed as failed:
                error = failed.error.with_traceback(None)
                uncertain = uncertain or failed.committed
                if failed.moved:
                    tries.worked()
            if not (uncertain or original.repeatable):
                raise error
            tries.again(error, heard=self.line.heard)
            stored = self._stored(tries) if uncertain else None
            if stored is not None:
                return self._attributed(stored, uncertain=True)
            if not original.repeatable:
                raise error

    def _once(self, source: Source) -> PutResult:
        call = PutCall(self.line, self.request, cancel=self.cancel, on_progress=self.on_progress)
        try:
            call.start(source.schema)
            for batch in source.batches():
                call.send(batch)
            call.commit(source.figures())
            return PutResult.of(call.result())
        except BaseException as error:
            call.abort(error, wait=not isinstance(error, CallFailed))
            raise
        finally:
            call.let_go()

    def _stored(self, tries: Tries) -> PutResult | None:
        while True:
            try:
                return self.status()
            except FlightClientError as error:
                tries.again(error, heard=self.line.heard)

    def _attributed(self, result: PutResult, *, uncertain: bool) -> PutResult:
        """Return the answer as if the first try had had it: what was stored before was stored by this very call."""
        return replace(result, replayed=False) if uncertain and self.own_id else result
