"""How hard the long tests try: a little in `make test`, in full in `make endurance` (FLIGHT_ENDURANCE=1)."""

import os

FULL = os.environ.get("FLIGHT_ENDURANCE") == "1"


def effort(little, full):
    """The figure for this run."""
    return full if FULL else little


def within(secs):
    """Seconds that something may take: as promised in full effort, on a quiet machine; ten times as many beside other tests."""
    return effort(10 * secs, secs)


def report(line):
    """Print a figure that the issue of a target asks for; `make endurance` shows it."""
    print(f"\n[measured] {line}")  # noqa: T201 - what the command is for
