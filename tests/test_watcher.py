"""The watcher is told of every way to change a folder, and follows the folder when it is replaced."""

import shutil
import threading

import pytest
from plugin_samples import eventually
from procfs import in_use

from flight_server.plugins.watcher import Watcher


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def woken():
    return threading.Event()


@pytest.fixture
def watcher(folder, woken):
    watcher = Watcher(folder, woken.set)
    watcher.follow()
    yield watcher
    watcher.stop()


def told_of(woken, change):
    woken.clear()
    change()
    return woken.wait(5)


def test_it_is_told_of_changes(folder, woken, watcher, tmp_path):
    file = folder / "x.py"
    (tmp_path / "new.py").touch()
    (tmp_path / "package").mkdir()
    assert watcher.is_watching
    assert told_of(woken, file.touch)
    assert told_of(woken, lambda: file.write_text("a"))
    assert told_of(woken, lambda: file.rename(folder / "y.py"))
    assert told_of(woken, lambda: (tmp_path / "new.py").rename(file))
    assert told_of(woken, file.unlink)
    assert told_of(woken, lambda: (tmp_path / "package").rename(folder / "package"))
    watcher.follow()
    assert told_of(woken, (folder / "package" / "z.py").touch)


def test_folders_that_come_and_go_do_not_stop_it(folder, woken, watcher):
    for _ in range(200):
        (folder / "package" / "inner").mkdir(parents=True)
        watcher.follow()
        shutil.rmtree(folder / "package")
    watcher.follow()
    assert watcher.is_watching
    eventually(lambda: not (woken.clear() or woken.wait(0.2)))
    assert told_of(woken, (folder / "x.py").touch)


@pytest.mark.usefixtures("watcher")
def test_reading_a_file_wakes_nobody(folder, woken):
    (folder / "x.py").write_text("a")
    assert woken.wait(5)
    eventually(lambda: not (woken.clear() or woken.wait(0.2)))
    (folder / "x.py").read_text()
    assert not woken.wait(0.3)


def test_a_folder_that_was_deleted_and_made_again_is_followed(folder, woken, watcher):
    shutil.rmtree(folder)
    folder.mkdir()

    def told():
        watcher.follow()
        return told_of(woken, (folder / "x.py").touch)

    eventually(told)


def test_a_folder_that_was_swapped_is_followed(folder, woken, watcher, tmp_path):
    folder.rename(tmp_path / "old")
    folder.mkdir()
    watcher.follow()
    assert told_of(woken, (folder / "x.py").touch)


def test_a_link_that_was_repointed_is_followed(tmp_path, woken):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "link").symlink_to("one")
    watcher = Watcher(tmp_path / "link", woken.set)
    watcher.follow()
    assert told_of(woken, (tmp_path / "one" / "x.py").touch)
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("two")
    watcher.follow()
    assert told_of(woken, (tmp_path / "two" / "x.py").touch)
    watcher.stop()


def test_a_folder_that_is_not_there_is_watched_when_it_comes(tmp_path, woken):
    watcher = Watcher(tmp_path / "plugins", woken.set)
    watcher.follow()
    assert not watcher.is_watching
    (tmp_path / "plugins").mkdir()
    watcher.follow()
    assert watcher.is_watching
    watcher.stop()


def test_stopping_leaves_no_thread_and_no_descriptor(folder, woken):
    before = in_use()
    for _ in range(3):
        watcher = Watcher(folder, woken.set)
        watcher.follow()
        watcher.stop()
    eventually(lambda: in_use() <= before)
