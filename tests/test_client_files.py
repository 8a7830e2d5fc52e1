"""Files that the client writes, and what it reads from their names."""

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_client.errors import UnknownFormat
from flight_client.files import ENCODINGS, Formats, by_extension, naming, split, whole
from flight_server import wire
from format_plugins import content_encodings

EXTENSIONS = {".csv": "csv", ".tar.csv": "tarred", ".json": "json"}


PARTS = ["a", ".", "csv", ".csv", ".CSV", "tar", ".gz", ".zst", ".json", ".xz", "ä"]


@given(st.lists(st.sampled_from(PARTS), min_size=1).map("".join))
def test_a_name_means_here_what_it_means_to_the_server(name):
    if name in {".", ".."}:
        return  # folders, not names of files
    _, format_name, encoding = wire.short_form([name], EXTENSIONS)
    assert by_extension(name, EXTENSIONS) == format_name
    if format_name is not None:
        assert split(name)[1] == encoding


def test_the_content_encodings_are_the_servers():
    assert dict(content_encodings.SUFFIXES) == dict(ENCODINGS)


def test_formats_are_asked_for_once_and_again_for_an_extension_that_is_not_known():
    asked = []
    formats = Formats(lambda: asked.append(1) or EXTENSIONS)
    assert formats.of("x/a.csv.gz", None, None) == ("csv", "gzip")
    assert formats.of("a.json", None, None) == ("json", None)
    assert len(asked) == 1
    with pytest.raises(UnknownFormat, match=r"known: \.csv, \.json, \.tar\.csv") as caught:
        formats.of("a.odd", None, None)
    assert len(asked) == 2
    assert caught.value.detail["known"] == [".csv", ".json", ".tar.csv"]


def test_what_is_said_wins_over_the_name():
    formats = Formats(lambda: pytest.fail("nothing has to be asked"))
    assert formats.of("a.csv.gz", "tsv", "identity") == ("tsv", None)
    assert formats.of("a.csv.gz", "tsv", "zstd") == ("tsv", "zstd")
    assert formats.of("a.csv.gz", "tsv", None) == ("tsv", "gzip")


def test_a_file_is_there_when_it_is_whole(tmp_path):
    path = tmp_path / "a.csv"
    with whole(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), whole(path) as file:
        file.writelines([b"new", None])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_what_it_points_at_is_replaced(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with whole(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_device_is_written_to_and_not_replaced():
    with whole("/dev/null") as file:
        file.write(b"new")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_folder_that_is_not_there_is_said_by_the_name_that_was_given(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, whole(tmp_path / "absent" / "a.csv"):
        pass
    assert caught.value.filename == str(tmp_path / "absent" / "a.csv")


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    path = tmp_path / "a.csv"
    path.touch(mode=0o600)
    with whole(path) as file:
        file.write(b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"new"


def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda *_: False)  # who tests as root may write anything
    with pytest.raises(PermissionError) as caught, whole(path) as file:
        file.write(b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_ends_as_a_folders_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError), whole(f"{tmp_path}/absent/"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_stream_that_is_open_is_written_on(tmp_path):
    """What a shell sent to the file before stays, and so does what it sends afterwards."""
    path = tmp_path / "log"
    with path.open("wb", buffering=0) as log:
        log.write(b"before ")
        for name in (f"/dev/fd/{log.fileno()}", f"/proc/self/fd/{log.fileno()}"):
            with whole(name) as file:
                file.write(b"data ")
        log.write(b"after")
    assert path.read_bytes() == b"before data data after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_to_by_its_number():
    reads, writes = os.pipe()
    with whole(f"/dev/fd/{writes}") as file:
        file.write(b"data")
    os.close(writes)
    assert os.read(reads, 10) == b"data"
    os.close(reads)


def test_a_write_that_fails_says_where():
    with pytest.raises(OSError, match="No space left") as caught, whole("/dev/full") as file:
        file.write(b"new")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "/dev/full")
    with pytest.raises(BrokenPipeError) as broken, naming("pipe"):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    assert broken.value.filename == "pipe"
