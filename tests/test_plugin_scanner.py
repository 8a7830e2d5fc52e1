"""What is a plugin in a folder, what moves its signature, and how its bytes are read."""

import hashlib
import os
import subprocess

import pytest

from flight_server.plugins.scanner import claimed_name, scan, sign
from flight_server.plugins.source import Source, Unreadable, read

LIMIT = 1 << 20


def test_modules_libraries_and_packages_are_plugins(tmp_path):
    (tmp_path / "lines.py").touch()
    (tmp_path / "libmy_plugin.so").touch()
    (tmp_path / "avro").mkdir()
    (tmp_path / "avro" / "__init__.py").touch()
    assert set(scan(tmp_path)) == {"lines.py", "libmy_plugin.so", "avro"}


@pytest.mark.parametrize(
    ("file", "name"), [("lines.py", "lines"), ("libmy_plugin.so", "my_plugin"), ("liblib.so.so", "lib.so"), ("a.b", "a.b")]
)
def test_a_file_claims_a_name_before_its_code_says_more(file, name):
    assert claimed_name(file) == name


@pytest.mark.parametrize(
    "name",
    [
        "_x.py",
        ".x.py",
        ".#x.py",
        "#x.py#",
        "x.py~",
        "x.py.swp",
        ".x.py.swx",
        "4913",
        "x.pyc",
        "x.txt",
        "x.py.part",
        "x.tmp",
        "x",
        "x.so",
        "lib.so",
        "libx.so.1",
        "libx.so.tmp",
        ".libx.so.9K3a1z",
    ],
)
def test_what_editors_and_copies_leave_behind_is_no_plugin(tmp_path, name):
    (tmp_path / name).touch()
    assert scan(tmp_path) == {}


def test_a_folder_without_init_and_a_pycache_are_no_plugins(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "__init__.py").touch()
    (tmp_path / "folder.py").mkdir()
    assert scan(tmp_path) == {}


def test_a_folder_that_is_not_there_is_an_error_and_not_an_empty_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "nowhere")


def test_a_same_size_edit_with_its_time_put_back_moves_the_signature(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("a = 1")
    before, times = sign(file), file.stat()
    file.write_text("a = 2")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    # The kernel's clock for such stamps may tick only every few milliseconds.
    while sign(file) == before:
        file.write_text("a = 2")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.stat().st_mtime_ns == times.st_mtime_ns


def test_a_change_deep_in_a_package_moves_its_signature(tmp_path):
    inner = tmp_path / "pkg" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "pkg" / "__init__.py").touch()
    before = sign(tmp_path / "pkg")
    (inner / "table.csv").write_text("a")
    assert sign(tmp_path / "pkg") != before


def test_a_link_that_leads_nowhere_is_a_plugin_that_cannot_be_read(tmp_path):
    (tmp_path / "x.py").symlink_to(tmp_path / "nowhere.py")
    assert set(scan(tmp_path)) == {"x.py"}
    source = read(tmp_path / "x.py", limit_bytes=LIMIT)
    assert isinstance(source, Unreadable)
    assert source.sentence == "x.py cannot be read: No such file or directory"


def test_the_digest_of_a_module_is_what_sha256sum_prints(tmp_path):
    (tmp_path / "x.py").write_bytes(b"a = 1\n")
    source = read(tmp_path / "x.py", limit_bytes=LIMIT)
    assert isinstance(source, Source)
    assert source.sha256 == hashlib.sha256(b"a = 1\n").hexdigest()


def test_the_digest_of_a_package_is_that_of_what_sha256sum_prints(tmp_path):
    package = tmp_path / "pkg"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    (package / "inner" / "__init__.py").write_text("")
    command = ["sha256sum", "__init__.py", "inner/__init__.py"]
    printed = subprocess.run(command, cwd=package, capture_output=True, check=True).stdout
    source = read(package, limit_bytes=LIMIT)
    assert source.sha256 == hashlib.sha256(printed).hexdigest()


def test_a_file_larger_than_allowed_is_not_taken_into_memory(tmp_path):
    with (tmp_path / "x.py").open("wb") as file:
        file.truncate(1 << 40)
    source = read(tmp_path / "x.py", limit_bytes=LIMIT)
    assert isinstance(source, Unreadable)
    assert "larger than the 1,048,576 bytes of plugins.max_plugin_bytes" in source.sentence


def test_a_named_pipe_does_not_hold_up_its_reader(tmp_path):
    os.mkfifo(tmp_path / "x.py")
    assert scan(tmp_path) == {}
    assert isinstance(read(tmp_path / "x.py", limit_bytes=LIMIT), Unreadable)
