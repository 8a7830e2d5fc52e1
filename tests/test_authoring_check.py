"""`plugin check`: each rule is told as it is judged, and whatever a plugin does the checks go on."""

import shutil
import subprocess

import pytest
from author_command import COMMAND, documents, environment, invoke, run
from client_command import terminal
from native_plugins import Builder, needs_compiler
from native_plugins import run as build
from plugin_samples import EXAMPLE, SYNTAX_ERROR

from flight_server.authoring.declared import test_of as beside

FEW = [part for name in ("it can be loaded", "the_example_comes_back", "a-server-takes-it") for part in ("--only", name)]

#: It tells whether it can have a socket, which no sandbox grants.
SEES_ITS_SANDBOX = """
import socket

try:
    socket.socket().close()
except OSError:
    raise RuntimeError("the sandbox is auto") from None
raise RuntimeError("the sandbox is off")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("author")
    assert invoke("new", "ledger", "--dir", folder).exit_code == 0
    return folder


def written(folder, source, name="odd"):
    path = folder / f"{name}.py"
    path.write_text(source)
    return path


def breaking(statement):
    """The example plugin, which does something else when it begins to read."""
    return EXAMPLE.read_text().replace('        rest = b""\n', f'        {statement}\n        rest = b""\n')


def test_the_test_beside_the_plugin_says_what_is_declared(home):
    result = run("check", "ledger", *FEW, cwd=home)
    assert result.stdout.splitlines()[0] == "with what ledger/tests/test_ledger.py declares"


@pytest.mark.parametrize("place", ["tests/test_odd.py", "test_odd.py"])
def test_a_test_is_found_beside_a_module_and_in_its_tests(tmp_path, place):
    test = tmp_path / place
    test.parent.mkdir(exist_ok=True)
    test.write_text("")
    assert beside(written(tmp_path, "")) == test


def test_a_package_has_its_test_inside_or_beside(tmp_path):
    package = tmp_path / "odd"
    (package / "tests").mkdir(parents=True)
    assert beside(package) is None
    (tmp_path / "test_odd.py").write_text("")
    assert beside(package) == tmp_path / "test_odd.py"
    (package / "tests/test_odd.py").write_text("")
    assert beside(package) == package / "tests/test_odd.py"


def test_each_finding_is_an_object_when_asked(home):
    found = documents(run("check", "ledger", "--json", *FEW, cwd=home))
    assert [(each["check"], each["ok"]) for each in found] == [
        ("it_can_be_loaded", True),
        ("the_example_comes_back", True),
        ("a_server_takes_it", True),
    ]
    assert {each["plugin"] for each in found} == {"ledger/ledger.py"}


def test_a_broken_rule_is_explained_with_the_fix_and_the_code_is_one(home, tmp_path):
    shutil.copytree(home / "ledger", tmp_path / "ledger")
    source = (home / "ledger/ledger.py").read_text()
    (tmp_path / "ledger/ledger.py").write_text(source.replace('rest = b""', 'rest = {}["tea"]'))
    result = run("check", "ledger", *FEW, cwd=tmp_path)
    assert result.returncode == 1
    assert "ok      it can be loaded\n" in result.stdout
    assert "failed  the example comes back\n" in result.stdout
    assert "    To repair it: " in result.stdout
    assert "    KeyError: 'tea'" in result.stdout
    assert result.stdout.endswith("broken\n")


@pytest.mark.parametrize(
    ("statement", "said"),
    [("import os; os.abort()", "SIGABRT"), ("import os; os._exit(3)", "code 3"), ("exit()", "SystemExit")],
)
def test_a_plugin_that_ends_its_process_in_a_check_is_told_and_the_checks_go_on(tmp_path, statement, said):
    result = run("check", written(tmp_path, breaking(statement)), *FEW, cwd=tmp_path)
    assert result.returncode == 1
    assert said in result.stdout
    assert "failed  the example comes back\n" in result.stdout
    assert "  a server takes it\n" in result.stdout


def test_what_cannot_be_loaded_is_told_once(tmp_path):
    result = run("check", written(tmp_path, "import os\nos.abort()\n"), cwd=tmp_path)
    assert result.returncode == 1
    assert result.stdout.count("failed") == 1
    assert result.stdout.endswith("1 broken\n")


def test_the_servers_own_rules_are_among_the_checks(tmp_path):
    source = EXAMPLE.read_text().replace('version="1.0.0"', 'version="1.0.0", api=">=2"')
    result = run("check", written(tmp_path, source), "--only", "a server takes it", cwd=tmp_path)
    assert result.returncode == 1
    assert "it works with the contract >=2" in result.stdout


def test_who_has_waited_too_long_is_not_told_to_be_tried_again_by_itself(tmp_path):
    path = written(tmp_path, f"import time\ntime.sleep(60)\n{EXAMPLE.read_text()}")
    timeout = ("--set", "plugins.load_timeout_secs=0.5")
    result = run("check", path, "--only", "a server takes it", *timeout, cwd=tmp_path)
    assert result.returncode == 1
    assert "it used the processor for 0." in result.stdout
    assert "tried again" not in result.stdout
    assert "To repair it: Check it again, on a machine that is less busy" in result.stdout


def test_a_test_that_cannot_be_read_is_told_with_its_traceback(tmp_path):
    path = written(tmp_path, EXAMPLE.read_text())
    (tmp_path / "test_odd.py").write_text("import nothing_of_this_name\n")
    result = run("check", path, cwd=tmp_path)
    assert result.returncode == 1
    assert "its test test_odd.py cannot be read: ModuleNotFoundError" in result.stdout
    assert 'test_odd.py", line 1' in result.stdout


def test_a_test_that_ends_its_process_is_told(tmp_path):
    path = written(tmp_path, EXAMPLE.read_text())
    (tmp_path / "test_odd.py").write_text("import os\nprint('not JSON', flush=True)\nos.abort()\n")
    result = run("check", path, cwd=tmp_path)
    assert result.returncode == 1
    assert "the checks cannot go on: it was ended by SIGABRT" in result.stdout


def test_all_plugins_of_a_folder_are_checked(tmp_path):
    written(tmp_path, EXAMPLE.read_text(), "good")
    written(tmp_path, "", "bad")
    result = run("check", tmp_path, "--only", "it can be loaded", cwd=tmp_path)
    assert result.returncode == 1
    assert f"{tmp_path / 'bad.py'}\nfailed  it can be loaded\n" in result.stdout
    assert f"{tmp_path / 'good.py'}\nok      it can be loaded\n" in result.stdout


def test_a_package_is_checked(tmp_path):
    package = tmp_path / "odd"
    package.mkdir()
    written(package, "from .inner import create_plugin as create_plugin", "__init__")
    written(package, EXAMPLE.read_text(), "inner")
    result = run("check", package, *FEW, cwd=tmp_path)
    assert "ok      it can be loaded\n" in result.stdout
    assert "ok      a server takes it\n" in result.stdout


@pytest.mark.parametrize(
    ("name", "why"), [("gone.py", "is not there"), ("notes.txt", "is no plugin"), ("empty", "holds no plugin")]
)
def test_a_path_without_a_plugin_is_told(tmp_path, name, why):
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    result = invoke("check", tmp_path / name)
    assert result.exit_code == 1
    assert why in result.stderr


def test_an_unknown_check_is_told_with_the_nearest(home):
    result = run("check", "ledger", "--only", "it can be load", cwd=home)
    assert result.returncode == 1
    assert "did you mean 'it_can_be_loaded'? (known: it_can_be_loaded, " in result.stderr


def test_a_link_that_leads_nowhere_is_told(tmp_path):
    (tmp_path / "odd.py").symlink_to(tmp_path / "gone.py")
    assert "odd.py is a link that leads nowhere" in invoke("check", tmp_path / "odd.py").stderr


def test_a_syntax_error_is_told_with_its_line_and_no_frame_of_the_kit(tmp_path):
    found = documents(run("check", written(tmp_path, SYNTAX_ERROR), "--json", cwd=tmp_path))
    assert found[0]["detail"].splitlines()[:2] == [f'  File "{tmp_path}/odd.py", line 1', "    def create_plugin(:"]


def test_the_trial_is_that_of_the_configured_server(tmp_path):
    plugin = written(tmp_path, SEES_ITS_SANDBOX)
    config = tmp_path / "server.yaml"
    config.write_text("plugins: {sandbox: 'off'}")
    for option, sandbox in ((), "auto"), (("--set", "plugins.sandbox=off"), "off"), (("--config", config), "off"):
        result = run("check", plugin, "--only", "a server takes it", *option, cwd=tmp_path)
        assert f"RuntimeError: the sandbox is {sandbox}" in result.stdout, result.stdout


def test_the_trial_has_the_configured_options(home):
    laid = "plugins.plugin_configs={ledger: {separatr: x}}"
    result = run("check", "ledger", "--only", "a server takes it", "--set", laid, cwd=home)
    assert "unknown key 'plugins.plugin_configs.ledger.separatr'" in result.stdout


def test_a_wrong_configuration_is_told_before_any_check(home):
    result = run("check", "ledger", "--set", "plugins.sandboxx=off", cwd=home)
    assert (result.returncode, result.stdout) == (1, "")
    assert "unknown key 'plugins.sandboxx'" in result.stderr


def test_a_terminal_shows_marks(home):
    with terminal() as (writes, person):
        command = [*COMMAND, "check", "ledger", "--only", "it can be loaded"]
        process = subprocess.Popen(command, cwd=home, env=environment(), stdout=writes)
        shown = person.sees("1 kept")
        assert process.wait(60) == 0
    assert "\x1b[32m✓\x1b[0m it can be loaded" in shown


@needs_compiler
def test_a_library_is_checked_by_what_the_test_beside_it_declares(tmp_path):
    assert invoke("new", "orders", "--dir", tmp_path, "--lang", "c").exit_code == 0
    build(["make", "-C", tmp_path / "orders"])
    result = run("check", "orders/liborders.so", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0] == "with what orders/tests/test_orders.py declares"
    assert "ok      every type comes back or is a declared loss\n" in result.stdout
    assert "ok      a server takes it\n" in result.stdout


@needs_compiler
def test_a_library_that_crashes_is_told_and_so_is_one_that_is_none(tmp_path):
    build_faulty = Builder(tmp_path)
    for content, said in ((build_faulty("AT_INIT=abort()"), "SIGABRT"), (b"#!/bin/sh\n", "it is a text file, not a library")):
        library = tmp_path / "libnumbers.so"
        library.write_bytes(content)
        result = run("check", library, *FEW, cwd=tmp_path)
        assert result.returncode == 1
        assert said in result.stdout


def test_a_library_that_cargo_built_has_its_test_in_the_package(tmp_path):
    library = tmp_path / "target/release/libodd.so"
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_odd.py").write_text("")
    assert beside(library) == tmp_path / "tests/test_odd.py"
