"""What other accounts could change is not run, and the message says which path, whose, and the command that repairs it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_samples import eventually, lines, started, steadily, version_of
from structlog.testing import capture_logs

from flight_server.plugins import security
from flight_server.plugins.security import Guard, Refused, trail
from flight_server.plugins.source import Unreadable, read
from flight_server.plugins.writers import is_being_written

LIMIT = 1 << 20
STRANGER = 54321
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "plugins"
    path.mkdir()
    path.chmod(0o755)
    return path


@pytest.fixture
def file(folder):
    path = folder / "lines.py"
    path.write_text(lines())
    path.chmod(0o644)
    return path


@pytest.fixture
def guard():
    return Guard("strict")


def refusal(check, *arguments):
    with pytest.raises(Refused) as caught:
        check(*arguments)
    return caught.value


def test_a_folder_of_our_own_passes(folder, guard):
    guard.check_folder(folder)


@pytest.mark.parametrize(
    ("mode", "whom", "repair"),
    [
        (0o777, "every account", "chmod o-w"),
        (0o757, "every account", "chmod o-w"),
        (0o1777, "every account", "chmod o-w"),
    ],
)
@pytest.mark.parametrize("strictness", ["strict", "lenient"])
def test_a_folder_that_others_may_write_to_is_refused(folder, mode, whom, repair, strictness):
    folder.chmod(mode)
    refused = refusal(Guard(strictness).check_folder, folder)
    assert f"may be written by {whom} (mode {mode:04o}, owner " in refused.strerror
    assert refused.finding.repair == f"{repair} {folder}"
    assert str(folder) not in refused.strerror


def test_a_folder_that_leads_to_it_is_looked_at_too_but_may_be_sticky(folder, guard):
    folder.parent.chmod(0o1777)
    guard.check_folder(folder)
    folder.parent.chmod(0o777)
    assert refusal(guard.check_folder, folder).finding.path == str(folder.parent)


def test_what_a_link_leads_through_is_looked_at(tmp_path, folder, guard):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "hop").symlink_to(folder)
    (tmp_path / "link").symlink_to("open/../open/hop")
    guard.check_folder(tmp_path / "link")
    (tmp_path / "open").chmod(0o777)
    assert refusal(guard.check_folder, tmp_path / "link").finding.path == str(tmp_path / "open")


def test_links_in_circles_are_an_error_and_not_an_end(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        list(trail(tmp_path / "a"))


@ROOT_ONLY
def test_another_accounts_folder_is_refused_when_strict_and_warned_of_once_when_lenient(folder, guard):
    os.chown(folder, STRANGER, STRANGER)
    refused = refusal(guard.check_folder, folder)
    assert f"belongs to uid {STRANGER} (mode 0755)" in refused.strerror
    assert refused.finding.repair == f"chown 0 {folder}"
    lenient = Guard("lenient")
    with capture_logs() as logs:
        lenient.check_folder(folder)
        lenient.check_folder(folder)
    assert [entry["repair"] for entry in logs] == [f"chown 0 {folder}"]


@ROOT_ONLY
def test_the_accounts_own_group_may_write_and_another_may_not(folder):
    os.chown(folder, STRANGER, STRANGER)
    folder.chmod(0o775)
    guard = Guard("strict", account=STRANGER)
    guard.check_folder(folder)
    os.chown(folder, STRANGER, STRANGER + 1)
    refused = refusal(guard.check_folder, folder)
    assert f"may be written by the group gid {STRANGER + 1} (mode 0775, owner uid {STRANGER})" in refused.strerror
    assert refused.finding.repair == f"chmod g-w {folder}"
    os.chown(folder, STRANGER, 0)
    guard.check_folder(folder)


def test_modes_say_nothing_on_a_file_system_that_is_mounted_read_only(folder, guard, monkeypatch):
    folder.chmod(0o777)
    monkeypatch.setattr(security, "_is_read_only", lambda path: path == folder)
    guard.check_folder(folder)


def test_unchecked_looks_at_nothing(folder):
    folder.chmod(0o777)
    Guard("unchecked").check_folder(folder)


def test_a_file_that_others_may_write_to_is_refused_with_the_command_that_repairs_it(file, guard):
    file.chmod(0o666)
    outcome = read(file, limit_bytes=LIMIT, guard=guard)
    assert isinstance(outcome, Unreadable)
    owner = Path(file).owner()
    assert outcome.sentence == (
        f"lines.py may be written by every account (mode 0666, owner {owner}); run: chmod o-w lines.py"
        if os.getegid() == 0
        else f"lines.py may be written by every account (mode 0666, owner {owner}); run: chmod go-w lines.py"
    )


@pytest.mark.parametrize("spoiled", ["wide/inner/data.txt", "wide/inner", "wide"])
def test_every_file_and_folder_of_a_package_is_looked_at(folder, guard, spoiled):
    (folder / "wide" / "inner").mkdir(parents=True)
    (folder / "wide" / "__init__.py").touch()
    (folder / "wide" / "inner" / "data.txt").touch()
    assert not isinstance(read(folder / "wide", limit_bytes=LIMIT, guard=guard), Unreadable)
    (folder / spoiled).chmod((folder / spoiled).stat().st_mode | stat.S_IWOTH)
    assert Path(spoiled).name in read(folder / "wide", limit_bytes=LIMIT, guard=guard).sentence


def test_links_are_read_only_where_they_are_allowed(tmp_path, folder):
    (tmp_path / "release.py").write_text(lines())
    (folder / "lines.py").symlink_to(tmp_path / "release.py")
    assert not isinstance(read(folder / "lines.py", limit_bytes=LIMIT, guard=Guard("strict")), Unreadable)
    refused = read(folder / "lines.py", limit_bytes=LIMIT, guard=Guard("strict", follow_symlinks=False))
    assert refused.sentence == "lines.py is a symbolic link, and plugins.follow_symlinks is false"


def test_a_link_inside_a_package_is_refused_where_links_are_not_allowed(tmp_path, folder):
    (tmp_path / "secret.txt").touch()
    (folder / "wide").mkdir()
    (folder / "wide" / "__init__.py").touch()
    (folder / "wide" / "data.txt").symlink_to(tmp_path / "secret.txt")
    refused = read(folder / "wide", limit_bytes=LIMIT, guard=Guard(follow_symlinks=False))
    assert refused.sentence == "wide/data.txt is a symbolic link, and plugins.follow_symlinks is false"


def test_a_link_that_leads_where_others_write_is_refused(tmp_path, folder, guard):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "lines.py").write_text(lines())
    (tmp_path / "open").chmod(0o777)
    (folder / "lines.py").symlink_to(tmp_path / "open" / "lines.py")
    assert read(folder / "lines.py", limit_bytes=LIMIT, guard=guard).sentence.startswith(
        "a folder that leads to lines.py may be written by every account"
    )


def test_a_folder_that_becomes_writable_keeps_what_serves_and_loads_nothing_until_it_is_repaired(folder, file):
    with started(folder, enable_hot_reload=True, rescan_secs=0.05) as manager:
        with capture_logs() as logs:
            folder.chmod(0o777)
            file.write_text(lines("2.0.0"))
            eventually(lambda: manager.health()["folder_error"])
            steadily(lambda: version_of(manager) == "1.0.0", secs=0.4)
        (entry,) = [entry for entry in logs if entry["event"].startswith("the plugin folder cannot be used")]
        assert (entry["path"], entry["repair"]) == (str(folder), f"chmod o-w {folder}")
        folder.chmod(0o755)
        eventually(lambda: version_of(manager) == "2.0.0")
        assert manager.health()["folder_error"] is None


def test_a_file_that_becomes_writable_is_degraded_and_its_plugin_serves_on(folder, file):
    with started(folder, enable_hot_reload=False) as manager:
        file.chmod(0o666)
        manager.reload()
        assert manager.status("lines").state == "degraded"
        assert "run: chmod" in manager.status("lines").last_error
        file.chmod(0o644)
        manager.reload()
        assert manager.status("lines").state == "active"


def test_a_writer_is_seen_as_long_as_it_has_the_file_open(file):
    assert not is_being_written(file)
    with file.open("a"):
        assert is_being_written(file)
    with file.open():
        assert not is_being_written(file)
    assert not is_being_written(file.with_name("nowhere.py"))


def test_asking_for_a_writer_while_others_open_the_file_harms_nobody(tmp_path):
    """In a process of its own: the usual signal of a lease that is broken would end it."""
    code = f"""
import os, sys, threading, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from flight_server.plugins.writers import is_being_written
file = Path({str(tmp_path / "x.py")!r})
file.touch()
ended = threading.Event()
def write():
    while not ended.is_set():
        os.close(os.open(file, os.O_WRONLY))
thread = threading.Thread(target=write)
thread.start()
until = time.monotonic() + 0.5
while time.monotonic() < until:
    is_being_written(file)
ended.set()
thread.join()
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_that_is_open_for_writing_waits_until_it_is_closed(folder):
    with started(folder, settle_ms=20, rescan_secs=0.05) as manager:
        file = folder / "lines.py"
        with file.open("w") as half:
            half.write(lines("1.0.0"))
            half.flush()
            steadily(lambda: version_of(manager) is None, secs=0.4)
            manager.reload()
            assert version_of(manager) is None
        eventually(lambda: version_of(manager) == "1.0.0")


def test_a_new_file_that_stays_open_for_writing_keeps_no_other_from_being_removed(folder, file):
    with started(folder, settle_ms=20, rescan_secs=0.05) as manager, (folder / "slow.py").open("w") as slow:
        slow.write("import")
        slow.flush()
        file.unlink()
        eventually(lambda: version_of(manager) is None)
