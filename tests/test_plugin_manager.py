"""What an operator does with the plugin host, and what it tells."""

import json
import os
import sys
import threading

import pytest
from plugin_samples import SYNTAX_ERROR, eventually, lines, started, version_of
from procfs import in_use
from structlog.testing import capture_logs

from flight_server.config import PluginsConfig
from flight_server.errors import BadRequest, Internal, UnknownFormat
from flight_server.plugins.manager import PluginManager


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def shipped(tmp_path):
    """A folder of formats that ship: `lines` with `.lines`."""
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "lines.py").write_text(lines("9.9.9"))
    return tmp_path / "shipped"


@pytest.fixture
def manager(folder):
    with started(folder, enable_hot_reload=False) as running:
        yield running


def put(folder, text, file="lines.py"):
    (folder / file).write_text(text)


def test_the_plugin_folder_is_made_when_it_is_missing(tmp_path):
    with started(tmp_path / "deep" / "plugins", builtin_dir=tmp_path):
        assert (tmp_path / "deep" / "plugins").is_dir()


def test_the_formats_that_ship_are_found_without_being_named(tmp_path):
    manager = PluginManager(PluginsConfig(plugin_dir=str(tmp_path / "plugins"), enable_plugins=False))
    manager.start()
    assert manager.registry.snapshot.formats
    assert {status.origin for status in manager.statuses()} == {"builtin"}
    assert {status.state for status in manager.statuses()} == {"active"}
    manager.stop()


def test_plugins_that_are_switched_off_are_not_loaded(folder, shipped):
    put(folder, lines(name="other"), "other.py")
    with started(folder, builtin_dir=shipped, enable_plugins=False) as manager:
        assert set(manager.registry.snapshot.formats) == {"lines"}
        assert manager.reload() == []
        with pytest.raises(BadRequest, match="switched off"):
            manager.load_plugin(folder / "other.py")


def test_a_format_that_ships_and_fails_is_skipped(folder, shipped):
    (shipped / "broken.py").write_text("import nothing_there")
    with started(folder, builtin_dir=shipped) as manager:
        assert set(manager.registry.snapshot.formats) == {"lines"}
        assert manager.status("broken").state == "rejected"


def test_reload_says_what_changed(folder, manager):
    put(folder, lines())
    assert manager.reload() == [{"plugin": "lines", "action": "loaded", "generation": 1, "error": None}]
    assert manager.reload() == []
    put(folder, lines("1.0.1"))
    assert manager.reload() == [{"plugin": "lines", "action": "replaced", "generation": 2, "error": None}]
    put(folder, SYNTAX_ERROR)
    (change,) = manager.reload()
    assert (change["action"], change["error"]) == ("rejected", "lines.py: it cannot be imported: invalid syntax (line 1)")
    (folder / "lines.py").unlink()
    assert manager.reload() == [{"plugin": "lines", "action": "removed", "generation": 2, "error": None}]


def test_a_broken_file_leaves_the_good_generation_serving(folder, manager):
    put(folder, lines())
    manager.reload()
    put(folder, SYNTAX_ERROR)
    manager.reload()
    status = manager.status("lines")
    assert (version_of(manager), status.state, status.generation, status.failures) == ("1.0.0", "degraded", 1, 1)
    assert status.sha256 != status.file_sha256
    put(folder, lines("1.0.1"))
    manager.reload()
    status = manager.status("lines")
    assert (version_of(manager), status.state, status.last_error) == ("1.0.1", "active", None)


def test_bytes_that_failed_are_not_tried_again_until_they_change(folder, manager):
    put(folder, SYNTAX_ERROR)
    manager.reload()
    os.utime(folder / "lines.py")
    assert manager.reload() == []
    assert manager.status("lines").failures == 1


def test_touching_a_file_loads_nothing(folder, manager):
    put(folder, lines())
    manager.reload()
    os.utime(folder / "lines.py")
    assert manager.reload() == []


def test_a_renamed_file_keeps_its_plugin(folder, manager):
    put(folder, lines())
    manager.reload()
    (folder / "lines.py").rename(folder / "other.py")
    manager.reload()
    assert version_of(manager) == "1.0.0"
    assert [status.file for status in manager.statuses()] == ["other.py"]


def test_a_plugin_that_changes_its_name_leaves_the_old_one(folder, manager):
    put(folder, lines())
    manager.reload()
    put(folder, lines(name="rows", extensions=(".rows",)))
    manager.reload()
    assert set(manager.registry.snapshot.formats) == {"rows"}
    assert dict(manager.registry.snapshot.extensions) == {".rows": "rows"}


def test_an_unreadable_folder_keeps_what_is_loaded(folder, manager):
    put(folder, lines())
    manager.reload()
    folder.rename(folder.with_name("away"))
    with pytest.raises(Internal, match="what is loaded goes on serving"):
        manager.reload()
    assert version_of(manager) == "1.0.0"
    assert manager.health()["folder_error"] == "No such file or directory"
    folder.with_name("away").rename(folder)
    assert manager.reload() == []
    assert manager.health()["folder_error"] is None


def test_a_link_that_leads_nowhere_keeps_what_is_loaded(folder, manager, tmp_path):
    (tmp_path / "release.py").write_text(lines())
    (folder / "lines.py").symlink_to(tmp_path / "release.py")
    manager.reload()
    (tmp_path / "release.py").unlink()
    manager.reload()
    assert version_of(manager) == "1.0.0"
    assert manager.status("lines").last_error == "lines.py cannot be read: No such file or directory"


def test_of_two_files_with_one_name_the_first_serves_and_the_other_takes_over(folder, manager):
    put(folder, lines("2.0.0"), "b.py")
    manager.reload()
    put(folder, lines("1.0.0"), "a.py")
    manager.reload()
    assert version_of(manager) == "1.0.0"
    (loser,) = [status for status in manager.statuses() if status.file == "b.py"]
    assert loser.state == "rejected"
    assert (
        loser.last_error
        == "b.py: the name 'lines' is held by a.py, which comes first in order of file names: rename or delete one"
    )
    (folder / "a.py").unlink()
    manager.reload()
    assert version_of(manager) == "2.0.0"


def test_of_two_plugins_with_one_extension_the_first_is_selected_by_it(folder, manager):
    put(folder, lines(name="one", extensions=(".txt", ".one")), "a.py")
    put(folder, lines(name="two", extensions=(".txt", ".two")), "b.py")
    manager.reload()
    assert dict(manager.registry.snapshot.extensions) == {".txt": "one", ".one": "one", ".two": "two"}
    status = manager.status("two")
    assert (status.state, status.extensions) == ("active", (".two",))
    assert status.conflicts == ("the extension '.txt' is held by the format 'one': requests for this one must name it",)


def test_a_plugin_that_loses_its_extension_while_it_serves_is_told_of_in_the_log(folder, manager):
    put(folder, lines(name="late", extensions=(".one",)), "b.py")
    manager.reload()
    put(folder, lines(name="early", extensions=(".one",)), "a.py")
    with capture_logs() as logs:
        manager.reload()
    (told,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert (told["plugin"], told["file"]) == ("late", "b.py")
    assert told["conflicts"] == ["the extension '.one' is held by the format 'early': requests for this one must name it"]
    (folder / "a.py").unlink()
    manager.reload()
    assert manager.registry.snapshot.extensions == {".one": "late"}


def test_the_loser_of_a_name_that_breaks_and_is_repaired_still_takes_over(folder, manager):
    put(folder, lines("1.0.0"), "a.py")
    put(folder, lines("2.0.0"), "b.py")
    manager.reload()
    put(folder, SYNTAX_ERROR, "b.py")
    manager.reload()
    put(folder, lines("2.0.1"), "b.py")
    manager.reload()
    assert version_of(manager) == "1.0.0"
    (folder / "a.py").unlink()
    manager.reload()
    assert version_of(manager) == "2.0.1"


def test_a_format_that_ships_keeps_its_name_and_extensions(folder, shipped):
    put(folder, lines())
    put(folder, lines(name="other"), "other.py")
    with started(folder, builtin_dir=shipped) as manager:
        assert version_of(manager) == "9.9.9"
        assert manager.registry.snapshot.extensions[".lines"] == "lines"
        (dropped,) = [status for status in manager.statuses() if status.file == "lines.py" and status.origin == "folder"]
        assert dropped.state == "rejected"
        assert "plugins.override does not list it" in dropped.last_error


def test_a_plugin_that_override_lists_takes_the_place_of_one_that_ships_and_gives_it_back(folder, shipped):
    put(folder, lines(name="aaa"), "aaa.py")  # first by file name, and yet it does not get the extension
    put(folder, lines("10.0.0"), "lines.py")
    with started(folder, builtin_dir=shipped, enable_hot_reload=False, override=["lines"]) as manager:
        assert version_of(manager) == "10.0.0"
        assert manager.registry.snapshot.extensions[".lines"] == "lines"
        assert [status.state for status in manager.statuses()] == ["overridden", "active", "active"]
        (folder / "lines.py").unlink()
        manager.reload()
        assert version_of(manager) == "9.9.9"


def test_load_plugin_tries_bytes_that_failed_once_more(folder, manager, tmp_path):
    needed = tmp_path / "needed.txt"
    put(folder, f"import os; assert os.path.exists({str(needed)!r})\n{lines()}")
    manager.reload()
    assert manager.status("lines").state == "rejected"
    needed.touch()
    assert manager.load_plugin("lines.py").state == "active"
    assert manager.reload() == []


def test_load_plugin_takes_a_file_from_elsewhere_and_keeps_it(manager, tmp_path):
    (tmp_path / "elsewhere.py").write_text(lines())
    assert manager.load_plugin(tmp_path / "elsewhere.py").state == "active"
    manager.reload()
    assert version_of(manager) == "1.0.0"


def test_load_plugin_reports_a_broken_file_in_the_status(folder, manager):
    put(folder, SYNTAX_ERROR)
    assert "invalid syntax" in manager.load_plugin(folder / "lines.py").last_error


@pytest.mark.parametrize("name", ["nowhere.py", "folder", "notes.txt"])
def test_load_plugin_of_what_is_no_plugin_is_a_bad_request(folder, manager, name):
    (folder / "folder").mkdir()
    (folder / "notes.txt").touch()
    with pytest.raises(BadRequest, match="is no plugin"):
        manager.load_plugin(folder / name)


def test_rollback_puts_the_earlier_bytes_back_until_the_file_changes(folder, manager):
    put(folder, lines("1.0.0"))
    manager.reload()
    put(folder, lines("2.0.0"))
    manager.reload()
    status = manager.rollback("lines")
    assert (status.version, status.generation, version_of(manager)) == ("1.0.0", 3, "1.0.0")
    assert manager.reload() == []
    assert manager.rollback("lines").version == "2.0.0"
    put(folder, lines("3.0.0"))
    manager.reload()
    assert version_of(manager) == "3.0.0"
    assert manager.rollback("lines").version == "2.0.0"


def test_rollback_after_a_broken_file_goes_back_past_the_one_that_serves(folder, manager):
    for text in (lines("1.0.0"), lines("2.0.0"), SYNTAX_ERROR):
        put(folder, text)
        manager.reload()
    assert manager.rollback("lines").version == "1.0.0"


def test_rollback_without_an_earlier_generation_is_refused(folder, manager, shipped):
    put(folder, lines())
    manager.reload()
    with pytest.raises(BadRequest, match="no earlier generation"):
        manager.rollback("lines")
    with pytest.raises(UnknownFormat):
        manager.rollback("nothing")
    with started(folder, builtin_dir=shipped) as other, pytest.raises(BadRequest, match="no earlier generation"):
        other.rollback("lines")


def test_a_configuration_that_a_plugin_refuses_is_told(folder):
    put(folder, lines())
    with started(folder, plugin_configs={"lines": {"uper": True}}) as manager:
        error = manager.status("lines").last_error
    assert "unknown key 'plugins.plugin_configs.lines.uper'; did you mean 'upper'?" in error


def test_options_for_a_plugin_that_is_not_there_are_warned_of(folder):
    put(folder, lines())
    with capture_logs() as logs, started(folder, plugin_configs={"line": {}}):
        pass
    (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert (warning["plugin"], warning["nearest"]) == ("line", "lines")


def test_a_status_is_json_and_has_no_path_of_the_server(folder, manager):
    put(folder, lines())
    put(folder, "open('/etc/nothing/there')", "broken.py")
    manager.reload()
    with manager.registry.lease("lines"):
        shown = [status.as_dict() for status in manager.statuses()]
    text = json.dumps(shown)
    assert str(folder) not in text
    assert "/etc" not in text
    assert [(each["name"], each["state"], each["leases"]) for each in shown] == [
        ("broken", "rejected", 0),
        ("lines", "active", 1),
    ]


def test_a_removed_plugin_is_shown_as_long_as_streams_hold_it(folder, manager):
    put(folder, lines())
    manager.reload()
    with manager.registry.lease("lines") as lease:
        (folder / "lines.py").unlink()
        manager.reload()
        assert manager.status("lines").state == "draining"
        assert lease.create_format(None)
    with pytest.raises(UnknownFormat):
        manager.status("lines")


def test_streams_that_hold_a_replaced_plugin_too_long_are_reported_once(folder):
    put(folder, lines())
    with started(folder, enable_hot_reload=False, drain_timeout_secs=0.0) as manager, manager.registry.lease("lines"):
        (folder / "lines.py").unlink()
        with capture_logs() as logs:
            manager.reload()
            manager.reload()
        assert [entry["event"] for entry in logs].count("streams still hold a replaced plugin") == 1


def test_a_reload_is_one_line_in_the_log_and_a_failure_brings_its_traceback(folder, manager):
    put(folder, lines())
    with capture_logs() as logs:
        manager.reload()
        put(folder, "1/0")
        manager.reload()
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("a plugin was loaded", "info"),
        ("a plugin was rejected", "error"),
    ]
    assert "ZeroDivisionError" in logs[1]["exception"]
    assert (logs[0]["version"], logs[0]["generation"], len(logs[0]["sha256"])) == ("1.0.0", 1, 64)
    assert logs[0]["load_ms"] > 0


def test_health_counts_what_serves_and_what_was_rejected(folder, manager):
    put(folder, lines())
    put(folder, SYNTAX_ERROR, "broken.py")
    manager.reload()
    health = manager.health()
    assert (health["loaded"], health["rejected"], health["draining"]) == (1, 1, 0)
    assert 0 <= health["last_scan_age_secs"] < 10


def test_starting_and_stopping_twice_leaves_no_thread_no_descriptor_and_no_module(folder):
    put(folder, lines())
    with started(folder):  # what is made once a process is made now
        pass
    before = in_use()
    for _ in range(2):
        with started(folder) as manager:
            eventually(lambda manager=manager: manager.health()["watching"])
            assert in_use() - before
        eventually(lambda: in_use() <= before)
    assert not [name for name in sys.modules if name.startswith("lines@")]


def test_a_stopped_manager_can_be_started_again(folder):
    put(folder, lines())
    with started(folder, enable_hot_reload=False) as manager:
        manager.stop()
        assert version_of(manager) is None
        manager.start()
        assert version_of(manager) == "1.0.0"


def test_statuses_are_not_held_up_by_a_plugin_that_loads(folder, manager):
    put(folder, "import time; time.sleep(1)\n" + lines())
    thread = threading.Thread(target=manager.reload)
    thread.start()
    eventually(lambda: [status.state for status in manager.statuses()] == ["verified"], secs=1)
    assert manager.health()["loaded"] == 0
    thread.join()
    assert version_of(manager) == "1.0.0"
