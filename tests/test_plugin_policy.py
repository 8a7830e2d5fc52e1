"""With a list of what is allowed, nothing else runs: not one line of it."""

import hashlib

import pytest
from plugin_samples import lines, started, version_of

from flight_server.config import Config
from flight_server.configfile import ConfigError, load
from format_plugins.options import decode


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def status(folder, allow, file="lines.py"):
    # A sandbox would keep what runs from leaving a trace.
    with started(folder, enable_hot_reload=False, allow=allow, sandbox="off") as manager:
        (found,) = [each for each in manager.statuses() if each.file == file]
        return found


def test_bytes_on_the_list_are_loaded(folder):
    (folder / "lines.py").write_text(lines())
    assert status(folder, {"lines": digest(lines())}).state == "active"
    assert status(folder, {"lines": ["0" * 64, digest(lines()).upper()]}).state == "active"


@pytest.mark.parametrize("allow", [{"lines": "0" * 64}, {"other": "0" * 64}])
def test_no_line_of_what_is_not_on_the_list_runs(folder, tmp_path, allow):
    text = f"open({str(tmp_path / 'ran')!r}, 'w')\n{lines()}"
    (folder / "lines.py").write_text(text)
    assert status(folder, allow).state == "rejected"
    assert not (tmp_path / "ran").exists()


def test_the_message_says_which_file_which_hash_which_was_expected_and_what_to_configure(folder):
    (folder / "lines.py").write_text(lines())
    has = digest(lines())
    cure = f"if you trust these bytes, add them to the configuration: plugins.allow.lines: {has}"
    expected = "1" * 64
    assert status(folder, {"lines": expected}).last_error == (
        f"lines.py has the sha256 {has}, and plugins.allow.lines has {expected}; {cure}"
    )
    unlisted = status(folder, {"other": expected}).last_error
    assert unlisted == f"lines.py is not in plugins.allow, and has the sha256 {has}; {cure}"
    several = status(folder, {"lines": [str(number) * 64 for number in range(5)]}).last_error
    assert f"{'0' * 64} or {'1' * 64} or {'2' * 64} and 2 more" in several


def test_a_file_may_not_serve_under_a_name_that_its_bytes_are_not_listed_for(folder):
    text = lines(name="other")
    (folder / "lines.py").write_text(text)
    found = status(folder, {"lines": digest(text)})
    assert (found.name, found.state) == ("other", "rejected")
    assert found.last_error == (
        f"lines.py calls itself 'other', and plugins.allow.other has nothing, not its sha256 {digest(text)};"
        f" if you trust these bytes, add them to the configuration: plugins.allow.other: {digest(text)}"
    )
    assert status(folder, {"lines": digest(text), "other": digest(text)}).state == "active"


def test_a_package_is_listed_under_the_name_of_its_folder(folder):
    (folder / "lines").mkdir()
    (folder / "lines" / "__init__.py").write_text(lines())
    sums = f"{digest(lines())}  __init__.py\n"  # what sha256sum prints
    assert status(folder, {"lines": digest(sums)}, file="lines").state == "active"
    assert status(folder, {"lines": digest(lines())}, file="lines").state == "rejected"


def test_the_formats_that_ship_need_not_be_listed(folder, tmp_path):
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "lines.py").write_text(lines())
    with started(folder, builtin_dir=tmp_path / "shipped", allow={"x": "0" * 64}) as manager:
        assert version_of(manager) == "1.0.0"


def test_load_plugin_is_held_against_the_list(folder, tmp_path):
    (tmp_path / "elsewhere.py").write_text(lines())
    with started(folder, allow={"x": "0" * 64}) as manager:
        assert manager.load_plugin(tmp_path / "elsewhere.py").state == "rejected"


@pytest.mark.parametrize("listed", ["abc", "g" * 64, "0" * 63, ["0" * 64, ""]])
def test_a_hash_that_is_none_is_an_error_of_the_configuration(listed):
    with pytest.raises(ValueError, match=r"allow.lines: .* is no sha256"):
        decode(Config, {"plugins": {"allow": {"lines": listed}}})


def test_the_list_is_read_from_yaml(tmp_path):
    file = tmp_path / "server.yaml"
    file.write_text(f"plugins:\n  allow:\n    lines: {'ab' * 32}\n    other: [{'cd' * 32}]\n")
    assert load(file).plugins.allow == {"lines": "ab" * 32, "other": ["cd" * 32]}
    file.write_text(f"plugins:\n  allow:\n    lines: {'0' * 64}\n")
    with pytest.raises(ConfigError, match=r"plugins\.allow"):
        load(file)  # YAML takes digits for a number
