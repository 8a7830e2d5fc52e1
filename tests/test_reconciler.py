"""Deploying is copying a file, whichever way: what serves follows the folder, and its last content wins."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from effort import within
from plugin_samples import SYNTAX_ERROR, eventually, lines, started, steadily, version_of
from structlog.testing import capture_logs

from flight_server.plugins.reconciler import Reconciler
from flight_server.plugins.watcher import Watcher
from format_plugins.streams import ByteStream


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def manager(folder):
    with started(folder) as running:
        yield running


def copy(folder, text, file):
    (folder / file).write_text(text)


def move(folder, text, file):
    outside = folder.parent / file
    outside.write_text(text)
    outside.rename(folder / file)


def replace_like_rsync(folder, text, file):
    partial = folder / f".{file}.Xa81Qz"
    partial.write_text(text)
    os.replace(partial, folder / file)  # noqa: PTH105 - what rsync calls


def save_like_vim(folder, text, file):
    if (folder / file).exists():
        (folder / file).rename(folder / f"{file}~")
    (folder / file).write_text(text)
    (folder / f"{file}~").unlink(missing_ok=True)


def write_slowly(folder, text, file):
    third = len(text) // 3
    with (folder / file).open("w") as half_written:
        for piece in (text[:third], text[third : 2 * third], text[2 * third :]):
            half_written.write(piece)
            half_written.flush()
            time.sleep(0.25)


def swap_link(folder, text, file):
    release = folder.parent / f"release-{time.monotonic_ns()}.py"
    release.write_text(text)
    fresh = folder / f".{file}.link"
    fresh.symlink_to(release)
    fresh.rename(folder / file)


def mount_config_map(folder, text, file):
    """As Kubernetes does: the file is a link into `..data`, and that link is swapped."""
    data = folder / f"..{time.monotonic_ns()}"
    data.mkdir()
    (data / file).write_text(text)
    (folder / "..data_tmp").symlink_to(data.name)
    (folder / "..data_tmp").rename(folder / "..data")
    if not (folder / file).is_symlink():
        (folder / file).symlink_to(f"..data/{file}")


DEPLOYMENTS = [copy, move, replace_like_rsync, save_like_vim, write_slowly, swap_link, mount_config_map]


@pytest.mark.parametrize("deploy", DEPLOYMENTS)
def test_deploy_overwrite_break_repair_and_delete(folder, manager, deploy):
    deploy(folder, lines("1.0.0"), "lines.py")
    eventually(lambda: version_of(manager) == "1.0.0")
    deploy(folder, lines("1.0.1"), "lines.py")
    eventually(lambda: version_of(manager) == "1.0.1")
    deploy(folder, SYNTAX_ERROR, "lines.py")
    eventually(lambda: manager.status("lines").state == "degraded")
    assert version_of(manager) == "1.0.1"
    deploy(folder, lines("1.0.2"), "lines.py")
    eventually(lambda: version_of(manager) == "1.0.2")
    (folder / "lines.py").unlink()
    eventually(lambda: version_of(manager) is None)


@pytest.mark.slow
@pytest.mark.parametrize("deploy", [copy, move, replace_like_rsync])
def test_a_file_serves_within_half_a_second_of_its_last_byte(folder, manager, deploy):
    for number in range(5):
        deploy(folder, lines(f"1.0.{number}"), "lines.py")
        started_at = time.monotonic()
        eventually(lambda number=number: version_of(manager) == f"1.0.{number}")
        assert time.monotonic() - started_at < within(0.5)


def test_after_a_hundred_quick_edits_of_one_size_the_last_content_serves(folder, manager):
    for number in range(100, 200):
        (folder / "lines.py").write_text(lines(f"1.0.{number}"))
        time.sleep(0.005)
    eventually(lambda: version_of(manager) == "1.0.199")
    steadily(lambda: version_of(manager) == "1.0.199")


def test_edits_just_after_each_load_are_never_missed(folder, manager):
    for number in range(100, 110):
        (folder / "lines.py").write_text(lines(f"1.0.{number}"))
        eventually(lambda number=number: version_of(manager) == f"1.0.{number}")


def test_a_half_written_file_never_takes_the_good_ones_place(folder, manager):
    copy(folder, lines("1.0.0"), "lines.py")
    eventually(lambda: version_of(manager) == "1.0.0")
    seen, ended = set(), threading.Event()

    def look():
        while not ended.is_set():
            seen.add(version_of(manager))
            time.sleep(0.001)

    thread = threading.Thread(target=look)
    thread.start()
    write_slowly(folder, lines("2.0.0"), "lines.py")
    eventually(lambda: "2.0.0" in seen)
    ended.set()
    thread.join()
    assert seen == {"1.0.0", "2.0.0"}


def test_a_rename_never_leaves_the_plugin_gone(folder, manager):
    copy(folder, lines("1.0.0"), "a.py")
    eventually(lambda: version_of(manager) == "1.0.0")
    gone, ended = [], threading.Event()

    def look():
        while not ended.is_set():
            if version_of(manager) is None:
                gone.append(1)
            time.sleep(0.001)

    thread = threading.Thread(target=look)
    thread.start()
    (folder / "a.py").rename(folder / "b.py")
    time.sleep(0.1)
    os.utime(folder / "b.py")  # the new name comes to rest later than the old one
    eventually(lambda: [status.file for status in manager.statuses()] == ["b.py"])
    ended.set()
    thread.join()
    assert not gone


def test_a_package_folder_is_deployed_changed_and_removed(folder, manager, tmp_path):
    package = tmp_path / "wide"
    package.mkdir()
    (package / "__init__.py").write_text("from .plugin import create_plugin\n")
    (package / "plugin.py").write_text(lines("1.0.0"))
    shutil.copytree(package, folder / "wide")
    eventually(lambda: version_of(manager) == "1.0.0")
    (folder / "wide" / "plugin.py").write_text(lines("1.0.1"))
    eventually(lambda: version_of(manager) == "1.0.1")
    shutil.rmtree(folder / "wide")
    eventually(lambda: version_of(manager) is None)


def test_a_package_waits_as_long_as_any_of_its_files_is_open_for_writing(folder, manager):
    package = folder / "wide"
    (package / "data").mkdir(parents=True)
    with (package / "data/table.txt").open("w") as table:
        (package / "__init__.py").write_text(lines("1.0.0"))
        sentence = "wide/data/table.txt is open for writing; wide is loaded when it has been closed"
        eventually(lambda: [each.last_error for each in manager.statuses()] == [sentence])
        steadily(lambda: version_of(manager) is None)
        table.write("a")
    eventually(lambda: version_of(manager) == "1.0.0")


def test_while_new_bytes_are_being_written_the_status_of_what_serves_says_so(folder, manager):
    copy(folder, lines("1.0.0"), "lines.py")
    eventually(lambda: version_of(manager) == "1.0.0")
    with (folder / "lines.py").open("w") as half_written:
        half_written.write(lines("2.0.0")[:100])
        half_written.flush()
        told = "lines.py is open for writing; it is loaded when it has been closed"
        eventually(lambda: manager.status("lines").last_error == told)
        assert manager.status("lines").state == "active"
        half_written.write(lines("2.0.0")[100:])
    eventually(lambda: version_of(manager) == "2.0.0")
    eventually(lambda: manager.status("lines").last_error is None)


def test_a_stream_goes_on_when_its_plugin_is_deleted(folder, manager):
    copy(folder, lines(), "lines.py")
    eventually(lambda: version_of(manager))

    def chunks():
        yield b"one\n"
        (folder / "lines.py").unlink()
        eventually(lambda: version_of(manager) is None)
        yield b"two\n"

    with manager.registry.lease("lines") as lease:
        stream = lease.create_format(None).read_batches_from_stream(None, ByteStream(chunks()))
        assert [row for batch in stream for row in batch["line"].to_pylist()] == ["one", "two"]


def test_git_checkout_deploys(folder, manager):
    def git(*arguments):
        author = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *author, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "-b", "main")
    for version in ("1.0.0", "2.0.0"):
        copy(folder, lines(version), "lines.py")
        git("add", ".")
        git("commit", "-m", version)
    git("checkout", "HEAD~1")
    eventually(lambda: version_of(manager) == "1.0.0")
    git("checkout", "main")
    eventually(lambda: version_of(manager) == "2.0.0")


def test_the_folder_deleted_and_made_again_is_followed(folder, manager):
    copy(folder, lines("1.0.0"), "lines.py")
    eventually(lambda: version_of(manager))
    shutil.rmtree(folder)
    eventually(lambda: manager.health()["folder_error"])
    assert version_of(manager) == "1.0.0"
    folder.mkdir()
    copy(folder, lines("2.0.0"), "lines.py")
    eventually(lambda: version_of(manager) == "2.0.0")
    eventually(lambda: manager.health()["watching"])


def test_without_inotify_the_folder_is_rescanned(folder, monkeypatch):
    monkeypatch.setattr(Watcher, "follow", lambda _: None)
    with started(folder, rescan_secs=0.1) as manager:
        copy(folder, lines(), "lines.py")
        eventually(lambda: version_of(manager) == "1.0.0")
        assert not manager.health()["watching"]


def test_what_cannot_be_watched_is_said_once_and_looked_at_now_and_then(folder, monkeypatch):
    def refuse():
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr("flight_server.plugins.watcher.Observer", refuse)
    with capture_logs() as logs, started(folder, rescan_secs=0.05) as manager:
        copy(folder, lines(), "lines.py")
        eventually(lambda: version_of(manager) == "1.0.0")
    assert [entry.get("error") for entry in logs if entry["log_level"] == "warning"] == ["inotify instance limit reached"]


def test_a_look_that_fails_is_logged_and_the_next_one_follows():
    looks = []

    def look():
        looks.append(1)
        raise ValueError("a fault of the host")

    with capture_logs() as logs:
        reconciler = Reconciler(look, rescan_secs=0.01)
        reconciler.start()
        eventually(lambda: len(looks) > 3)
        reconciler.stop()
    assert logs[0]["event"].startswith("a look at the plugin folder failed")


def test_a_hint_is_acted_upon_at_once():
    looks = []
    reconciler = Reconciler(lambda: looks.append(1), rescan_secs=60)
    reconciler.start()
    eventually(lambda: len(looks) == 1)
    reconciler.hint()
    eventually(lambda: len(looks) == 2, secs=1)
    reconciler.stop()


GROWTH = Path(__file__).parent / "reload_growth.py"


def test_three_hundred_reloads_give_their_memory_back():
    """In a process of its own, which may write `.pyc` files: the stale ones must not be what is loaded."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join(str(path) for path in (Path(__file__).parent, Path(__file__).parents[1]))
    ran = subprocess.run([sys.executable, GROWTH, "300"], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    grown_mb = float(ran.stdout.splitlines()[-1])
    assert grown_mb < 5
