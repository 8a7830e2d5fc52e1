"""Whatever happens to the folder, to its events or to the threads that follow it, what serves follows within seconds."""

import ctypes
import shutil
import subprocess
import sys
import threading
import time

import pytest
from effort import within
from plugin_samples import eventually, lines, started, version_of
from raw_flight import action, connected
from structlog.testing import capture_logs

from flight_server.plugins.reconciler import Reconciler
from flight_server.plugins.watcher import Watcher

WITHIN_SECS = within(3)


# Two events or more each time, and unlike ones, for the kernel joins those that are alike.
MANY_EVENTS = """
import os, sys
for number in range(int(sys.argv[2])):
    path = f"{sys.argv[1]}/_{number % 7}"
    open(path, "w").close()
    os.unlink(path)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "lines.py").write_text(lines("1.0.0"))
    return tmp_path / "plugins"


@pytest.fixture
def manager(folder):
    with started(folder) as running:
        eventually(lambda: running.health()["watching"])
        yield running


def end(thread):
    """End a thread that runs Python every other second; a second blow too soon would fall on what mourns it."""
    while thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
        thread.join(3)


def converges(manager, version):
    began = time.monotonic()
    eventually(lambda: version_of(manager) == version, secs=WITHIN_SECS)
    eventually(lambda: manager.health()["watching"], secs=WITHIN_SECS)
    assert time.monotonic() - began < WITHIN_SECS


def make_again(folder):
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "lines.py").write_text(lines("2.0.0"))


def replace_by_another(folder):
    other = folder.with_name("other")
    other.mkdir()
    (other / "lines.py").write_text(lines("2.0.0"))
    folder.rename(folder.with_name("old"))
    other.rename(folder)


def replace_by_a_link(folder):
    other = folder.with_name("release")
    other.mkdir()
    (other / "lines.py").write_text(lines("2.0.0"))
    folder.rename(folder.with_name("old"))
    folder.symlink_to(other)


def repoint(folder):
    replace_by_a_link(folder)
    newer = folder.with_name("newer")
    newer.mkdir()
    (newer / "lines.py").write_text(lines("2.0.0"))
    (folder.with_name("release") / "lines.py").write_text(lines("1.5.0"))
    fresh = folder.with_name("fresh")
    fresh.symlink_to(newer)
    fresh.rename(folder)


@pytest.mark.parametrize("happen", [make_again, replace_by_another, replace_by_a_link, repoint])
def test_a_folder_that_is_replaced_is_followed_again(folder, manager, happen):
    happen(folder)
    converges(manager, "2.0.0")
    (folder / "lines.py").write_text(lines("3.0.0"))
    converges(manager, "3.0.0")


@pytest.mark.parametrize("follow_symlinks", [True, False])
def test_the_folder_itself_may_be_a_link(tmp_path, folder, follow_symlinks):
    (tmp_path / "link").symlink_to(folder)
    with started(tmp_path / "link", follow_symlinks=follow_symlinks) as manager:
        assert version_of(manager) == "1.0.0"
        (folder / "lines.py").write_text(lines("2.0.0"))
        converges(manager, "2.0.0")


def test_an_overflow_of_the_queue_of_events_loses_nothing(own_server):
    """The server is stopped while more happens than the kernel queues for it; the last change is among what is lost."""
    folder = own_server.plugin_dir
    (folder / "lines.py").write_text(lines("1.0.0"))
    with open("/proc/sys/fs/inotify/max_queued_events") as limit:  # noqa: PTH123 - of the kernel
        count = int(limit.read())
    with connected(own_server.location) as client:

        def version():
            return {each["name"]: each["version"] for each in action(client, "formats")}.get("lines")

        eventually(lambda: version() == "1.0.0")
        with own_server.frozen():
            subprocess.run([sys.executable, "-c", MANY_EVENTS, str(folder), str(count // 2)], check=True)
            (folder / "lines.py").write_text(lines("2.0.0"))
        began = time.monotonic()
        eventually(lambda: version() == "2.0.0")
        assert time.monotonic() - began < WITHIN_SECS
        (folder / "lines.py").write_text(lines("3.0.0"))
        eventually(lambda: version() == "3.0.0", secs=WITHIN_SECS)


def test_a_watching_thread_that_dies_is_made_anew(folder, manager):
    for emitter in manager._watcher._observer.emitters:
        emitter.stop()
        emitter.join()
    assert not manager.health()["watching"]
    (folder / "lines.py").write_text(lines("2.0.0"))
    converges(manager, "2.0.0")
    observer = manager._watcher._observer
    observer.stop()
    observer.join()
    (folder / "lines.py").write_text(lines("3.0.0"))
    converges(manager, "3.0.0")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_reconcilers_thread_that_dies_is_made_anew_by_the_next_change(folder, manager):
    end(manager._reconciler._thread)
    with capture_logs() as logs:
        (folder / "lines.py").write_text(lines("2.0.0"))
        converges(manager, "2.0.0")
    assert logs[0]["event"] == "the thread that follows the plugin folder ended; a new one follows"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_asking_for_health_makes_it_anew_too(manager):
    end(manager._reconciler._thread)
    assert manager.health()["last_scan_age_secs"] is not None
    eventually(manager._reconciler._thread.is_alive)
    eventually(lambda: manager.health()["last_scan_age_secs"] < 1)


def test_a_look_that_would_end_its_thread_does_not():
    looks = []

    def look():
        looks.append(1)
        raise SystemExit

    with capture_logs() as logs:
        reconciler = Reconciler(look, rescan_secs=0.01)
        reconciler.start()
        eventually(lambda: len(looks) > 3)
        reconciler.stop()
    assert logs[0]["event"].startswith("a look at the plugin folder failed")


def test_a_reconciler_that_was_stopped_is_not_made_anew():
    reconciler = Reconciler(lambda: None, rescan_secs=0.01)
    reconciler.revive()
    assert not reconciler._thread.is_alive()
    reconciler.start()
    reconciler.stop()
    reconciler.hint()
    assert not reconciler._thread.is_alive()


def test_the_age_of_the_last_scan_grows_while_the_folder_cannot_be_looked_at(folder, manager):
    eventually(lambda: manager.health()["last_scan_age_secs"] < 0.2)
    folder.rename(folder.with_name("away"))
    eventually(lambda: manager.health()["last_scan_age_secs"] > 0.5 and manager.health()["folder_error"])
    folder.with_name("away").rename(folder)
    eventually(lambda: manager.health()["last_scan_age_secs"] < 0.5 and not manager.health()["folder_error"])


def test_a_watcher_whose_observer_cannot_be_started_is_tried_again(folder, monkeypatch):
    woken = threading.Event()
    watcher = Watcher(folder, woken.set)
    with monkeypatch.context() as broken:

        def refuse():
            raise OSError(24, "inotify instance limit reached")

        broken.setattr("flight_server.plugins.watcher.Observer", refuse)
        watcher.follow()
        assert not watcher.is_watching
    watcher.follow()
    assert watcher.is_watching
    watcher.stop()
