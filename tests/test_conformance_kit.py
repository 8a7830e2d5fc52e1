"""The conformance kit finds what it is for: a plugin broken in one way fails the check meant for it, and no other."""

import importlib
import json
import subprocess
import sys
import unittest
from dataclasses import asdict
from types import SimpleNamespace

import pyarrow as pa
import pytest
from arrow_samples import samples
from broken_plugins import BEGIN_WRITING, BROKEN, HEAD, IMPORT, LOSSES, SOURCE, after, before

from flight_server.plugins.failure import LoadError
from flight_server.plugins.metadata import checked
from format_plugins.conformance import CHECKS, Declaration, How, Loss, check, classes_in
from format_plugins.conformance.arrays import arrays
from format_plugins.conformance.entry import metadata_is_valid_constant_and_cheap
from format_plugins.conformance.finding import Unmet
from format_plugins.conformance.sameness import same, same_values
from format_plugins.conformance.subject import Subject
from format_plugins.contract import PluginCapabilities, PluginMetadata

DECLARED = Declaration(losses=LOSSES)
FRESH = [each.name for each in CHECKS if each.fresh]
HERE = [each.name for each in CHECKS if not each.fresh]


@pytest.fixture
def written(tmp_path):
    """Writes a plugin's source, and returns where."""

    def write(source, name="frames.py"):
        (tmp_path / name).write_text(source)
        return tmp_path / name

    return write


def judged(path, only=(), declared=DECLARED, **how):
    return {finding.check: finding for finding in check(path, declared, only=only, **how)}


def failing(findings):
    return {name: finding.sentence for name, finding in findings.items() if not finding.ok}


def test_a_plugin_that_keeps_every_rule_passes(written):
    findings = judged(written(SOURCE))
    assert failing(findings) == {}
    assert list(findings) == [each.name for each in CHECKS]
    assert {name for name, finding in findings.items() if finding.skipped} == {
        "another_schema_is_refused",
        "what_is_inferred_keeps_every_row_and_null",
    }


def test_there_is_a_broken_plugin_for_every_check():
    assert {broken.check for broken in BROKEN} == {each.name for each in CHECKS}


@pytest.mark.parametrize("broken", BROKEN, ids=[f"{broken.check}-{number}" for number, broken in enumerate(BROKEN)])
def test_a_plugin_that_breaks_one_rule_fails_the_check_meant_for_it(written, broken):
    only = [*HERE, *FRESH] if broken.check in FRESH else HERE
    found = judged(written(broken.source), only, broken.declaration)
    assert set(failing(found)) == {broken.check}
    assert broken.says in found[broken.check].sentence
    assert found[broken.check].fix


# Plugins that a process does not survive.


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os; os._exit(3)", "It ends the process: exit code 3."),
        ("import os; os.abort()", "It ends the process: SIGABRT."),
        ("import ctypes; ctypes.string_at(0)", "It ends the process: SIGSEGV."),
    ],
)
def test_a_plugin_that_ends_the_process_is_a_finding_and_the_next_check_goes_on(written, code, says):
    _, source = after(HEAD, 'if head[:1] == b"<":', f"    {code}")
    path = written(SOURCE.replace(HEAD, source))
    only = ["garbage_is_wrong_data_or_data", "the_same_rows_give_the_same_bytes"]
    assert failing(judged(path, only, isolated=True)) == {"garbage_is_wrong_data_or_data": says}


@pytest.mark.parametrize("isolated", [True, False])
def test_a_plugin_that_hangs_is_a_finding_that_shows_where(written, tmp_path, isolated):
    ended = tmp_path / "ended"  # a thread cannot be killed: this ends the one that hangs
    loop = ('while head[:1] == b"<":', f"    if os.path.exists({str(ended)!r}):", "        raise SystemExit")
    source = SOURCE.replace(*after(HEAD, *loop)).replace(*after(IMPORT, "import os"))
    only = ["garbage_is_wrong_data_or_data", "the_same_rows_give_the_same_bytes"]
    found = judged(written(source), only, isolated=isolated, timeout_secs=2)
    ended.touch()
    assert failing(found) == {"garbage_is_wrong_data_or_data": "It does not end within 2 seconds."}
    assert "in frame" in found["garbage_is_wrong_data_or_data"].detail


def test_what_needs_a_process_of_its_own_does_not_see_what_the_plugin_did_before(written, monkeypatch):
    monkeypatch.setenv("FRAMES", "")
    path = written(SOURCE.replace(*after(IMPORT, "import os; os.environ['FRAMES'] = '1'")))
    found = judged(path, ["it_can_be_loaded", "loading_it_changes_nothing_else"])
    assert failing(found) == {"loading_it_changes_nothing_else": "Loading it changes the environment."}


# How a plugin is given.


@pytest.fixture
def module(written, monkeypatch):
    """The plugin as a module that tests have imported."""
    monkeypatch.syspath_prepend(written(SOURCE, "frames_for_a_test.py").parent)
    yield importlib.import_module("frames_for_a_test")
    sys.modules.pop("frames_for_a_test")


def test_a_plugin_may_be_a_module(module):
    found = judged(module, ["the_example_comes_back", "a_hundred_loads_leave_nothing_behind"])
    assert (failing(found), [finding.skipped for finding in found.values()]) == ({}, [False, False])


def test_a_plugin_may_be_an_object_whose_module_other_processes_import(module):
    found = judged(module.create_plugin(), ["the_example_comes_back", *FRESH])
    assert failing(found) == {}
    assert [name for name, finding in found.items() if finding.skipped] == ["a_hundred_loads_leave_nothing_behind"]


def test_an_object_that_comes_from_nowhere_is_judged_in_this_process_only():
    names = {"__name__": "nowhere"}
    exec(compile(SOURCE, "nowhere.py", "exec"), names)  # noqa: S102 - the point
    found = judged(names["create_plugin"](), ["the_example_comes_back", *FRESH])
    assert [name for name, finding in found.items() if finding.skipped] == FRESH


def test_a_plugin_may_be_a_package_with_relative_imports_and_data(tmp_path):
    folder = tmp_path / "framed"
    folder.mkdir()
    (folder / "codec.py").write_text(SOURCE)
    (folder / "about.txt").write_text("frames")
    lines = (
        "import pkgutil",
        "from .codec import create_plugin",
        "assert pkgutil.get_data(__name__, 'about.txt') == b'frames'",
    )
    (folder / "__init__.py").write_text("\n".join(lines))
    found = judged(folder, ["it_can_be_loaded", "the_example_comes_back", "a_hundred_loads_leave_nothing_behind"])
    assert failing(found) == {}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("frames.txt", "", "frames.txt is neither a Python module nor "),
        ("frames.py", "def create_plugin(:", "Loading it, the plugin raises SyntaxError: invalid syntax (line 1)."),
        ("json.py", SOURCE, "It is named like Python's own module 'json', which its imports would mistake it for."),
    ],
)
def test_what_cannot_be_loaded_is_one_finding_and_the_rest_is_not_judged(written, name, text, says):
    found = judged(written(text, name), [each for each in HERE if name != "json.py" or each == "it_can_be_loaded"])
    ((check_, sentence),) = failing(found).items()
    assert (check_, sentence[: len(says)]) == ("it_can_be_loaded", says)


def test_a_file_that_is_not_there_is_a_finding(tmp_path):
    found = judged(tmp_path / "gone.py", ["it_can_be_loaded"])
    assert failing(found) == {"it_can_be_loaded": "gone.py cannot be read: No such file or directory."}


def test_a_load_leaves_no_module_behind(written):
    before = set(sys.modules)
    judged(written(SOURCE), ["the_example_comes_back"])
    assert {name for name in set(sys.modules) - before if "@" in name} == set()


def test_the_bytes_are_what_runs_and_not_a_pyc(written):
    first, second = written(SOURCE.replace("1.0.0", "1.0.1")), SOURCE.replace("1.0.0", "1.0.2")
    subject = Subject(first, DECLARED)
    assert subject.metadata.version == "1.0.1"
    first.write_text(second)
    assert Subject(first, DECLARED).metadata.version == "1.0.2"


# What is declared.


READ_ONLY = ("PluginCapabilities()", "PluginCapabilities(write=False)")
WRITE_ONLY = ("PluginCapabilities()", "PluginCapabilities(read=False)")


def test_a_format_that_is_only_read_is_judged_by_its_samples(written):
    table = pa.table({"a": [1, 2]})
    data = Subject(written(SOURCE), DECLARED).document(table).data
    path = written(SOURCE.replace(*READ_ONLY))
    found = judged(path, HERE, Declaration(samples={data: table}))
    assert failing(found) == {}
    assert not found["a_document_cut_short_is_noticed"].skipped
    wrong = judged(path, ["the_example_comes_back"], Declaration(samples={data: pa.table({"a": [1, 3]})}))
    assert "row 2 of the column 'a' is 2 instead of 3" in wrong["the_example_comes_back"].sentence


def test_a_format_that_is_only_written_is_judged_by_what_it_refuses(written):
    path = written(SOURCE.replace(*WRITE_ONLY))
    assert failing(judged(path)) == {}
    found = judged(path, declared=Declaration(), only=["every_type_comes_back_or_is_a_declared_loss"])
    assert "Dictionary of dictionary is refused" in found["every_type_comes_back_or_is_a_declared_loss"].sentence


def test_a_format_of_one_schema_is_tried_with_samples_in_its_columns(written):
    fits = 'if (batches.schema.names, batches.schema.types) != (["n"], [pa.uint8()]): raise UnsupportedError("n")'
    path = written(SOURCE.replace(*before(BEGIN_WRITING, fits)))
    declared = Declaration(example=pa.table({"n": pa.array([1], pa.uint8())}), fixed_schema=True)
    assert failing(judged(path, HERE, declared)) == {}


def test_one_schema_is_not_declared_without_an_example():
    with pytest.raises(ValueError, match="fixed_schema says that the schema is that of `example`, and there is none"):
        Declaration(fixed_schema=True)


def test_the_first_loss_that_covers_a_sample_counts(written):
    losses = (Loss("dictionary of dictionary", How.REFUSED), Loss("dictionary of d*", How.CHANGED))
    found = judged(written(SOURCE), ["every_type_comes_back_or_is_a_declared_loss"], Declaration(losses=losses))
    assert failing(found) == {}


# What comes out.


def test_findings_come_as_they_are_made_and_can_be_sent_as_json(written):
    findings = check(written(SOURCE), DECLARED)
    first = next(findings)
    findings.close()
    assert json.loads(json.dumps(asdict(first)))["check"] == "it_can_be_loaded"


def test_a_check_that_is_not_there_is_refused_with_those_that_are(written):
    with pytest.raises(ValueError, match=r"there is no check 'all'.*it_can_be_loaded"):
        list(check(written(SOURCE), only=["all"]))


def test_every_check_says_its_rule_in_a_sentence():
    assert [each.name for each in CHECKS if not each.rule.endswith(".")] == []
    assert len({each.name for each in CHECKS}) == len(CHECKS)


def test_the_kit_needs_no_pytest_and_no_hypothesis():
    code = "import sys, format_plugins.conformance; sys.exit(bool({'pytest', 'hypothesis', '_pytest'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


TEST_FILE = """
from pathlib import Path
from format_plugins.conformance import Conformance

class TestFrames(Conformance):
    plugin = Path(__file__).with_name("frames.py")

    def test_the_example_comes_back(self):
        assert self.subject().rows(3).num_rows == 3
"""


def test_the_classes_of_a_test_file_are_found_with_what_they_declare(written, tmp_path):
    (found,) = classes_in(written(TEST_FILE, "test_frames.py"))
    assert (found.plugin, found.declaration()) == (tmp_path / "frames.py", Declaration())


def test_a_test_class_may_have_a_test_of_its_own_in_the_place_of_a_check(written):
    (found,) = classes_in(written(TEST_FILE, "test_frames.py"))
    written(SOURCE)
    found().test_the_example_comes_back()
    with pytest.raises(AssertionError, match="Dictionary of dictionary is refused"):
        found().test_every_type_comes_back_or_is_a_declared_loss()
    with pytest.raises(unittest.SkipTest, match="the documents carry their types"):
        found().test_what_is_inferred_keeps_every_row_and_null()
    found.teardown_class()


# The parts.


def test_the_samples_are_valid_and_of_every_type():
    for name, array in arrays():
        array.validate(full=True)
        assert array.null_count > 0 or not name.endswith(" null") or pa.types.is_run_end_encoded(array.type)
    assert {array.type.id for array in samples().values()} <= {array.type.id for _, array in arrays()}


@pytest.mark.parametrize(("one", "other"), [(0.0, -0.0), (float("nan"), 0.0), (None, float("nan")), (1.0, 1.0 + 2**-52)])
def test_numbers_that_arrow_takes_for_the_same_are_not(one, other):
    assert not same(pa.array([one], pa.float64()), pa.array([other], pa.float64()))


def test_nan_is_nan_and_a_type_counts():
    assert same(pa.array([float("nan")]), pa.array([float("nan")]))
    assert not same(pa.array([1]), pa.array([1], pa.int8()))
    assert same_values(pa.array([1]), pa.array([1], pa.int8()))


def test_of_dictionaries_the_values_count_and_of_ordered_ones_the_order():
    def encoded(words, indices, *, ordered=False):
        return pa.DictionaryArray.from_arrays(pa.array(indices), words, ordered=ordered)

    assert same(encoded(["a", "b"], [0, 1]), encoded(["b", "x", "a"], [2, 0]))
    assert not same(encoded(["a", "b"], [0, 1], ordered=True), encoded(["b", "a"], [1, 0], ordered=True))


@pytest.mark.parametrize(
    "metadata",
    [
        PluginMetadata(name=name, version=version, extensions=extensions, media_types=media_types)
        for name, version, extensions, media_types in [
            ("lines", "1.0.0", (".lines", ".geo.json"), ("text/plain",)),
            ("Lines", "1.0.0", (), ()),
            ("arrow", "1.0.0", (), ()),
            ("x" * 64, "1.0.0", (), ()),
            ("lines", "1.0", (), ()),
            ("lines", "1.0.0-rc.1+build", (), ()),
            ("lines", "01.0.0", (), ()),
            ("lines", "1.0.0", ("lines",), ()),
            ("lines", "1.0.0", (".Lines",), ()),
            ("lines", "1.0.0", (), ("text",)),
            ("lines", "1.0.0", (), ("Text/plain",)),
        ]
    ]
    + [PluginMetadata(name="lines", version="1.0.0", capabilities=PluginCapabilities(read=False, write=False))],
    ids=str,
)
def test_of_metadata_the_kit_and_the_host_think_the_same(metadata):
    def refused(judge):
        try:
            judge()
        except (Unmet, LoadError):
            return True
        return False

    subject = Subject(SimpleNamespace(metadata=lambda: metadata), Declaration())
    assert refused(lambda: metadata_is_valid_constant_and_cheap(subject)) == refused(lambda: checked(metadata))
