"""The trial of a plugin: whatever it does, it does in a child process, and what failed is told by name."""

import os
import signal
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from effort import within
from plugin_samples import EXAMPLE, eventually, lines, started, version_of
from procfs import children_of, is_alive
from raw_flight import action, connected

from flight_server.config import PluginLimits
from flight_server.errors import UnknownFormat
from flight_server.nursery.nursery import Nursery
from flight_server.plugins.loader import Rules
from flight_server.plugins.source import read
from flight_server.plugins.trial import Trial

LIMITS = PluginLimits(memory_bytes=256 << 20)
RULES = Rules(compatibility="semver", options_of=lambda _name: None)

PLUGIN = """
import os, time, ctypes
from dataclasses import dataclass
from types import SimpleNamespace
import pyarrow as pa
from format_plugins.contract import FormatError, PluginCapabilities, PluginMetadata, UnsupportedError

@dataclass(frozen=True)
class Options:
    size: int = 1

class Codec:
    def read_batches(self, data):
        READ
    def write_batches(self, batches):
        WRITE

def create_plugin():
    metadata = PluginMetadata(name="sample", version="1.0.0", capabilities=PluginCapabilities(read=True, write=True))
    return SimpleNamespace(config_type=Options, metadata=lambda: metadata, create_format=lambda options: Codec())
"""
READ = "return iter([pa.record_batch({'a': pa.array([], 'int64')})])"
WRITE = "yield from (b'x' for batch in batches)"


def plugin(read=READ, write=WRITE, *, first="", **changes):
    text = PLUGIN.replace("READ", read).replace("WRITE", write)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return f"{first}\n{text}"


@pytest.fixture(scope="module")
def nursery():
    shared = Nursery()
    shared.start()
    yield shared
    shared.stop()


@pytest.fixture
def trial(nursery, tmp_path):
    """Write a text to a file and try it: the failure, None if there is none."""

    def write_and_try(text, *, timeout_secs=20.0, rules=RULES, file="sample.py"):
        (tmp_path / file).write_text(text)
        source = read(tmp_path / file, limit_bytes=32 << 20)
        return Trial(nursery, timeout_secs=timeout_secs, limits=LIMITS).run(source, 7, rules)

    return write_and_try


def test_the_example_plugin_passes(trial):
    assert trial(EXAMPLE.read_text(), file="lines.py") is None


SHIPPED = sorted((Path(__file__).parent.parent / "format_plugins" / "builtin").glob("[!_]*.py"))


@pytest.mark.parametrize("file", SHIPPED, ids=[file.stem for file in SHIPPED])
def test_a_format_that_ships_would_pass(trial, file):
    assert trial(file.read_text(), file=f"own_{file.name}") is None


AT_IMPORT = {
    "segfault": ("import ctypes; ctypes.string_at(0)", "it was killed by SIGSEGV while it was imported"),
    "abort": ("import os; os.abort()", "it was killed by SIGABRT while it was imported"),
    "exit": ("import os; os._exit(3)", "it ended with code 3 while it was imported"),
    "exit without an answer": ("import os; os._exit(0)", "it ended without an answer while it was imported"),
    "sys.exit": ("import sys; sys.exit(3)", "it cannot be imported: SystemExit: 3 (line 1)"),
    "memory": (
        "x = [bytearray(1 << 20) for _ in range(10_000)]",
        "it cannot be imported: it ran out of memory (plugins.limits.memory_bytes allows 268,435,456 bytes) (line 1)",
    ),
    "arrow's memory": (
        "import pyarrow as pa; x = [pa.allocate_buffer(16 << 20) for _ in range(100)]",
        "it cannot be imported: it ran out of memory (plugins.limits.memory_bytes allows 268,435,456 bytes) (line 1)",
    ),
    "fork": ("import os; os.fork()", "it cannot be imported: PermissionError: a plugin may not start processes (line 1)"),
    "import": (
        "import nothing_there",
        "it cannot be imported: ModuleNotFoundError: No module named 'nothing_there' (line 1)",
    ),
    "syntax": ("def f(:", "it cannot be imported: invalid syntax (line 1)"),
    "answers for the host": ("import os; os.write(3, bytes(8))", "it wrote on its connection to the server"),
    "writes nonsense to the host": ("import os; os.write(3, b'\\xff' * 100)", "it wrote on its connection to the server"),
    "hangs up": (
        "import os, time; os.dup2(0, 3); time.sleep(60)",
        "it was killed: it closed its connection to the server while it was imported",
    ),
}


@pytest.mark.parametrize(("first", "sentence"), AT_IMPORT.values(), ids=AT_IMPORT.keys())
def test_what_fails_at_import_is_told_by_name(trial, first, sentence):
    assert trial(plugin(first=first)).sentence.startswith(f"sample.py: {sentence}")


LATER = {
    "create_plugin": (plugin(**{"metadata = ": "os._exit(3); metadata = "}), "it ended with code 3 in create_plugin()"),
    "metadata": (plugin(**{"lambda: metadata": "lambda: os._exit(3)"}), "it ended with code 3 in metadata()"),
    "options": (
        plugin(**{"size: int = 1": "size: int = 1\n    def __post_init__(self): os._exit(3)"}),
        "it ended with code 3 while its options were made",
    ),
    "create_format": (plugin(**{"lambda options: Codec()": "lambda options: os._exit(3)"}), "in create_format()"),
    "read": (plugin("os._exit(3)"), "it ended with code 3 while it read an empty document"),
    "write": (plugin(write="os._exit(3)"), "it ended with code 3 while it wrote a small table"),
    "write nothing": (
        plugin(write="if not any(len(batch) for batch in batches): os.abort()\n        yield b'x'"),
        "it was killed by SIGABRT while it wrote a table of no rows",
    ),
    "read back": (
        plugin(f"if len(data): ctypes.string_at(0)\n        {READ}"),
        "it was killed by SIGSEGV while it read what it had written",
    ),
    "read for want of memory": (
        plugin("x = [bytearray(1 << 20) for _ in range(10_000)]"),
        "reading an empty document failed: it ran out of memory (plugins.limits.memory_bytes allows 268,435,456 bytes)",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), LATER.values(), ids=LATER.keys())
def test_what_fails_later_is_told_with_the_step(trial, text, sentence):
    assert sentence in trial(text).sentence


ROUND_TRIPS = {
    "read returns nothing": (plugin("return None"), "read_batches() returned a NoneType, which is no stream of record batches"),
    "read returns no batches": (plugin("yield {'a': 1}"), "read_batches() yielded a dict where a record batch was expected"),
    "read fails on what it wrote": (
        plugin(f"data[0:1] and 1 / 0\n        {READ}"),
        "reading what it had written failed: ZeroDivisionError: division by zero (line 15)",
    ),
    "read changes the schema": (
        plugin("yield pa.record_batch({'a': [1]})\n        yield pa.record_batch({'b': [1]})"),
        "read_batches() changed the schema while it was reading",
    ),
    "read makes no valid Arrow": (
        plugin(
            "offsets = pa.array([0, 1 << 20, 1], 'int32').buffers()[1]\n"
            "        text = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b'x'))\n"
            "        yield pa.record_batch({'a': text})"
        ),
        "read_batches() made a record batch that is not valid Arrow data",
    ),
    "write returns nothing": (plugin(write="return None"), "write_batches() returned a NoneType, which is no iterator"),
    "write returns bytes": (plugin(write="return b'x'"), "write_batches() returned a bytes, which is no iterator of buffers"),
    "write yields text": (plugin(write="yield 'text'"), "write_batches() yielded a str where bytes were expected"),
    "write fails": (
        plugin(write="raise ValueError('no')"),
        "writing a small table (a: int64) failed: ValueError: no (line 17)",
    ),
    "write fails with what is guessed": (
        plugin("raise FormatError('empty')", "raise ValueError('no')"),
        "writing a small table (id: int64, name: string, value: double) failed: ValueError: no (line 17)",
    ),
    "write never ends": (
        plugin(write="while True: yield bytes(1 << 20)"),
        "write_batches() made more than 67,108,864 bytes of 3 rows",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), ROUND_TRIPS.values(), ids=ROUND_TRIPS.keys())
def test_a_round_trip_that_fails_is_told_by_name(trial, text, sentence):
    failure = trial(text)
    assert sentence in failure.sentence
    assert failure.metadata.name == "sample"


FORGIVEN = {
    "fails on an empty document": plugin(f"data[0]\n        {READ}"),
    "refuses an empty document": plugin("raise FormatError('empty')"),
    "yields nothing of an empty document": plugin("yield from ()"),
    "refuses every table": plugin(write="raise UnsupportedError('no')"),
    "looks for columns of its own": plugin("raise FormatError('empty')", "yield from (batch['price'] for batch in batches)"),
    "refuses what it wrote": plugin(f"if data: raise FormatError('no')\n        {READ}"),
    "fails with a table of no rows": plugin(write="next(batches); yield b'x'"),
    "only reads": plugin(**{"write=True": "write=False"}),
    "only writes": plugin(**{"read=True": "read=False"}),
    "loses columns": plugin(write="yield b'less'"),
    "needs a schema": plugin(
        "if schema is None: raise FormatError('a schema is needed')\n        yield from schema.empty_table().to_batches()",
        **{"read_batches(self, data)": "read_batches_from_stream(self, schema, stream)"},
    ),
    "has types without simple values": plugin(
        "return pa.schema([('a', pa.list_(pa.int8())), ('b', pa.date32()), ('c', pa.decimal128(4, 2)), ('d', pa.uuid()),"
        " ('e', pa.struct([('f', pa.binary(3))])), ('g', pa.dictionary('int8', 'string'))]).empty_table()"
    ),
}


@pytest.mark.parametrize("text", FORGIVEN.values(), ids=FORGIVEN.keys())
def test_what_a_format_may_do_passes(trial, text):
    assert trial(text) is None


@pytest.mark.parametrize("first", ["while True: pass", "import time; time.sleep(60)", "import signal; signal.pause()"])
def test_a_plugin_that_hangs_is_killed_when_the_time_is_up(trial, first):
    before = time.monotonic()
    failure = trial(plugin(first=first), timeout_secs=0.3)
    assert failure.sentence.startswith(
        "sample.py: it was killed: it took longer than 0.3 s (plugins.load_timeout_secs) while it was imported"
    )
    assert 'File "sample@7.py", line 1 in <module>' in failure.traceback
    assert time.monotonic() - before < 5


def test_who_waited_for_most_of_the_time_is_to_be_tried_again(trial):
    failure = trial(plugin(first="import time; time.sleep(60)"), timeout_secs=1.0)
    assert failure.again
    assert failure.sentence.endswith(" s only")


def test_who_worked_for_all_of_the_time_is_not(trial):
    # As long as a busy machine may leave it without a processor, this may have to be seen more than once.
    failures = (trial(plugin(first="while True: pass"), timeout_secs=1.0) for _ in range(20))
    assert any(not failure.again and failure.sentence.endswith("while it was imported") for failure in failures)


def test_the_time_is_for_all_of_a_trial(trial):
    slow = plugin(f"time.sleep(0.2)\n        {READ}", first="import time; time.sleep(0.2)")
    assert "plugins.load_timeout_secs) while it read an empty document" in trial(slow, timeout_secs=0.3).sentence


def test_the_authors_traceback_begins_in_the_plugin(trial):
    failure = trial(plugin(write="raise ValueError('why')"))
    assert failure.traceback.splitlines()[1:3] == [
        '  File "sample@7.py", line 17, in write_batches',
        "    raise ValueError('why')",
    ]


def test_a_crash_comes_with_the_line_of_the_plugin_and_none_of_the_hosts(trial):
    failure = trial(plugin(write="ctypes.string_at(0)"))
    assert 'File "sample@7.py", line 17 in write_batches' in failure.traceback
    assert "flight_server" not in failure.traceback


def test_a_configuration_that_is_wrong_is_told_with_its_key(trial):
    rules = Rules(compatibility="semver", options_of={"sample": {"sise": 7}}.get)
    assert "unknown key 'plugins.plugin_configs.sample.sise'; did you mean 'size'" in trial(plugin(), rules=rules).sentence


def test_configured_options_reach_the_trial(trial):
    rules = Rules(compatibility="semver", options_of={"sample": {"size": 7}}.get)
    text = plugin(**{"lambda options: Codec()": "lambda options: os._exit(options.size)"})
    assert "it ended with code 7 in create_format()" in trial(text, rules=rules).sentence


#: Looks through all that the plugin's process has in memory, as far as Python shows it.
LOOK = """
def look():
    import gc, sys
    frame, found = sys._getframe(), gc.get_objects()
    while frame:
        found += frame.f_locals.values()
        frame = frame.f_back
    seen = [each for each in found if type(each) is dict for each in each.values()] + found
    assert not any(type(each) is str and each == "-".join(("hunter", SECRET)) for each in seen), "a secret was seen"
"""


@pytest.mark.parametrize(
    ("secret", "moment", "is_seen"),
    [
        ("of another", {"class Options": "look()\nclass Options"}, False),
        ("of another", {"lambda options: Codec()": "lambda options: (look(), Codec())[1]"}, False),
        ("its own", {"class Options": "look()\nclass Options"}, False),
        ("its own", {"lambda options: Codec()": "lambda options: (look(), Codec())[1]"}, True),
    ],
)
def test_options_reach_only_the_plugin_that_they_are_for_and_only_once_it_has_said_who_it_is(trial, secret, moment, is_seen):
    configs = {"sample": {"word": "hunter-its own"}, "other": {"word": "hunter-of another"}}
    text = plugin(first=LOOK.replace("SECRET", repr(secret)), **{"size: int = 1": "word: str = ''", **moment})
    if "class Options" in moment:
        text = text.replace("@dataclass(frozen=True)\nlook()", "look()\n@dataclass(frozen=True)")
    failure = trial(text, rules=Rules(compatibility="semver", options_of=configs.get))
    assert ("a secret was seen" in failure.sentence) if is_seen else (failure is None)


def test_a_plugin_that_asks_for_the_options_of_a_second_one_is_ended(trial):
    ask = "from flight_server.plugins.candidate import Wish; import msgspec, socket\n"
    ask += "from flight_server.nursery.frames import send; send(socket.socket(fileno=3), msgspec.msgpack.encode(Wish('other')))"
    rules = Rules(compatibility="semver", options_of={"other": {"word": "secret"}}.get)
    failure = trial(plugin(**{"lambda options: Codec()": f"lambda options: exec({ask!r})"}), rules=rules)
    assert "it wrote on its connection to the server" in failure.sentence


def test_compatibility_is_held_against_it_as_in_the_server(trial):
    assert "works with the contract >=2" in trial(lines(api=">=2")).sentence


def test_the_bytes_that_were_read_are_tried_and_not_the_file(nursery, tmp_path):
    file = tmp_path / "sample.py"
    file.write_text(plugin())
    source = read(file, limit_bytes=1 << 20)
    file.write_text("raise ValueError")
    assert Trial(nursery, timeout_secs=20, limits=LIMITS).run(source, 1, RULES) is None


def test_a_large_package_is_tried_from_its_bytes(nursery, tmp_path):
    package = tmp_path / "wide"
    package.mkdir()
    table = "import pkgutil; assert len(pkgutil.get_data(__package__, 'table.bin')) == 20_000_000"
    (package / "__init__.py").write_text(f"from .names import *\n{table}\n")
    (package / "names.py").write_text(plugin())
    (package / "table.bin").write_bytes(bytes(20_000_000))
    source = read(package, limit_bytes=32 << 20)
    assert Trial(nursery, timeout_secs=20, limits=LIMITS).run(source, 1, RULES) is None


def test_a_trial_leaves_nothing_in_this_process(trial):
    before = set(sys.modules), threading.active_count()
    trial(plugin(first="import wave, threading, time; threading.Thread(target=time.sleep, args=(60,)).start()"))
    assert (set(sys.modules), threading.active_count()) == before


def test_plugins_are_tried_side_by_side(trial):
    def passes(number):
        return trial(plugin(first="import time; time.sleep(0.02)"), file=f"sample_{number}.py") is None

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(passes, range(32)))


def test_a_plugin_that_kills_the_process_that_it_was_forked_from_is_rejected(tmp_path):
    (tmp_path / "sample.py").write_text(plugin(first="import os, time; os.kill(os.getppid(), 9); time.sleep(60)"))
    source = read(tmp_path / "sample.py", limit_bytes=1 << 20)
    unprotected = Nursery(sandbox="off")
    unprotected.start()
    try:
        failure = Trial(unprotected, timeout_secs=20, limits=LIMITS).run(source, 7, RULES)
    finally:
        unprotected.stop()
    assert failure.sentence == (
        "sample.py: it could not be tried: each time it was killed: the process that it was forked from has ended"
    )


def test_a_trial_is_held_again_when_the_parent_is_killed(nursery, tmp_path):
    (tmp_path / "sample.py").write_text(plugin(first="import time; time.sleep(0.2)"))
    source = read(tmp_path / "sample.py", limit_bytes=1 << 20)
    parent = eventually(lambda: nursery.pid)
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(Trial(nursery, timeout_secs=20, limits=LIMITS).run, source, 1, RULES)
        eventually(lambda: nursery.children)
        os.kill(parent, signal.SIGKILL)
        assert outcome.result(20) is None
    assert nursery.pid != parent


def test_without_a_nursery_a_plugin_is_not_loaded_at_all(tmp_path):
    (tmp_path / "sample.py").write_text(plugin())
    source = read(tmp_path / "sample.py", limit_bytes=1 << 20)
    sentence = Trial(Nursery(), timeout_secs=20, limits=LIMITS).run(source, 1, RULES).sentence
    why = "no child process can be had: the nursery is not running"
    assert sentence == f"sample.py: it could not be tried: {why}"


def test_a_trial_takes_some_milliseconds(nursery, tmp_path):
    (tmp_path / "lines.py").write_text(EXAMPLE.read_text())
    trial, took = Trial(nursery, timeout_secs=20, limits=LIMITS), []
    for number in range(50):
        before = time.monotonic()
        assert trial.run(read(tmp_path / "lines.py", limit_bytes=1 << 20), number, RULES) is None
        took.append(time.monotonic() - before)
    assert statistics.median(took) < within(0.1)


@pytest.mark.parametrize("first", ["import os; os._exit(0)", "import ctypes; ctypes.string_at(0)"])
def test_a_plugin_that_would_end_the_server_never_runs_in_it_and_the_old_one_serves_on(tmp_path, first):
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "lines.py").write_text(lines("1.0.0"))
    with started(folder, enable_hot_reload=False) as manager:
        (folder / "lines.py").write_text(first + "\n" + lines("2.0.0"))
        manager.reload()
        assert version_of(manager) == "1.0.0"
        assert manager.status("lines").state == "degraded"
        assert "while it was imported" in manager.status("lines").last_error


def test_who_asks_for_a_format_that_did_not_pass_is_told_so(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "other.py").write_text(plugin(write="os.abort()"))
    with started(folder, enable_hot_reload=False) as manager, pytest.raises(UnknownFormat) as caught:
        manager.registry.lease("sample")
    assert "its plugin was rejected, because of other.py: it was killed by SIGABRT while it wrote" in str(caught.value)


def test_what_ships_is_trusted_and_not_tried(tmp_path):
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "lines.py").write_text(f"import os; assert os.getpid() == {os.getpid()}\n" + lines())
    with started(tmp_path / "plugins", builtin_dir=shipped) as manager:
        assert version_of(manager) == "1.0.0"


def test_a_server_without_plugins_has_no_nursery(tmp_path):
    with started(tmp_path / "plugins", enable_plugins=False) as manager:
        assert manager.nursery.pid is None


def test_a_server_that_is_killed_leaves_no_process(own_server):
    with connected(own_server.location) as client:
        (own_server.plugin_dir / "hangs.py").write_text("import time; time.sleep(600)")
        processes = eventually(lambda: (found := children_of(own_server.pid)) and len(found) == 2 and found)
        assert action(client, "health")
    own_server.kill()
    eventually(lambda: not any(map(is_alive, processes)))
    assert len(processes) == 2
