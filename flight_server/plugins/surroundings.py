"""What a plugin may have left in the process by being loaded, as far as it can only be told by comparing before and after."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How many functions wait for the end of the process, and the names of Arrow's compute functions."""

    at_exit: int
    functions: frozenset[str]

    @classmethod
    def now(cls) -> Self:
        """Look around."""
        return cls(atexit._ncallbacks(), frozenset(pc.function_registry().list_functions()))  # noqa: SLF001 - no other way

    def left_by(self, after: Self) -> Iterator[str]:
        """Yield in words what came between this moment and ``after``."""
        if (more := after.at_exit - self.at_exit) > 0:
            yield f"{more} function{'s' if more > 1 else ''} registered with atexit"
        for name in sorted(after.functions - self.functions):
            yield f"the compute function {name!r} (pyarrow.compute.register_scalar_function)"
