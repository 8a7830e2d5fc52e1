"""Plugins that pip installed are found by their entry points and loaded; what is wrong with one hinders no other."""

import importlib
import subprocess
import sys
import textwrap

import pyarrow as pa
import pytest
from plugin_samples import eventually, lines, started, version_of

import flight_client
from flight_server.config import PluginsConfig
from flight_server.plugins.installed import installed
from flight_server.plugins.source import Unreadable
from flight_server.transcode import encoded


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on Python's path for distributions of the test's own, whose modules are gone after it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)
    yield site
    for name in set(sys.modules) - before:
        if str(site) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


def install(site, distribution, entries, version="1.2.0", **modules):
    """Put a distribution into ``site`` as pip leaves it."""
    for name, source in modules.items():
        (site / f"{name}.py").write_text(source)
    home = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    home.mkdir()
    (home / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (home / "entry_points.txt").write_text("[format_plugins.plugins]\n" + "".join(f"{each}\n" for each in entries))
    (home / "RECORD").write_text("".join(f"{name}.py,sha256=x,1\n" for name in modules))
    importlib.invalidate_caches()
    return home


def status(manager, name):
    return next(each for each in manager.statuses() if each.name == name)


def written(manager, *texts):
    table = pa.table({"line": texts})
    with manager.registry.lease("lines") as lease:
        return b"".join(encoded(lease.create_format({}), table.to_batches(), table.schema, plugin="lines"))


def test_a_module_that_an_entry_point_names_is_served(site, folder):
    install(site, "lines-format", ["lines = lines_format"], lines_format=lines("3.0.0"))
    with started(folder) as manager:
        found = status(manager, "lines")
        assert (found.state, found.origin, found.version) == ("active", "installed", "3.0.0")
        assert found.file == "lines_format-1.2.0.dist-info/lines"
        assert manager.registry.snapshot.extensions == {".lines": "lines"}


def test_a_function_that_an_entry_point_names_is_called(site, folder):
    source = lines("3.0.0").replace("def create_plugin", "def lines_plugin")
    install(site, "lines-format", ["lines = lines_format:lines_plugin"], lines_format=source)
    with started(folder) as manager:
        assert version_of(manager) == "3.0.0"


def test_a_method_that_an_entry_point_names_is_called(site, folder):
    source = f"{lines('3.0.0')}\n\nclass Formats:\n    lines = staticmethod(create_plugin)\n"
    install(site, "lines-format", ["lines = lines_format:Formats.lines"], lines_format=source)
    with started(folder) as manager:
        assert version_of(manager) == "3.0.0"


def test_a_distribution_may_bring_several_also_such_as_are_named_like_pythons_own_modules(site, folder):
    modules = {"a_format": lines(name="a", extensions=()), "b_format": lines(name="b", extensions=())}
    install(site, "formats", ["email = a_format", "html = b_format"], **modules)
    with started(folder) as manager:
        assert {each.name for each in manager.statuses()} == {"a", "b"}


@pytest.mark.parametrize(
    ("entry", "source", "why"),
    [
        ("bad = bad_format", "import nothing_of_this_name\n", "No module named 'nothing_of_this_name'"),
        ("bad = bad_format", "import os\nos._exit(3)\n", "it ended with code 3 while it was imported"),
        ("bad = bad_format", "import os\nos.abort()\n", "it was killed by SIGABRT while it was imported"),
        ("bad = bad_format", "", "create_plugin"),
        ("bad = not_there", "", "No module named 'not_there'"),
        ("bad = bad_format:nothing", "", "cannot import name 'nothing'"),
        ("bad = bad_format; import os", "", "names no module"),
    ],
)
def test_one_that_cannot_be_loaded_is_rejected_and_the_others_serve(site, folder, entry, source, why):
    install(site, "bad-format", [entry], bad_format=source)
    install(site, "lines-format", ["lines = lines_format"], lines_format=lines())
    with started(folder) as manager:
        assert version_of(manager) == "1.0.0"
        found = status(manager, "bad")
        assert (found.state, found.origin) == ("rejected", "installed")
        assert why in found.last_error
        assert "bad" in manager.registry.snapshot.rejected


def test_the_log_has_the_traceback_of_one_that_is_rejected(site, folder, capsys):
    install(site, "bad-format", ["bad = bad_format"], bad_format="def deep():\n    return {}['tea']\n\n\ndeep()\n")
    with started(folder):
        pass
    logged = capsys.readouterr().out
    assert 'bad_format.py", line 2, in deep' in logged
    assert "KeyError: 'tea'" in logged


def test_a_distribution_that_cannot_be_read_hides_no_other(site, folder):
    home = install(site, "broken-format", [], broken_format="")
    (home / "entry_points.txt").write_bytes(b"[format_plugins.plugins]\n\xff\xfe = no text\nno equals sign\n")
    install(site, "lines-format", ["lines = lines_format"], lines_format=lines())
    with started(folder) as manager:
        assert version_of(manager) == "1.0.0"


def test_the_setting_switches_them_off(site, folder):
    install(site, "lines-format", ["lines = lines_format"], lines_format=lines())
    with started(folder, enable_entry_points=False) as manager:
        assert manager.statuses() == []
    with started(folder, enable_plugins=False) as manager:
        assert manager.statuses() == []


def test_looking_for_them_runs_none_of_their_code(site):
    install(site, "lines-format", ["lines = lines_format"], lines_format="raise SystemExit\n")
    assert not isinstance(installed()["installed/lines-format/lines"], Unreadable)
    assert "lines_format" not in sys.modules


def test_an_installed_plugin_keeps_its_name_before_one_of_the_folder(site, folder):
    install(site, "lines-format", ["lines = lines_format"], lines_format=lines("3.0.0"))
    (folder / "lines.py").write_text(lines("1.0.0"))
    with started(folder) as manager:
        assert version_of(manager) == "3.0.0"
        (dropped,) = [each for each in manager.statuses() if each.origin == "folder"]
        assert dropped.state == "rejected"
        assert "which is installed; plugins.override does not list it" in dropped.last_error


def test_one_of_the_folder_takes_over_when_the_override_lists_it(site, folder):
    install(site, "lines-format", ["lines = lines_format"], lines_format=lines("3.0.0"))
    (folder / "lines.py").write_text(lines("1.0.0"))
    with started(folder, override=["lines"]) as manager:
        assert version_of(manager) == "1.0.0"
        (beaten,) = [each for each in manager.statuses() if each.origin == "installed"]
        assert beaten.state == "overridden"
        (folder / "lines.py").unlink()
        manager.reload()
        assert version_of(manager) == "3.0.0"


@pytest.mark.parametrize(("override", "served"), [([], "1.0.0"), (["lines"], "3.0.0")])
def test_an_installed_plugin_takes_the_name_of_one_that_ships_only_by_override(site, folder, tmp_path, override, served):
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "shipped_lines.py").write_text(lines("1.0.0"))
    install(site, "lines-format", ["lines = lines_format"], lines_format=lines("3.0.0"))
    with started(folder, builtin_dir=shipped, override=override) as manager:
        assert version_of(manager) == served
        states = {each.origin: each.state for each in manager.statuses()}
        lost = {"installed": "rejected"} if not override else {"builtin": "overridden"}
        assert {**states, **lost} == states


def test_the_last_origin_has_a_name_that_the_override_lists_and_the_others_say_so(site, folder, tmp_path):
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "shipped_lines.py").write_text(lines("1.0.0"))
    install(site, "lines-format", ["lines = lines_format"], lines_format=lines("2.0.0"))
    (folder / "lines.py").write_text(lines("3.0.0"))
    with started(folder, builtin_dir=shipped, override=["lines"]) as manager:
        assert version_of(manager) == "3.0.0"
        beaten = [each.conflicts[0] for each in manager.statuses() if each.state == "overridden"]
    assert beaten == ["lines.py serves the name 'lines', as plugins.override lists it"] * 2


def test_an_installed_plugin_keeps_its_extension_before_one_of_the_folder(site, folder):
    install(site, "lines-format", ["lines = zz_format"], zz_format=lines(name="zz"))
    (folder / "aa.py").write_text(lines(name="aa"))
    with started(folder) as manager:
        assert manager.registry.snapshot.extensions[".lines"] == "zz"


def test_the_list_of_what_is_allowed_holds_for_them(site, folder):
    install(site, "lines-format", ["lines = lines_format"], lines_format=lines())
    with started(folder, allow={"other": "0" * 64}) as manager:
        found = status(manager, "lines")
        assert found.state == "rejected"
        assert "is not in plugins.allow" in found.last_error
        allow = {"lines": found.file_sha256}
    with started(folder, allow=allow) as manager:
        assert version_of(manager) == "1.0.0"


def test_the_hash_is_another_when_the_distribution_is(site):
    home = install(site, "lines-format", ["lines = lines_format"], lines_format=lines())
    before = installed()["installed/lines-format/lines"].sha256
    (home / "RECORD").write_text("lines_format.py,sha256=y,2\n")
    assert installed()["installed/lines-format/lines"].sha256 != before


def test_one_that_was_rejected_is_tried_again_by_a_reload(site, folder):
    install(site, "late-format", ["late = late_format"], late_format="raise KeyError('what it needs is not there')\n")
    with started(folder) as manager:
        assert status(manager, "late").state == "rejected"
        (site / "late_format.py").write_text(lines(name="late"))
        manager.reload()
        assert version_of(manager, "late") == "1.0.0"


def test_one_in_quarantine_says_what_ends_it_and_that_does(site, folder):
    install(site, "lines-format", ["lines = lines_format"], lines_format=lines())
    with started(folder, quarantine_crashes=1) as manager:
        assert manager.note_crash(status(manager, "lines").generation, "signal 11")
        told = status(manager, "lines")
        assert told.state == "quarantined"
        assert told.last_error.endswith(
            "; it is tried again when plugins are reloaded (flight-client reload), or at the next start"
        )
        manager.reload()
        assert status(manager, "lines").state == "active"


def test_its_options_come_from_the_configuration_and_change_with_a_reload(site, folder):
    install(site, "lines-format", ["lines = lines_format"], lines_format=lines())
    fresh = PluginsConfig(plugin_dir=str(folder), plugin_configs={"lines": {"upper": False}})
    with started(folder, plugin_configs={"lines": {"upper": True}}, parts={"reread": lambda: (fresh, [])}) as manager:
        assert written(manager, "tea") == b"TEA\n"
        manager.reload()
        assert written(manager, "tea") == b"tea\n"
        eventually(lambda: manager.health()["pinned"] == 0 == manager.health()["draining"])


def test_pip_installs_one_that_a_server_then_serves(tmp_path, server_factory, monkeypatch):
    project, target = tmp_path / "project", tmp_path / "target"
    project.mkdir()
    (project / "lines_format.py").write_text(lines("3.0.0"))
    (project / "pyproject.toml").write_text(
        textwrap.dedent("""
            [build-system]
            requires = ["hatchling"]
            build-backend = "hatchling.build"

            [project]
            name = "lines-format"
            version = "1.2.0"

            [project.entry-points."format_plugins.plugins"]
            lines = "lines_format"

            [tool.hatch.build.targets.wheel]
            include = ["lines_format.py"]
        """)
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*pip, "--target", target, project], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("PYTHONPATH", str(target))
    running = server_factory()
    with flight_client.connect(running.location) as client:
        (found,) = [each for each in client.plugins() if each["name"] == "lines"]
        assert (found["state"], found["origin"], found["version"]) == ("active", "installed", "3.0.0")
        assert client.convert(b"tea\n", from_format="lines", to_format="csv").read_all() == b"line\ntea\n"
