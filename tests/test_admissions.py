"""Plugins are let in beside each other: none waits for one that hangs, and what cannot be tried now is tried later."""

import json
import threading
import time
from pathlib import Path

import pytest
from plugin_samples import eventually, lines, started, steadily, version_of
from structlog.testing import capture_logs

from flight_server.errors import Busy
from flight_server.plugins.admission import Outcome
from flight_server.plugins.admissions import Admissions
from flight_server.plugins.failure import Failure
from flight_server.plugins.retries import Retries
from flight_server.plugins.source import Unreadable
from flight_server.plugins.trial import Trial

HANGS = "import time\ntime.sleep(60)\n"


def slowly(text, secs=1.0):
    return f"import time\ntime.sleep({secs})\n{text}"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def manager(folder):
    with started(folder, load_timeout_secs=20.0) as running:
        yield running


@pytest.fixture
def nursery(manager, monkeypatch):
    """A nursery that has children to give only as long as ``open`` is set."""
    child, is_open = manager.nursery.child, threading.Event()

    def give(*arguments, **named):
        if not is_open.is_set():
            raise Busy("no child process can be had: the machine is full")
        return child(*arguments, **named)

    monkeypatch.setattr(manager.nursery, "child", give)
    return is_open


def state_of(manager, name="lines"):
    return next((each.state for each in manager.statuses() if each.name == name), None)


def test_a_plugin_that_hangs_holds_up_no_other(folder, manager):
    (folder / "hangs.py").write_text(HANGS)
    eventually(lambda: state_of(manager, "hangs") == "verified")
    for version in ("1.0.0", "2.0.0"):
        (folder / "lines.py").write_text(lines(version))
        eventually(lambda version=version: version_of(manager) == version)
    assert state_of(manager, "hangs") == "verified"


def test_as_many_as_hang_at_a_time_are_given_up_after_the_load_timeout(folder):
    with started(folder, load_timeout_secs=1.0) as manager:
        for number in range(4):
            (folder / f"hangs{number}.py").write_text(HANGS)
        eventually(lambda: state_of(manager, "hangs3") == "verified")
        (folder / "lines.py").write_text(lines())
        eventually(lambda: version_of(manager) == "1.0.0")
        eventually(lambda: {status.state for status in manager.statuses()} == {"active", "rejected"})


def test_what_is_replaced_while_it_is_tried_never_serves(folder, manager):
    (folder / "lines.py").write_text(slowly(lines("1.0.0")))
    eventually(lambda: state_of(manager) == "verified")
    (folder / "lines.py").write_text(lines("2.0.0"))
    eventually(lambda: version_of(manager) == "2.0.0")
    steadily(lambda: version_of(manager) == "2.0.0", secs=1.2)
    assert manager.status("lines").loads == 1


def test_what_is_deleted_while_it_is_tried_never_serves(folder, manager):
    (folder / "lines.py").write_text(slowly(lines()))
    eventually(lambda: state_of(manager) == "verified")
    (folder / "lines.py").unlink()
    eventually(lambda: state_of(manager) is None)
    steadily(lambda: version_of(manager) is None, secs=1.2)


def test_a_reload_tries_anew_what_is_being_tried(folder, manager):
    (folder / "lines.py").write_text(slowly(lines()))
    eventually(lambda: state_of(manager) == "verified")
    assert [(each["plugin"], each["action"]) for each in manager.reload()] == [("lines", "loaded")]
    steadily(lambda: manager.status("lines").loads == 1, secs=1.2)


def test_names_that_change_places_are_never_gone(folder, manager):
    (folder / "a.py").write_text(lines(name="lines", extensions=(".lines",)))
    (folder / "b.py").write_text(lines(name="rows", extensions=(".rows",)))
    eventually(lambda: version_of(manager, "lines") and version_of(manager, "rows"))
    gone, ended = [], threading.Event()

    def look():
        while not ended.is_set():
            served = manager.registry.snapshot.formats.keys()
            if not {"lines", "rows"} <= served:
                gone.append(set(served))
            time.sleep(0.001)

    thread = threading.Thread(target=look)
    thread.start()
    (folder / "b.py").write_text(slowly(lines("2.0.0", name="lines", extensions=(".lines",)), secs=0.5))
    (folder / "a.py").write_text(lines("2.0.0", name="rows", extensions=(".rows",)))
    eventually(lambda: version_of(manager, "lines") == version_of(manager, "rows") == "2.0.0")
    ended.set()
    thread.join()
    assert not gone


def test_a_server_that_stops_waits_for_no_trial(folder):
    with started(folder, load_timeout_secs=60.0) as manager:
        (folder / "hangs.py").write_text(HANGS)
        eventually(lambda: state_of(manager, "hangs") == "verified")
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert not [each for each in threading.enumerate() if each.name == "plugin-admission"]


def test_what_had_to_wait_too_long_is_tried_again(folder, tmp_path):
    busy = tmp_path / "busy"
    busy.touch()
    waits = f"import pathlib, time\nwhile pathlib.Path({str(busy)!r}).exists(): time.sleep(0.05)\n"
    with started(folder, load_timeout_secs=4.0) as manager:
        (folder / "lines.py").write_text(waits + lines())
        eventually(lambda: state_of(manager, "lines") == "rejected")
        assert "s only; it is tried again after a while" in manager.status("lines").last_error
        busy.unlink()
        eventually(lambda: version_of(manager) == "1.0.0")
        assert manager.status("lines").last_error is None


def test_nobody_is_promised_another_try_where_the_folder_is_not_followed(folder):
    (folder / "hangs.py").write_text(HANGS)
    with started(folder, load_timeout_secs=0.5, enable_hot_reload=False) as manager:
        assert manager.status("hangs").last_error.endswith(" s only")


def events_of(log):
    return [json.loads(line)["event"] for line in log.read_text().splitlines()] if log.exists() else []


def test_the_audit_log_tells_once_of_bytes_that_are_tried_again_and_again(folder, tmp_path, monkeypatch):
    def examine(trial, source, *others):
        tries.append(source.file)
        return Failure(sentence="the machine is busy", again=True) if len(tries) < 3 else examined(trial, source, *others)

    tries, examined = [], Trial.examine
    monkeypatch.setattr(Trial, "examine", examine)
    log = tmp_path / "audit.jsonl"
    with started(folder, audit_log=str(log)):
        (folder / "lines.py").write_text(lines())
        # It is told behind the moment in which it serves.
        eventually(lambda: "active" in events_of(log))
        events = events_of(log)
    assert events == ["discovered", "verified", "rejected", "tried", "active"]


def test_what_cannot_be_tried_is_tried_again_until_it_can(folder, manager, nursery):
    with capture_logs() as logs:
        (folder / "lines.py").write_text(lines())
        eventually(lambda: state_of(manager) == "rejected")
        status = manager.status("lines")
        assert "could not be tried: no child process can be had: the machine is full; it is tried again" in status.last_error
        steadily(lambda: state_of(manager) == "rejected", secs=1.5)
        nursery.set()
        eventually(lambda: version_of(manager) == "1.0.0")
    assert manager.status("lines").last_error is None
    assert [each["event"] for each in logs if "rejected" in each["event"]] == ["a plugin was rejected"]


def test_what_serves_goes_on_while_the_new_bytes_cannot_be_tried(folder, manager, nursery):
    nursery.set()
    (folder / "lines.py").write_text(lines("1.0.0"))
    eventually(lambda: version_of(manager) == "1.0.0")
    nursery.clear()
    (folder / "lines.py").write_text(lines("2.0.0"))
    eventually(lambda: state_of(manager) == "degraded")
    nursery.set()
    eventually(lambda: version_of(manager) == "2.0.0")
    assert state_of(manager) == "active"


def test_a_reload_tries_at_once_what_could_not_be_tried(folder, nursery, manager):
    (folder / "lines.py").write_text(lines())
    eventually(lambda: state_of(manager) == "rejected")
    nursery.set()
    assert [each["action"] for each in manager.reload()] == ["loaded"]


def test_a_file_that_could_not_be_tried_and_went_is_forgotten(folder, manager, nursery):
    (folder / "lines.py").write_text(lines())
    eventually(lambda: state_of(manager) == "rejected")
    (folder / "lines.py").unlink()
    eventually(lambda: state_of(manager) is None)
    nursery.set()
    steadily(lambda: version_of(manager) is None, secs=1.2)


def test_going_back_says_that_it_cannot_be_tried_now(folder, manager, nursery):
    nursery.set()
    for version in ("1.0.0", "2.0.0"):
        (folder / "lines.py").write_text(lines(version))
        manager.reload()
    nursery.clear()
    with pytest.raises(Busy, match="cannot be put back now"):
        manager.rollback("lines")
    assert version_of(manager) == "2.0.0"


@pytest.mark.parametrize("is_there_at_start", [True, False])
def test_a_fault_of_the_server_keeps_one_plugin_out_for_a_while_and_no_other(folder, monkeypatch, is_there_at_start):
    def examine(trial, source, *others):
        if source.file == "odd.py":
            raise ValueError(source.file)
        return examined(trial, source, *others)

    def put():
        (folder / "odd.py").write_text(lines(name="odd", extensions=()))
        (folder / "lines.py").write_text(lines())

    examined = Trial.examine
    monkeypatch.setattr(Trial, "examine", examine)
    if is_there_at_start:
        put()
    with capture_logs() as logs, started(folder) as manager:
        if not is_there_at_start:
            put()
        eventually(lambda: version_of(manager) and manager.status("odd").last_error)
        assert "a fault of the server kept it out; it is tried again" in manager.status("odd").last_error
        monkeypatch.undo()
        manager.reload()
        assert version_of(manager, "odd") == "1.0.0"
    assert "odd.py" in [entry["file"] for entry in logs if entry["event"] == "a fault of the server kept a plugin out"]


def test_no_more_are_let_in_at_a_time_than_there_are_places():
    going, most, guard, pass_on = set(), [], threading.Lock(), threading.Semaphore(0)

    def admit(source):
        with guard:
            going.add(source)
            most.append(len(going))
        pass_on.acquire()
        with guard:
            going.remove(source)
        return Outcome(Failure(sentence="no"), "", 0.0)

    admissions = Admissions(admit, at_a_time=2)
    for number in range(6):
        admissions.begin(str(number), Unreadable(Path(str(number)), "no"), 1)
        pass_on.release()
    eventually(lambda: all(ticket.outcome for ticket in admissions.tickets.values()))
    admissions.close()
    assert (len(most), max(most) <= 2) == (6, True)


def test_what_is_due_again_is_so_after_longer_and_longer():
    retries = Retries()
    assert [second for second in range(120) if retries.due({("x.py", "1"): 0.1}, second)] == [1, 3, 7, 15, 31, 61, 91]


def test_what_takes_long_to_try_takes_a_thirtieth_of_the_time():
    retries = Retries()
    assert [second for second in range(1000) if retries.due({("x.py", "1"): 10.0}, second)] == [
        1,
        3,
        7,
        15,
        31,
        63,
        127,
        255,
        511,
        811,
    ]


def test_other_bytes_begin_anew():
    retries = Retries()
    assert retries.due({("x.py", "1"): 0.1}, 0.0) == set()
    assert retries.due({("x.py", "2"): 0.1}, 1.0) == set()
    assert retries.due({("x.py", "2"): 0.1}, 2.0) == {("x.py", "2")}
    assert retries.due({}, 3.0) == set()
    assert retries.due_secs(3.0) is None
