"""`plugin bench`: the figures are there and belong together, and what cannot be measured is told."""

import gzip

import pytest
from author_command import documents, invoke
from plugin_samples import EXAMPLE

from flight_server.authoring import benching


@pytest.fixture
def home(tmp_path):
    assert invoke("new", "ledger", "--dir", tmp_path).exit_code == 0
    return tmp_path / "ledger"


def test_the_figures_are_ratios_to_reading_the_bytes(home):
    (figures,) = documents(invoke("bench", home / "ledger.py", "--sample", home / "sample.ledger", "--json"))
    assert figures["measurements"] == 5
    assert (figures["bytes"], figures["rows"]) == (31, 4)
    for name in ("decoding", "serving", "encoding"):
        assert figures["ratios"][name] == pytest.approx(figures[name] / figures["reading"])
    assert figures["first_rows_secs"] > 0
    assert figures["peak_bytes"] > 0


def test_people_get_lines(home):
    result = invoke("bench", home / "ledger.py", "--sample", home / "sample.ledger")
    assert result.stdout.startswith("sample.ledger: 31 bytes, 4 rows; medians of 5\n")
    for words in ("reading the bytes alone", "checked as a server does", "encoding", "first rows after", "peak memory"):
        assert words in result.stdout


def test_a_packed_sample_counts_its_plain_bytes(home):
    packed = home / "packed.ledger.gz"
    packed.write_bytes(gzip.compress((home / "sample.ledger").read_bytes()))
    (figures,) = documents(invoke("bench", home / "ledger.py", "--sample", packed, "--json"))
    assert (figures["bytes"], figures["rows"]) == (31, 4)


def test_a_plugin_that_reads_whole_documents_and_writes_none_is_measured(tmp_path):
    source = EXAMPLE.read_text()
    head, _, rest = source.partition("    def read_batches_from_stream")
    whole = "    def read_batches(self, data):\n        return pa.table({'n': [len(memoryview(data))]})\n\n\n"
    source = head + whole + rest.partition("\n\n\n")[2]
    source = source.replace("import PluginMetadata", "import PluginCapabilities, PluginMetadata")
    source = source.replace('"1.0.0",', '"1.0.0", capabilities=PluginCapabilities(write=False),')
    (tmp_path / "whole.py").write_text(source)
    (tmp_path / "sample").write_text("tea\n")
    (figures,) = documents(invoke("bench", tmp_path / "whole.py", "--sample", tmp_path / "sample", "--json"))
    assert figures["rows"] == 1
    assert "encoding" not in figures


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import nothing_of_this_name\n", "ModuleNotFoundError"),
        ("import os\nos.abort()\n", "it was ended by SIGABRT"),
        ("import os\nos._exit(0)\n", "the process said nothing"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_told(home, source, why):
    (home / "ledger.py").write_text(source)
    result = invoke("bench", home / "ledger.py", "--sample", home / "sample.ledger")
    assert result.exit_code == 1
    assert why in result.stderr


def test_a_sample_that_is_wrong_is_told_with_its_place(home):
    (home / "wrong").write_text("a=x\n")
    result = invoke("bench", home / "ledger.py", "--sample", home / "wrong")
    assert result.exit_code == 1
    assert "'x' is no number (offset 0, row 1, column value)" in result.stderr


def test_an_empty_sample_is_told(home):
    (home / "empty").write_text("")
    result = invoke("bench", home / "ledger.py", "--sample", home / "empty")
    assert result.exit_code == 1
    assert "holds no bytes" in result.stderr


def test_fewer_than_five_measurements_are_refused(home):
    assert invoke("bench", home / "ledger.py", "--sample", home / "sample.ledger", "--times", 4).exit_code == 2


def test_a_folder_of_one_plugin_is_that_plugin_and_of_several_one_must_be_named(home):
    sample = home / "sample.ledger"
    assert invoke("bench", home, "--sample", sample, "--json").exit_code == 0
    (home / "second.py").write_text((home / "ledger.py").read_text())
    result = invoke("bench", home, "--sample", sample)
    assert result.exit_code == 1
    assert "holds several plugins (ledger.py, second.py): name one of them" in result.stderr


@pytest.mark.parametrize(("name", "why"), [("", "holds no plugin"), ("gone", "is not there"), ("notes.txt", "is no plugin")])
def test_a_path_without_a_plugin_is_told_without_a_traceback(tmp_path, name, why):
    (tmp_path / "notes.txt").write_text("tea=1\n")
    result = invoke("bench", tmp_path / name, "--sample", tmp_path / "notes.txt")
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert why in result.stderr


def test_a_packed_sample_that_is_damaged_is_laid_to_the_sample(home):
    (home / "wrong.gz").write_bytes(b"not packed")
    result = invoke("bench", home / "ledger.py", "--sample", home / "wrong.gz")
    assert result.stderr == "Error: wrong.gz: the gzip document is damaged: it does not begin as one\n"


def test_a_sample_that_takes_too_long_is_told_with_what_to_do(home, monkeypatch):
    monkeypatch.setattr(benching, "_SILENCE_SECS", 1.0)
    module = home / "ledger.py"
    module.write_text(
        module.read_text().replace("        row = offset = 0", "        while True: pass\n        row = offset = 0")
    )
    result = invoke("bench", module, "--sample", home / "sample.ledger")
    assert "it did not end within 1 seconds; some megabytes of a sample are enough" in result.stderr
