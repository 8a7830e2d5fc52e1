"""What served last is kept on disk: a restart with a broken file serves it, and going back works across a restart."""

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path

import pytest
from plugin_samples import SYNTAX_ERROR, lines, started, version_of
from structlog.testing import capture_logs

from flight_server.errors import BadRequest
from flight_server.plugins.security import Guard
from flight_server.plugins.source import read
from flight_server.plugins.state import Kept, StateFolder

LIMIT = 1 << 20


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state" / "plugins"


@pytest.fixture
def run(folder, state_dir):
    """Starts a manager on the same folders; each call is a restart."""
    return lambda **settings: started(folder, parts={"state_dir": state_dir}, enable_hot_reload=False, **settings)


def put(folder, text, file="lines.py"):
    (folder / file).write_text(text)


def serve(run, folder, *texts, **settings):
    """Serve each of ``texts`` in turn, and stop."""
    with run(**settings) as manager:
        for text in texts:
            put(folder, text)
            manager.reload()


def errors(logs):
    return [entry for entry in logs if entry["log_level"] == "error"]


@pytest.mark.parametrize("spoiled", [SYNTAX_ERROR, "", lines()[: len(lines()) // 2], "raise SystemExit"])
def test_a_restart_with_a_broken_file_serves_the_last_good_bytes(run, folder, spoiled):
    serve(run, folder, lines("1.0.0"))
    put(folder, spoiled)
    with run() as manager:
        status = manager.status("lines")
        assert (version_of(manager), status.state) == ("1.0.0", "degraded")
        assert status.last_error.startswith("lines.py")
        assert status.file_sha256 == hashlib.sha256(spoiled.encode()).hexdigest()
        put(folder, lines("1.0.1"))
        manager.reload()
        assert (version_of(manager), manager.status("lines").state) == ("1.0.1", "active")


def test_a_restart_with_bytes_that_are_not_allowed_any_more_serves_what_is(run, folder):
    serve(run, folder, lines("1.0.0"), lines("2.0.0"))
    allowed = hashlib.sha256(lines("1.0.0").encode()).hexdigest()
    with run(allow={"lines": allowed}) as manager:
        assert (version_of(manager), manager.status("lines").state) == ("1.0.0", "degraded")


def test_kept_bytes_are_held_against_the_list_too(run, folder):
    serve(run, folder, lines("1.0.0"))
    put(folder, SYNTAX_ERROR)
    with run(allow={"lines": "0" * 64}) as manager:
        assert (version_of(manager), manager.status("lines").state) == (None, "rejected")


def test_a_file_that_went_while_the_server_was_down_is_not_brought_back(run, folder, state_dir):
    serve(run, folder, lines("1.0.0"))
    (folder / "lines.py").unlink()
    with run() as manager:
        assert manager.statuses() == []
    assert json.loads((state_dir / "index.json").read_text())["files"] == {}
    assert not list(state_dir.glob("?" * 64))


def test_going_back_works_across_a_restart_and_holds_across_the_next(run, folder):
    serve(run, folder, lines("1.0.0"), lines("2.0.0"))
    with run() as manager:
        assert version_of(manager) == "2.0.0"
        assert manager.rollback("lines").version == "1.0.0"
    with run() as manager:
        assert (version_of(manager), manager.status("lines").state) == ("1.0.0", "active")
        assert manager.reload() == []
        assert manager.rollback("lines").version == "2.0.0"
    with run() as manager:
        assert version_of(manager) == "2.0.0"
        assert manager.rollback("lines").version == "1.0.0"


def test_a_file_that_was_replaced_while_the_server_was_down_can_be_rolled_back(run, folder):
    serve(run, folder, lines("1.0.0"))
    put(folder, lines("2.0.0"))
    with run() as manager:
        assert version_of(manager) == "2.0.0"
        assert manager.rollback("lines").version == "1.0.0"


def test_a_first_file_has_nothing_to_go_back_to_after_a_restart(run, folder):
    serve(run, folder, lines("1.0.0"))
    with run() as manager, pytest.raises(BadRequest, match="no earlier generation"):
        manager.rollback("lines")


def test_only_the_last_two_good_ones_of_each_file_are_kept(run, folder, state_dir):
    serve(run, folder, *(lines(f"1.0.{number}") for number in range(5)))
    wanted = {hashlib.sha256(lines(f"1.0.{number}").encode()).hexdigest() for number in (3, 4)}
    assert {path.name for path in state_dir.glob("?" * 64)} == wanted


def test_what_is_kept_is_the_servers_own(run, folder, state_dir):
    shutil.copytree(Path(__file__).parent / "data", folder / "wide", ignore=shutil.ignore_patterns("*.csv"))
    (folder / "wide" / "__init__.py").write_text("from .lines import create_plugin\n")
    serve(run, folder, lines("1.0.0"))
    for path in [state_dir, *state_dir.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_package_comes_back_whole(run, folder):
    package = folder / "wide"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("from .inner.plugin import create_plugin\n")
    (package / "inner" / "__init__.py").touch()
    (package / "inner" / "plugin.py").write_text(lines("1.0.0"))
    (package / "data.txt").write_text("data")
    with run() as manager:
        sha256 = manager.status("lines").sha256
    (package / "inner" / "plugin.py").unlink()
    with run() as manager:
        assert (manager.status("lines").state, manager.status("lines").sha256) == ("degraded", sha256)


def test_kept_bytes_that_were_changed_are_not_run(run, folder, state_dir):
    serve(run, folder, lines("1.0.0"))
    put(folder, SYNTAX_ERROR)
    (kept,) = state_dir.glob("*/module.py")
    kept.write_text(lines("6.6.6"))
    with capture_logs() as logs, run() as manager:
        assert (version_of(manager), manager.status("lines").state) == (None, "rejected")
    assert any(entry["event"] == "kept bytes of a plugin are not used" for entry in errors(logs))


@pytest.mark.parametrize("index", [b"", b"{", b'{"version": 1}', b'{"version": 2, "files": {}}', b"\xff\xfe", b"x" * 100_000])
def test_an_index_that_is_spoiled_is_told_and_begun_anew(run, folder, state_dir, index):
    serve(run, folder, lines("1.0.0"))
    (state_dir / "index.json").write_bytes(index)
    with capture_logs() as logs, run() as manager:
        assert version_of(manager) == "1.0.0"
    assert len(errors(logs)) == 1
    put(folder, SYNTAX_ERROR)
    with run() as manager:
        assert version_of(manager) == "1.0.0"


def test_an_index_cannot_name_a_file_outside_of_the_folder(folder, state_dir):
    state = StateFolder(state_dir, guard=Guard(), limit_bytes=LIMIT)
    put(folder, lines())
    source = read(folder / "lines.py", limit_bytes=LIMIT)
    state.open()
    state.write({"../escape.py": Kept(active=source), "lines.py": Kept(active=source)})
    assert set(state.read(folder)) == {"lines.py"}
    state.close()


def test_half_written_bytes_of_a_server_that_was_killed_are_swept_and_harm_nothing(run, folder, state_dir):
    serve(run, folder, lines("1.0.0"))
    half = state_dir / f".new-{'a' * 64}"
    half.mkdir()
    (half / "module.py").write_text("half")
    (state_dir / ".new-index.json").write_text("{")
    serve(run, folder, lines("2.0.0"))
    assert not half.exists()
    put(folder, SYNTAX_ERROR)
    with run() as manager:
        assert version_of(manager) == "2.0.0"


def test_a_state_folder_that_cannot_be_made_is_told_and_plugins_serve_all_the_same(folder, tmp_path):
    (tmp_path / "state").write_text("a file in the way")
    put(folder, lines())
    with capture_logs() as logs, started(folder, parts={"state_dir": tmp_path / "state" / "plugins"}) as manager:
        assert version_of(manager) == "1.0.0"
        put(folder, lines("2.0.0"))
        manager.reload()
        assert version_of(manager) == "2.0.0"
    told = [entry["event"] for entry in errors(logs)]
    assert any("their last good bytes are not kept" in event for event in told)
    assert any("audit log cannot be written" in event for event in told)


def test_a_state_folder_that_goes_away_is_told_once_and_taken_up_again(run, folder, state_dir):
    with capture_logs() as logs, run() as manager:
        manager.reload()  # what it keeps from its start is written
        shutil.rmtree(state_dir)
        state_dir.write_text("a file in the way")
        for version in ("1.0.0", "2.0.0"):
            put(folder, lines(version))
            manager.reload()
        assert version_of(manager) == "2.0.0"
        state_dir.unlink()
        state_dir.mkdir(mode=0o700)
        put(folder, lines("3.0.0"))
        manager.reload()
    assert [entry["event"] for entry in errors(logs)].count(errors(logs)[-1]["event"]) == 1
    put(folder, SYNTAX_ERROR)
    with run() as manager:
        assert version_of(manager) == "3.0.0"


def test_a_state_folder_that_another_server_uses_is_left_alone(run, folder, state_dir):
    put(folder, lines("1.0.0"))
    with run(), capture_logs() as logs, run() as second:
        assert version_of(second) == "1.0.0"
    assert "another server uses it" in errors(logs)[0]["error"]
    assert json.loads((state_dir / "index.json").read_text())["files"]


def test_a_state_folder_that_others_write_above_is_not_trusted(run, folder, state_dir):
    serve(run, folder, lines("1.0.0"))
    put(folder, SYNTAX_ERROR)
    state_dir.parent.chmod(0o777)
    with capture_logs() as logs, run() as manager:
        assert version_of(manager) is None
    (entry,) = [entry for entry in errors(logs) if "repair" in entry]
    assert entry["repair"] == f"chmod o-w {state_dir.parent}"


def test_a_folder_that_cannot_be_used_at_start_serves_what_is_kept(run, folder):
    serve(run, folder, lines("1.0.0"))
    folder.chmod(0o777)
    with run() as manager:
        status = manager.status("lines")
        assert (version_of(manager), status.state) == ("1.0.0", "degraded")
        assert "the plugin folder cannot be used: it may be written by every account" in status.last_error
        folder.chmod(0o755)
        manager.reload()
        assert manager.status("lines").state == "active"


def test_a_file_that_is_being_written_at_start_has_its_last_good_bytes_serve(run, folder):
    serve(run, folder, lines("1.0.0"))
    with (folder / "lines.py").open("w") as half:
        half.write("import")
        half.flush()
        with run() as manager:
            status = manager.status("lines")
            assert (version_of(manager), status.state) == ("1.0.0", "degraded")
            assert status.last_error == "lines.py is still being written; its last good bytes serve"
            half.write(" this\n")
            half.seek(0)
            half.truncate()
            half.write(lines("2.0.0"))
            half.close()
            manager.reload()
            assert (version_of(manager), manager.status("lines").state) == ("2.0.0", "active")


def test_bytes_that_do_not_load_at_one_start_are_kept_for_the_next(run, folder, tmp_path):
    needed = tmp_path / "needed.txt"
    needed.touch()
    serve(run, folder, f"import os; assert os.path.exists({str(needed)!r})\n{lines('1.0.0')}")
    put(folder, SYNTAX_ERROR)
    needed.unlink()
    with run() as manager:
        assert version_of(manager) is None
    needed.touch()
    with run() as manager:
        assert version_of(manager) == "1.0.0"


def test_a_file_whose_name_is_no_text_stops_nothing(run, folder):
    put(folder, lines("1.0.0"))
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.py")).write_text(lines(name="odd", extensions=(".odd",)))
    with run() as manager:
        assert version_of(manager) == "1.0.0"


def test_a_start_without_plugins_keeps_what_was_kept(run, folder):
    serve(run, folder, lines("1.0.0"))
    with run(enable_plugins=False):
        pass
    put(folder, SYNTAX_ERROR)
    with run() as manager:
        assert version_of(manager) == "1.0.0"


def test_nothing_is_forgotten_before_the_folder_has_been_looked_at(run, folder, state_dir, tmp_path):
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "other.py").write_text(lines(name="other", extensions=(".other",)))
    serve(run, folder, lines("1.0.0"))
    index = str(state_dir / "index.json")
    put(folder, f"import pathlib\nassert 'lines.py' in pathlib.Path({index!r}).read_text()\n{lines()}")
    with run(builtin_dir=tmp_path / "shipped", sandbox="off") as manager:
        assert manager.status("lines").state == "active", manager.status("lines").last_error
