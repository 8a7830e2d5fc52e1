"""Every step of every plugin is a line in the audit log; that it cannot be written stops nothing."""

import json
import stat
import threading
from datetime import UTC, datetime

import pytest
from plugin_samples import SYNTAX_ERROR, lines, started, version_of
from structlog.testing import capture_logs

from flight_server.plugins.audit import AuditLog, Transition


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "audit.jsonl"


@pytest.fixture
def manager(folder, log):
    with started(folder, enable_hot_reload=False, audit_log=str(log), quarantine_crashes=1) as running:
        yield running


def steps(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def told(log):
    return [(step["event"], step["from_generation"], step["to_generation"], step["result"]) for step in steps(log)]


def put(folder, manager, text, file="lines.py"):
    (folder / file).write_text(text)
    manager.reload()


def transition(number=1):
    return Transition(event="active", plugin="lines", file="lines.py", to_generation=number)


def test_the_life_of_a_plugin_is_told_step_by_step(folder, manager, log):
    put(folder, manager, lines("1.0.0"))
    put(folder, manager, lines("2.0.0"))
    (folder / "lines.py").unlink()
    manager.reload()
    assert told(log) == [
        ("discovered", None, None, "ok"),
        ("verified", None, None, "ok"),
        ("tried", None, 1, "ok"),
        ("active", None, 1, "ok"),
        ("discovered", None, None, "ok"),
        ("verified", None, None, "ok"),
        ("tried", None, 2, "ok"),
        ("draining", 1, None, "ok"),
        ("active", 1, 2, "ok"),
        ("retired", 1, None, "ok"),
        ("draining", 2, None, "ok"),
        ("undeployed", 2, None, "ok"),
        ("retired", 2, None, "ok"),
    ]


def test_a_line_says_when_who_which_bytes_and_why(folder, manager, log):
    before = datetime.now(UTC)
    put(folder, manager, SYNTAX_ERROR)
    step = steps(log)[-1]
    assert before.timestamp() - 1 < datetime.fromisoformat(step["time"]).timestamp() < datetime.now(UTC).timestamp() + 1
    assert step["time"].endswith("Z")
    assert {key: value for key, value in step.items() if key not in {"time", "sha256"}} == {
        "event": "rejected",
        "plugin": "lines",
        "file": "lines.py",
        "from_generation": None,
        "to_generation": None,
        "result": "failed",
        "reason": "lines.py: it cannot be imported: invalid syntax (line 1)",
    }
    assert len(step["sha256"]) == 64


def test_going_back_and_quarantine_are_told(folder, manager, log):
    put(folder, manager, lines("1.0.0"))
    put(folder, manager, lines("2.0.0"))
    manager.rollback("lines")
    put(folder, manager, lines("3.0.0"))
    manager.note_crash(manager.status("lines").generation)
    events = [step["event"] for step in steps(log)]
    assert [event for event in events if event in {"rolled back", "quarantined"}] == ["rolled back", "quarantined"]
    (step,) = [step for step in steps(log) if step["event"] == "quarantined"]
    assert (step["from_generation"], step["to_generation"], step["result"]) == (4, 5, "failed")


def test_a_stream_that_holds_a_generation_delays_its_retirement(folder, manager, log):
    put(folder, manager, lines("1.0.0"))
    with manager.registry.lease("lines"):
        put(folder, manager, lines("2.0.0"))
        assert "retired" not in {step["event"] for step in steps(log)}
        (step,) = [step for step in steps(log) if step["event"] == "draining"]
        assert step["reason"] == "1 streams hold it"
    manager.reload()
    assert "retired" in {step["event"] for step in steps(log)}


def test_the_file_is_the_servers_own_and_may_be_renamed_at_any_time(log):
    audit = AuditLog(log)
    audit.note(transition(1))
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    log.rename(log.with_name("elsewhere"))
    audit.note(transition(2))
    assert [step["to_generation"] for step in steps(log)] == [2]


def test_a_log_that_has_grown_is_kept_beside_the_new_one(log):
    audit = AuditLog(log, max_bytes=2000)
    for number in range(100):
        audit.note(transition(number))
    older = log.with_name("audit.jsonl.1")
    numbers = [step["to_generation"] for step in [*steps(older), *steps(log)]]
    assert numbers == list(range(numbers[0], 100))
    assert log.stat().st_size <= 2000
    assert older.stat().st_size <= 2000


def test_lines_of_many_threads_are_whole(log):
    audit = AuditLog(log)
    threads = [threading.Thread(target=lambda: [audit.note(transition(number)) for number in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(steps(log)) == 800


def test_a_log_that_cannot_be_written_is_told_once_and_stops_no_reload(folder, tmp_path):
    (tmp_path / "audit").mkdir()
    with capture_logs() as logs, started(folder, enable_hot_reload=False, audit_log=str(tmp_path / "audit")) as manager:
        put(folder, manager, lines("1.0.0"))
        put(folder, manager, lines("2.0.0"))
        assert version_of(manager) == "2.0.0"
        (tmp_path / "audit").rmdir()
        put(folder, manager, lines("3.0.0"))
    told = [entry["event"] for entry in logs if "audit log" in entry["event"]]
    assert told == ["the audit log cannot be written; plugins are loaded all the same", "the audit log can be written again"]


def test_a_link_in_the_place_of_the_log_is_not_followed(log, tmp_path):
    log.symlink_to(tmp_path / "target")
    AuditLog(log).note(transition())
    assert not (tmp_path / "target").exists()


def test_a_disk_that_is_full_loses_one_line_and_not_the_next(log):
    audit = AuditLog(log)
    audit.note(transition(1))
    with log.open("ab") as half:
        half.write(b'{"time": "2026')
    audit._torn = True
    audit.note(transition(3))
    assert [json.loads(line)["to_generation"] for line in log.read_text().splitlines() if line.endswith("}")] == [1, 3]
