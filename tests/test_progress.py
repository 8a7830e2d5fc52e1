"""Puts are told how far they have come while they run, and their writers are left alone afterwards."""

import json
import threading
import time

import pytest
from pyarrow import flight

from flight_server.progress import Progress


class Writer:
    """Stands for Flight's, which ends the process when it is used after its call."""

    def __init__(self, failure=None):
        self.told = []
        self.changed = threading.Event()
        self.failure = failure

    def write(self, buffer):
        self.told.append(json.loads(buffer.to_pybytes()))
        self.changed.set()
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def progress():
    progress = Progress(0.01)
    progress.start()
    yield progress
    progress.stop()


def test_a_put_is_told_its_figures_of_the_moment(progress):
    writer, rows = Writer(), iter(range(1, 1_000_000))
    with progress.of(writer, lambda: {"rows": next(rows), "bytes": 7}):
        assert writer.changed.wait(5)
    assert writer.told[0] == {"progress": {"rows": 1, "bytes": 7}}


def test_nothing_is_written_after_the_put(progress):
    writer, other = Writer(), Writer()
    with progress.of(writer, dict):
        assert writer.changed.wait(5)
    count = len(writer.told)
    with progress.of(other, dict):
        assert other.changed.wait(5)
    assert len(writer.told) == count


def test_a_client_that_has_gone_is_not_written_to_again(progress):
    gone, other = Writer(flight.FlightCancelledError("gone")), Writer()
    with progress.of(gone, dict), progress.of(other, dict):
        deadline = time.monotonic() + 5
        while len(other.told) < 5 and time.monotonic() < deadline:
            time.sleep(0.005)
    assert len(other.told) >= 5
    assert len(gone.told) == 1


def test_a_put_that_is_told_holds_up_no_other_put_that_ends(progress):
    held, release = threading.Event(), threading.Event()

    def figures():
        held.set()
        release.wait(5)
        return {}

    with progress.of(Writer(), figures):
        assert held.wait(5)
        begun = time.monotonic()
        with progress.of(Writer(), dict):
            pass
        took = time.monotonic() - begun
        release.set()
    assert took < 1
