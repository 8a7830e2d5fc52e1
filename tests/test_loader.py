"""Every rule of the contract is held against a plugin before it serves, and the one that it breaks is named."""

import gc
import sys
import threading
import time
import weakref

import pytest
from effort import within
from plugin_samples import EXAMPLE, lines

from flight_server.plugins.compatibility import is_compatible
from flight_server.plugins.failure import Failure, explained
from flight_server.plugins.generation import Generation
from flight_server.plugins.loader import Loader
from flight_server.plugins.source import read

FULL = """
from dataclasses import dataclass
from format_plugins.contract import DataFormat, PluginCapabilities, PluginMetadata

@dataclass(frozen=True)
class Options:
    size: int = 1

class Codec:
    def read_batches(self, data): ...
    def write_batches(self, batches): ...

class Plugin:
    config_type = Options
    def metadata(self):
        return PluginMetadata(name="full", version="1.0.0")
    def create_format(self, config):
        return Codec()

def create_plugin():
    return Plugin()
"""


def loader(**settings):
    return Loader(**{"timeout_secs": 10.0, "compatibility": "semver", "configs": {}, **settings})


@pytest.fixture
def load(tmp_path):
    """Write a text to a file and load it."""
    loaded = []

    def write_and_load(text, file="sample.py", **settings):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        source = path.parent if path.name == "__init__.py" else path
        loaded.append(loader(**settings).load(read(source, limit_bytes=1 << 20)))
        return loaded[-1]

    yield write_and_load
    for result in loaded:
        if isinstance(result, Generation):
            result.discard()


def full(old, new):
    assert old in FULL
    return FULL.replace(old, new)


def test_the_example_plugin_loads(load):
    generation = load(EXAMPLE.read_text(), "lines.py")
    assert isinstance(generation, Generation)
    assert (generation.number, generation.metadata.name, generation.code.config.upper) == (1, "lines", False)


def test_the_example_plugin_has_at_most_thirty_lines_of_code():
    assert len([line for line in EXAMPLE.read_text().splitlines() if line]) <= 30


BROKEN = {
    "empty": ("", "it has no function create_plugin()"),
    "syntax": ("def f(:\n", "it cannot be imported: invalid syntax (line 1)"),
    "no text": (b"\x00\xff\xfe" * 100, "it cannot be imported: "),
    "wrong encoding": ("s = 'é'\n".encode("latin-1"), "it cannot be imported: "),
    "import": (
        "\nimport nothing_there\n",
        "it cannot be imported: ModuleNotFoundError: No module named 'nothing_there' (line 2)",
    ),
    "exit": ("raise SystemExit(3)", "it cannot be imported: SystemExit: 3 (line 1)"),
    "interrupt": ("raise KeyboardInterrupt", "it cannot be imported: KeyboardInterrupt (line 1)"),
    "panic": ("class Panic(BaseException): ...\nraise Panic('x')", "it cannot be imported: Panic: x (line 2)"),
    "recursion": ("def f(): f()\nf()", "it cannot be imported: RecursionError"),
    "hostile text": ("class E(Exception):\n def __str__(self): raise SystemExit\nraise E", "it cannot be imported: E (line 3)"),
    "entry not callable": ("create_plugin = 3", "its create_plugin is a int, not a function"),
    "entry with arguments": ("def create_plugin(host): ...", "its create_plugin(host) cannot be called as create_plugin()"),
    "entry asynchronous": ("async def create_plugin(): ...", "its create_plugin is asynchronous"),
    "entry raises": ("def create_plugin():\n 1/0", "create_plugin() failed: ZeroDivisionError: division by zero (line 2)"),
    "no plugin": ("def create_plugin(): ...", "what create_plugin() returned, a NoneType, has no method metadata()"),
    "no config type": (full("config_type = Options", "x = 1"), "its config_type is not a dataclass"),
    "config type an instance": (full("config_type = Options", "config_type = Options()"), "its config_type is not a dataclass"),
    "config type not frozen": (
        full("(frozen=True)", ""),
        "its config_type Options is not frozen: write @dataclass(frozen=True)",
    ),
    "config type without default": (full("size: int = 1", "size: int"), "its configuration is not valid: "),
    "metadata raises": (full('return PluginMetadata(name="full", version="1.0.0")', "exit()"), "metadata() failed: SystemExit"),
    "metadata nothing": (full('return PluginMetadata(name="full", version="1.0.0")', "pass"), "its metadata is not valid: "),
    "name": (full('"full"', '"Full"'), "its metadata is not valid: the name 'Full' is not of the form"),
    "name of native": (full('"full"', '"arrow"'), "the name 'arrow' means native record batches"),
    "name no text": (full('"full"', "7"), "its metadata is not valid: Expected `str`, got `int` - at `$.name`"),
    "version": (full('"1.0.0"', '"1.0"'), "the version '1.0' is no semantic version"),
    "extension without dot": (full('"1.0.0"', '"1.0.0", extensions=("csv",)'), "the extension 'csv' is not of the form '.csv'"),
    "extension in capitals": (
        full('"1.0.0"', '"1.0.0", extensions=(".CSV",)'),
        "the extension '.CSV' is not of the form '.csv'",
    ),
    "extensions a text": (full('"1.0.0"', '"1.0.0", extensions=".csv"'), "Expected `array`, got `str` - at `$.extensions`"),
    "media type": (full('"1.0.0"', '"1.0.0", media_types=("csv",)'), "the media type 'csv' is not of the form 'text/csv'"),
    "api": (full('"1.0.0"', '"1.0.0", api="one"'), "its metadata is not valid: api 'one' is no range of versions"),
    "later api": (full('"1.0.0"', '"1.0.0", api=">=2"'), "it works with the contract >=2, and this server has 1."),
    "able to nothing": (
        full('"1.0.0"', '"1.0.0", capabilities=PluginCapabilities(read=False, write=False)'),
        "its capabilities are neither read nor write",
    ),
    "format raises": (
        full("return Codec()", "raise OSError('no')"),
        "create_format() failed with the configured options: OSError: no",
    ),
    "format without reading": (
        full("def read_batches(", "def x("),
        "its capabilities say read, but Codec has neither read_batches",
    ),
    "format without writing": (
        full("def write_batches(", "def x("),
        "its capabilities say write, but Codec has no write_batches",
    ),
    "reading asks for more": (
        full("read_batches(self, data)", "read_batches(self, a, b)"),
        "cannot be called as read_batches(data)",
    ),
    "reading asks for less": (
        full("read_batches(self, data)", "read_batches_from_stream(self, stream)"),
        "its read_batches_from_stream(stream) cannot be called as read_batches_from_stream(schema, stream)",
    ),
    "writing asks for a keyword": (
        full("write_batches(self, batches)", "write_batches(self, batches, *, level)"),
        "its write_batches(batches, *, level) cannot be called as write_batches(batches)",
    ),
    "reading is inherited and empty": (
        full("class Codec:\n    def read_batches(self, data): ...", "class Codec(DataFormat):"),
        "Codec inherits an empty read_batches(data) from the contract",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), BROKEN.values(), ids=BROKEN.keys())
def test_a_plugin_that_breaks_a_rule_is_told_which(load, text, sentence):
    failure = load(text)
    assert isinstance(failure, Failure)
    assert failure.sentence.startswith("sample.py: ")
    assert sentence in failure.sentence


@pytest.mark.parametrize(("text", "sentence"), BROKEN.values(), ids=BROKEN.keys())
def test_a_plugin_that_failed_leaves_no_module(load, text, sentence):
    load(text)
    assert not [name for name in sys.modules if name.startswith("sample@")], sentence


def test_the_unbroken_form_of_the_broken_plugins_loads(load):
    assert isinstance(load(FULL), Generation)


@pytest.mark.parametrize("file", ["csv.py", "json.py", "json/__init__.py"])
def test_a_plugin_named_like_a_standard_module_is_refused(load, file):
    assert "it is named like Python's own module" in load(FULL, file).sentence


def test_all_that_is_wrong_with_metadata_is_said_at_once(load):
    failure = load(full('name="full", version="1.0.0"', 'name="F", version="1"'))
    assert "the name 'F'" in failure.sentence
    assert "the version '1'" in failure.sentence


def test_a_rejected_plugin_says_what_it_would_have_served(load):
    assert load(full("return Codec()", "return 1")).metadata.name == "full"


def test_metadata_of_another_class_is_as_good(load):
    other = full("return PluginMetadata", "from types import SimpleNamespace\n        return SimpleNamespace")
    assert load(other).metadata.version == "1.0.0"


def test_configured_options_reach_the_plugin(load):
    assert load(FULL, configs={"full": {"size": 7}}).code.config.size == 7


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sise": 7}, "unknown key 'plugins.plugin_configs.full.sise'; did you mean 'size'? (known: size)"),
        ({"size": "7"}, "plugins.plugin_configs.full.size: Expected `int`, got `str`, in '7'"),
    ],
)
def test_a_wrong_configuration_is_named_with_its_key(load, options, sentence):
    assert sentence in load(FULL, configs={"full": options}).sentence


def test_a_plugin_that_hangs_is_given_up_after_the_load_timeout(load):
    before = threading.active_count()
    started = time.monotonic()
    failure = load("while True: pass", timeout_secs=0.2)
    assert failure.sentence == "sample.py: it did not load within the 0.2 seconds of plugins.load_timeout_secs"
    assert time.monotonic() - started < within(2)
    while threading.active_count() > before:
        assert time.monotonic() - started < 10
        time.sleep(0.01)


def test_a_plugin_that_loads_too_late_does_not_stay(load):
    load("import time; time.sleep(0.4)\n" + FULL, timeout_secs=0.1)
    deadline = time.monotonic() + 5
    while [name for name in sys.modules if name.startswith("sample@")]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_traceback_shows_the_source_that_ran_and_begins_in_the_plugin(load, tmp_path):
    text = "def create_plugin():\n    overwrite()\n    raise ValueError('why')\n"
    failure = load(
        f"import pathlib\ndef overwrite():\n    pathlib.Path({str(tmp_path / 'sample.py')!r}).write_text('changed')\n{text}"
    )
    assert failure.traceback.splitlines()[1:3] == [
        '  File "sample@1.py", line 6, in create_plugin',
        "    raise ValueError('why')",
    ]


def test_no_path_of_the_server_is_in_the_sentence(load, tmp_path):
    failure = load(f"open({str(tmp_path / 'secret' / 'table.csv')!r})")
    assert str(tmp_path) not in failure.sentence
    assert "table.csv" in failure.sentence


@pytest.mark.parametrize("text", ["text/csv", "http://example.org/a/b", "a/b/c", "n/a"])
def test_what_is_no_path_stays_in_the_sentence(text):
    assert text in explained(ValueError(text))


def test_a_failure_keeps_nothing_of_the_plugin_alive(load):
    text = "import sys\nclass Canary: ...\ncanary = sys.canary = Canary()\nraise ValueError(canary)"
    failure = load(text)
    reference = weakref.ref(sys.canary)
    del sys.canary
    gc.collect()
    assert reference() is None, failure


def test_a_package_imports_its_modules_relatively_and_lazily(load, tmp_path):
    package = tmp_path / "wide"
    (package / "inner").mkdir(parents=True)
    (package / "inner" / "__init__.py").write_text("from ..names import NAME\n")
    (package / "names.py").write_text("NAME = 'wide'\n")
    (package / "late.py").write_text("import pkgutil\nTABLE = pkgutil.get_data(__package__, 'table.txt')\n")
    (package / "table.txt").write_text("rows")
    text = full('name="full"', "name=NAME").replace(
        "return Codec()", "from .late import TABLE; assert TABLE == b'rows'; return Codec()"
    )
    generation = load("from .inner import NAME\n" + text, "wide/__init__.py")
    assert isinstance(generation, Generation), generation
    (package / "late.py").unlink()
    generation.code.plugin.create_format(None)
    generation.discard()
    assert not [name for name in sys.modules if name.startswith("wide@")]


def test_a_package_that_imports_itself_by_name_is_told_how_to(load):
    failure = load("from wide.names import NAME\n", "wide/__init__.py")
    assert "write a relative import" in failure.sentence


@pytest.mark.parametrize(
    ("api", "version", "mode", "fits"),
    [
        (">=1,<2", (1, 0), "strict", True),
        (">=1,<2", (1, 7), "strict", True),
        ("==1.0", (1, 3), "strict", False),
        ("==1.0", (1, 3), "semver", True),
        (">=1.0,<1.2", (1, 3), "semver", True),
        (">=1.4", (1, 3), "semver", False),
        (">=1", (2, 0), "semver", True),
        (">=1,<2", (2, 0), "semver", False),
        (">=2", (1, 0), "off", True),
        ("!=1.0", (1, 0), "semver", False),
    ],
)
def test_compatibility(api, version, mode, fits):
    assert is_compatible(api, version, mode) is fits


def test_an_older_plugin_is_refused_when_compatibility_is_strict(load):
    assert isinstance(load(lines(api="==1.0"), compatibility="strict"), Generation)
    assert isinstance(load(lines(api=">1"), compatibility="strict"), Failure)
