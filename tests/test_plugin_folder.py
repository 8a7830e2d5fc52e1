"""Files are read when they have been still, and read again when their stamps cannot be trusted."""

import pytest

from flight_server.plugins.folder import Folder
from flight_server.plugins.settler import Settler

SIGNATURE = (("x.py", 1, 1, 1, 1, 1),)
OTHER = (("x.py", 1, 1, 2, 2, 2),)


class Clock:
    def __init__(self, now=100.0):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path, clock):
    return Folder(tmp_path, settle_secs=0.15, limit_bytes=1 << 20, clock=clock, wall=lambda: 4e9)


def test_a_file_settles_when_it_has_not_changed_for_the_settle_time():
    settler = Settler(0.15)
    assert settler.observe({"x.py": SIGNATURE}, 0.0) == {"x.py"}
    assert settler.observe({"x.py": SIGNATURE}, 0.1) == {"x.py"}
    assert settler.observe({"x.py": SIGNATURE}, 0.15) == set()


def test_a_change_starts_the_settle_time_anew():
    settler = Settler(0.15)
    settler.observe({"x.py": SIGNATURE}, 0.0)
    assert settler.observe({"x.py": OTHER}, 0.14) == {"x.py"}
    assert settler.observe({"x.py": OTHER}, 0.28) == {"x.py"}
    assert settler.due(0.28) == pytest.approx(0.01)


def test_a_file_that_is_gone_for_a_blink_is_moving_and_not_gone():
    settler = Settler(0.15)
    settler.observe({"x.py": SIGNATURE}, 0.0)
    assert settler.observe({}, 1.0) == {"x.py"}
    assert settler.observe({}, 1.2) == set()
    assert settler.due(1.2) is None


def test_an_unsettled_look_reads_all_and_a_settled_one_waits(tmp_path, folder, clock):
    (tmp_path / "x.py").write_text("a = 1")
    assert folder.look().scanned.moving == {"x.py"}
    assert set(folder.look(settled=False).scanned.still) == {"x.py"}
    clock.now += 1
    assert set(folder.look().scanned.still) == {"x.py"}


def test_what_has_not_changed_is_not_read_again(tmp_path, folder, clock):
    (tmp_path / "x.py").write_text("a = 1")
    folder.look()
    clock.now += 1
    assert set(folder.look().sources) == {"x.py"}
    assert set(folder.look().sources) == set()


def test_a_file_that_changed_a_moment_ago_is_hashed_again(tmp_path, clock):
    file = tmp_path / "x.py"
    file.write_text("a = 1")
    folder = Folder(tmp_path, settle_secs=0.0, limit_bytes=1 << 20, clock=clock, wall=lambda: file.stat().st_ctime + 1)
    assert set(folder.look().sources) == {"x.py"}
    assert set(folder.look().sources) == {"x.py"}


def test_a_file_that_changes_under_its_reader_waits_until_it_is_still_again(tmp_path, clock):
    class Disturbed(Folder):
        def read(self, file):
            source = super().read(file)
            if clock.now < 102:
                (tmp_path / file).write_text("a = 1 and more")
            return source

    (tmp_path / "x.py").write_text("a = 1")
    folder = Disturbed(tmp_path, settle_secs=0.15, limit_bytes=1 << 20, clock=clock, wall=lambda: 4e9)
    folder.look()
    clock.now = 101
    assert folder.look().scanned.moving == {"x.py"}
    clock.now = 103
    assert folder.look().scanned.moving == {"x.py"}
    clock.now = 104
    assert set(folder.look().scanned.still) == {"x.py"}


def test_a_file_that_comes_to_rest_during_a_look_is_looked_at_at_once(tmp_path, folder, clock):
    (tmp_path / "x.py").write_text("a = 1")
    folder.look()
    times = iter([clock.now + 0.14, clock.now + 0.16])
    folder._clock = lambda: next(times)  # this look takes its time
    view = folder.look()
    assert view.scanned.moving == {"x.py"}
    assert view.due_secs == 0
