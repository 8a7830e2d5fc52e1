"""`plugin dev`: each change of a plugin is told at once, by the server's own host."""

import contextlib
import os
import select
import signal
import subprocess
import time

import pytest
from author_command import COMMAND, environment, invoke

from flight_server.authoring import sampler
from flight_server.authoring.developing import _show as show

PATIENCE_SECS = 60


class Dev:
    """The command, running."""

    def __init__(self, *arguments, cwd):
        command = [*COMMAND, "dev", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        self._shown = ""

    def shows(self, wanted):
        """Read until ``wanted`` is there; return all up to there, and forget it."""
        deadline = time.monotonic() + PATIENCE_SECS
        while wanted not in self._shown:
            assert select.select([self.process.stdout], [], [], max(deadline - time.monotonic(), 0))[0], self._shown
            piece = os.read(self.process.stdout.fileno(), 65536).decode()
            assert piece, self._shown
            self._shown += piece
        head, _, self._shown = self._shown.partition(wanted)
        return head + wanted

    def stop(self):
        """Press Ctrl-C, which reaches every process of the terminal."""
        os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(PATIENCE_SECS)
        self._shown += self.process.stdout.read().decode()
        return code, self._shown


@contextlib.contextmanager
def developing(*arguments, cwd):
    dev = Dev(*arguments, cwd=cwd)
    try:
        yield dev
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(dev.process.pid, signal.SIGKILL)
        dev.process.wait()
        dev.process.stdout.close()


@pytest.fixture
def home(tmp_path):
    assert invoke("new", "ledger", "--dir", tmp_path).exit_code == 0
    return tmp_path


def test_each_reload_is_told_with_its_version_generation_and_time(home):
    module = home / "ledger/ledger.py"
    with developing("ledger", cwd=home) as dev:
        told = dev.shows("Ctrl-C ends it.")
        assert "✓ ledger 0.1.0: loaded as generation " in told
        assert " ms\n" in told
        module.write_text(module.read_text().replace("0.1.0", "0.2.0"))
        assert "✓ ledger 0.2.0: replaced as generation " in dev.shows(" ms\n")
        module.unlink()
        dev.shows("- ledger: removed, for ledger.py is gone\n")
        code, rest = dev.stop()
    assert (code, rest.strip()) == (0, "")


def test_what_is_rejected_is_told_with_the_authors_traceback_and_what_goes_on(home):
    module = home / "ledger/ledger.py"
    source = module.read_text()
    with developing("ledger", cwd=home) as dev:
        dev.shows("Ctrl-C ends it.")
        module.write_text(source.replace("import pyarrow as pa", "import pyarroww as pa"))
        told = dev.shows("goes on serving\n")
        assert "✗ ledger.py: it cannot be imported: ModuleNotFoundError: No module named 'pyarroww'" in told
        assert ", line 7, in <module>\n        import pyarroww as pa\n" in told
        module.write_text("import os\nos.abort()\n")
        assert "it was killed by SIGABRT while it was imported" in dev.shows("goes on serving\n")
        module.write_text(source)
        dev.shows("✓ ledger 0.1.0: ")


def test_the_sample_is_decoded_after_each_load(home):
    module = home / "ledger/ledger.py"
    with developing("ledger", "--sample", "ledger/sample.ledger", cwd=home) as dev:
        told = dev.shows("Ctrl-C ends it.")
        assert "sample.ledger: 4 rows of key: string, value: double\n    key   value\n    tea   2.5\n" in told
        module.write_text(module.read_text().replace('"key"', '"name"'))
        assert "4 rows of name: string, value: double" in dev.shows("salt  null")


def test_only_the_first_rows_of_a_sample_are_shown_and_it_is_unpacked(home):
    sample = home / "long.ledger"
    sample.write_text("".join(f"key {number}=1\n" for number in range(1000)))
    subprocess.run(["gzip", sample], check=True)
    with developing("ledger", "--sample", "long.ledger.gz", cwd=home) as dev:
        told = dev.shows("Ctrl-C ends it.")
    assert "1,000 rows" in told
    assert "    key 4  1.0\n    ...\n" in told


def test_a_sample_that_is_wrong_is_told_with_its_place(home):
    (home / "wrong.ledger").write_text("a=1\nb=x\n")
    with developing("ledger", "--sample", "wrong.ledger", cwd=home) as dev:
        assert "✗ wrong.ledger: 'x' is no number (offset 4, row 2, column value)" in dev.shows("Ctrl-C ends it.")


def test_a_plugin_that_crashes_on_the_sample_ends_nothing_else(home):
    module = home / "ledger/ledger.py"
    source = module.read_text()
    crash = "if key == 'tea':\n                __import__('os')._exit(7)\n            return key,"
    module.write_text(source.replace("return key,", crash))
    with developing("ledger", "--sample", "ledger/sample.ledger", cwd=home) as dev:
        told = dev.shows("Ctrl-C ends it.")
        assert "✗ sample.ledger cannot be decoded: it ended the process with the code 7" in told
        module.write_text(source)
        dev.shows("sample.ledger: 4 rows")


def test_a_folder_without_plugins_is_watched(tmp_path):
    with developing(tmp_path, cwd=tmp_path) as dev:
        dev.shows("which holds no plugin yet; Ctrl-C ends it.\n")
        assert invoke("new", "ledger", "--dir", tmp_path / "elsewhere").exit_code == 0
        (tmp_path / "elsewhere/ledger/ledger.py").rename(tmp_path / "ledger.py")
        dev.shows("✓ ledger 0.1.0: loaded")


def test_a_folder_that_cannot_be_used_is_told_with_its_repair(home):
    (home / "ledger").chmod(0o777)
    with developing("ledger", cwd=home) as dev:
        told = dev.shows("Ctrl-C ends it.")
        assert "! the plugin folder cannot be used" in told
        assert f"repair: chmod o-w {home}/ledger" in told
        assert "Watching ledger, which cannot be used as it is;" in told
        (home / "ledger").chmod(0o755)
        dev.shows("✓ ledger 0.1.0: loaded")


def test_who_loses_a_name_is_told_with_its_file(home):
    (home / "ledger/more.py").write_text((home / "ledger/ledger.py").read_text())
    with developing("ledger", cwd=home) as dev:
        assert "✗ more.py: the name 'ledger' is held by ledger.py" in dev.shows("Ctrl-C ends it.")


def test_a_sample_that_goes_on_for_ever_is_decoded_for_a_moment(home, monkeypatch, capsys):
    monkeypatch.setattr(sampler, "_ENOUGH_SECS", 0.0)
    sample = home / "long.ledger"
    sample.write_text("key=1\n" * 1_000_000)
    answer = sampler._decoded(home / "ledger/ledger.py", sample, 5, {})
    assert 5 < answer["count"] < 1_000_000
    show(sample, answer)
    assert "long.ledger: at least " in capsys.readouterr().out


def test_the_options_of_the_configuration_hold(home):
    laid = "plugins.plugin_configs={ledger: {separator: ':'}}"
    with developing("ledger", "--sample", "ledger/sample.ledger", "--set", laid, cwd=home) as dev:
        assert "there is no ':' on the line" in dev.shows("Ctrl-C ends it.")


def test_a_conflict_is_told(home):
    module = home / "ledger/ledger.py"
    module.write_text(module.read_text().replace('extensions=(".ledger",)', 'extensions=(".csv",)'))
    with developing("ledger", cwd=home) as dev:
        assert "the extension '.csv' is held by the format 'csv'" in dev.shows("Ctrl-C ends it.")


def test_a_package_itself_is_refused(tmp_path):
    (tmp_path / "__init__.py").write_text("")
    result = invoke("dev", tmp_path)
    assert result.exit_code == 1
    assert "name the folder that holds it" in result.stderr
