"""A plugin that crashes again and again is put aside, and what was good before it comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugin_samples import lines, started, version_of
from structlog.testing import capture_logs

from flight_server.errors import PluginCrashed
from flight_server.plugins.quarantine import Quarantine


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def run(folder, state_dir, clock):
    return lambda: started(folder, parts={"clock": clock, "state_dir": state_dir}, enable_hot_reload=False)


@pytest.fixture
def manager(run):
    with run() as running:
        yield running


def put(folder, manager, text):
    (folder / "lines.py").write_text(text)
    manager.reload()


def crash(manager, times=3, reason="signal 11"):
    number = manager.status("lines").generation
    return [manager.note_crash(number, reason) for _ in range(times)]


@given(st.lists(st.floats(0, 30), max_size=40), st.integers(1, 5), st.floats(0.5, 20))
def test_the_rule_is_that_many_crashes_in_that_time(gaps, crashes, secs):
    rule, now, seen = Quarantine(crashes, secs), 0.0, []
    for gap in gaps:
        now += gap
        seen.append(now)
        recent = seen[-crashes:]
        expected = len(recent) == crashes and now - recent[0] < secs
        assert rule.note("x", now) == expected
        if expected:
            seen.clear()


def test_one_does_not_count_for_the_other():
    rule = Quarantine(2, 10)
    assert not rule.note("one", 0)
    assert not rule.note("other", 1)
    assert rule.note("one", 2)


def test_it_can_be_switched_off():
    assert not any(Quarantine(0, 60).note("x", 0) for _ in range(100))


def test_one_crash_too_many_brings_the_last_good_generation_back(folder, manager):
    put(folder, manager, lines("1.0.0"))
    put(folder, manager, lines("2.0.0"))
    with capture_logs() as logs:
        assert crash(manager) == [False, False, True]
    status = manager.status("lines")
    assert (version_of(manager), status.state, status.generation) == ("1.0.0", "quarantined", 3)
    assert status.last_error == (
        "lines.py is in quarantine: its generation 2 crashed 3 times within 60 seconds: signal 11; it is tried again"
        " when the file changes or when it is reloaded"
    )
    assert [entry["event"] for entry in logs] == ["a plugin was put in quarantine", "a plugin was replaced"]
    assert manager.health()["quarantined"] == 1


def test_of_a_file_that_is_not_followed_no_change_of_it_is_promised(manager, tmp_path):
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_text(lines("1.0.0"))
    manager.load_plugin(elsewhere)
    crash(manager)
    assert manager.status("lines").last_error.endswith("; it is tried again when it is loaded again")
    manager.load_plugin(elsewhere)
    assert manager.status("lines").state == "active"


def test_without_an_earlier_one_the_name_answers_that_it_is_in_quarantine_and_why(folder, manager):
    put(folder, manager, lines("1.0.0"))
    crash(manager)
    status = manager.status("lines")
    assert (version_of(manager), status.state, status.generation) == (None, "quarantined", None)
    with pytest.raises(PluginCrashed, match=r"'lines' is not served: lines.py is in quarantine: .* signal 11"):
        manager.registry.lease("lines")


def test_crashes_that_are_far_apart_are_borne(folder, manager, clock):
    put(folder, manager, lines("1.0.0"))
    for _ in range(10):
        clock.now += 31
        assert crash(manager, times=1) == [False]


def test_crashes_of_a_generation_that_does_not_serve_any_more_are_not_counted(folder, manager):
    put(folder, manager, lines("1.0.0"))
    put(folder, manager, lines("2.0.0"))
    assert not any(manager.note_crash(1) for _ in range(10))
    assert version_of(manager) == "2.0.0"


def test_a_change_of_the_file_ends_it(folder, manager):
    put(folder, manager, lines("1.0.0"))
    crash(manager)
    put(folder, manager, lines("1.0.1"))
    assert (version_of(manager), manager.status("lines").state) == ("1.0.1", "active")


@pytest.mark.parametrize("again", [lambda manager: manager.reload(), lambda manager: manager.load_plugin("lines.py")])
def test_an_operator_ends_it(folder, manager, again):
    put(folder, manager, lines("1.0.0"))
    put(folder, manager, lines("2.0.0"))
    crash(manager)
    again(manager)
    assert (version_of(manager), manager.status("lines").state) == ("2.0.0", "active")
    assert crash(manager, times=2) == [False, False]


def test_looking_at_the_folder_does_not_end_it(folder, manager):
    put(folder, manager, lines("1.0.0"))
    crash(manager)
    manager._look()
    assert manager.status("lines").state == "quarantined"


def test_a_file_in_quarantine_that_goes_is_undeployed(folder, manager):
    put(folder, manager, lines("1.0.0"))
    crash(manager)
    (folder / "lines.py").unlink()
    manager.reload()
    assert manager.statuses() == []


def test_it_holds_across_a_restart(folder, run):
    with run() as manager:
        put(folder, manager, lines("1.0.0"))
        put(folder, manager, lines("2.0.0"))
        crash(manager)
    with run() as manager:
        status = manager.status("lines")
        assert (version_of(manager), status.state) == ("1.0.0", "quarantined")
        assert "crashed 3 times" in status.last_error
        (folder / "lines.py").write_text(lines("3.0.0"))
        manager.reload()
        assert (version_of(manager), manager.status("lines").state) == ("3.0.0", "active")


def test_a_format_that_ships_is_never_put_aside(folder, tmp_path):
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "lines.py").write_text(lines())
    with started(folder, builtin_dir=tmp_path / "shipped") as manager:
        assert crash(manager, times=10) == [False] * 10
        assert version_of(manager) == "1.0.0"
