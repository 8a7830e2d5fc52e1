"""`plugin new`: what it writes works as it is, and it writes nothing that could not."""

import shutil
import subprocess
import sys

import pytest
from author_command import SCRIPTS, environment, invoke
from native_plugins import Loaded, needs_compiler, run
from plugin_samples import started

from flight_server.authoring import scaffold
from flight_server.authoring.naming import NameRefused, check_name
from flight_server.config import LimitsConfig
from flight_server.errors import BadPayload, UnknownOption
from flight_server.transcode import Decoded
from format_plugins.native.manifest import parse

FORMATS = {"csv": "comma_separated.py", "ndjson": "json_lines.py"}
EXTENSIONS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder in which the plugin `ledger` was made."""
    folder = tmp_path_factory.mktemp("author")
    result = invoke("new", "ledger", "--dir", folder)
    assert result.exit_code == 0, result.output
    return folder / "ledger"


def decoded(manager, data, **options):
    lease = manager.registry.lease("ledger")
    stream = Decoded(lease.create_format(options), iter(data), plugin="ledger", schema=None, limits=LimitsConfig())
    return [row for batch in stream for row in batch.to_pylist()]


def test_it_tells_the_files_that_it_wrote_and_what_is_next(tmp_path):
    result = invoke("new", "ledger", "--dir", tmp_path)
    *written, following = result.stdout.splitlines()
    assert set(written) == {str(path) for path in (tmp_path / "ledger").rglob("*") if path.is_file()}
    assert following == f"Next: flight-server plugin check {tmp_path / 'ledger'}"


def test_the_test_that_it_writes_has_fifteen_lines_at_the_most(home):
    assert len((home / "tests/test_ledger.py").read_text().splitlines()) <= 15


def test_ruff_has_nothing_to_say_about_what_it_writes(home):
    ruff = shutil.which("ruff", path=SCRIPTS)
    lint = [
        ruff,
        "check",
        "--isolated",
        "--no-cache",
        "--select",
        "B,C4,D,E,F,I,N,PT,RUF,SIM,UP,W",
        "--ignore",
        "D107,D203,D213",
    ]
    for command in ([*lint, home / "ledger.py"], [ruff, "format", "--isolated", "--no-cache", "--check", home]):
        # Beside the plugin: from here the kit would be taken for the author's own.
        done = subprocess.run(command, cwd=home.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_mypy_sees_the_types_of_the_contract_in_what_it_writes(home, tmp_path):
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", tmp_path / "cache"]
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from format_plugins.contract import PluginMetadata\n\nPluginMetadata(name=1, version='1.0.0')\n")
    # From beside the plugin: the packages are found where they are installed, which takes their py.typed.
    done = subprocess.run(
        [*command, home / "ledger.py", home / "tests/test_ledger.py", wrong],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    *told, total = done.stdout.splitlines()
    assert [line.partition(": ")[2] for line in told] == [
        'error: Argument "name" to "PluginMetadata" has incompatible type "int"; expected "str"  [arg-type]'
    ], done.stdout
    assert total.startswith("Found 1 error in 1 file")


def test_a_server_takes_the_plugin_and_ignores_what_lies_beside_it(home):
    with started(home) as manager:
        assert [(each.name, each.state) for each in manager.statuses()] == [("ledger", "active")]


def test_its_readme_names_the_next_commands(home):
    text = (home / "README.md").read_text()
    assert "flight-server plugin check ledger" in text
    assert "$" not in text


def test_the_sample_is_read(home):
    with started(home) as manager:
        rows = decoded(manager, [(home / "sample.ledger").read_bytes()])
    assert rows[0] == {"key": "tea", "value": 2.5}


def test_documents_are_read_wherever_chunks_end(home):
    document = "tee=1\n茶=2.5\nempty=".encode()
    with started(home) as manager:
        rows = decoded(manager, [document[at : at + 1] for at in range(len(document))])
    assert rows == [{"key": "tee", "value": 1.0}, {"key": "茶", "value": 2.5}, {"key": "empty", "value": None}]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (b"a=1\nb=x\n", {"row": 2, "offset": 4}),
        (b"a=1\nb\n", {"row": 2, "offset": 4}),
        (b"a=1\n\xff=1\n", {"row": 2, "offset": 4}),
        (b"a=1\nlong line=1\n", {"row": 2, "offset": 4}),
        (b"a=1\nlong line with no end", {"row": 2, "offset": 4}),
    ],
)
def test_wrong_data_is_told_with_its_row_and_offset(home, document, place):
    with started(home) as manager, pytest.raises(BadPayload) as caught:
        decoded(manager, [document], max_line_bytes=8)
    assert {name: caught.value.detail[name] for name in place} == place


def test_its_options_are_strict(home):
    with started(home) as manager, pytest.raises(UnknownOption, match="separator"):
        decoded(manager, [b"a,1\n"], separator=",")


def test_nothing_is_overwritten(home):
    before = (home / "ledger.py").read_bytes()
    result = invoke("new", "ledger", "--dir", home.parent)
    assert result.exit_code == 1
    assert "nothing of it is overwritten" in result.stderr
    assert (home / "ledger.py").read_bytes() == before


def test_a_file_of_that_name_is_not_overwritten(tmp_path):
    (tmp_path / "ledger").write_text("mine")
    assert invoke("new", "ledger", "--dir", tmp_path).exit_code == 1
    assert (tmp_path / "ledger").read_text() == "mine"


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "ledger").mkdir()
    assert invoke("new", "ledger", "--dir", tmp_path).exit_code == 0


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    result = invoke("new", "ledger", "--dir", tmp_path / "file")
    assert result.exit_code == 1
    assert "Not a directory" in result.stderr


@pytest.mark.parametrize(
    ("name", "why", "instead"),
    [
        ("my-format", "a lower-case letter", "my_format"),
        ("Ledger", "a lower-case letter", "ledger"),
        ("9lives", "a lower-case letter", "format_9lives"),
        ("sales/eu", "a lower-case letter", "sales_eu"),
        ("a" * 33, "a lower-case letter", "a" * 32),
        ("csv", "a format that ships", "csv_format"),
        ("jsonl", "files named .jsonl", "jsonl_format"),
        ("arrow", "no format", "arrow_format"),
        ("email", "Python's own modules", "email_format"),
        ("class", "Python's own grammar", "class_format"),
        ("match", "Python's own grammar", "match_format"),
    ],
)
def test_a_name_that_will_not_do_is_refused_with_one_that_will(name, why, instead):
    with pytest.raises(NameRefused) as caught:
        check_name(name, FORMATS, EXTENSIONS)
    assert why in str(caught.value)
    assert str(caught.value).endswith(f"; did you mean {instead!r}?")
    check_name(instead, FORMATS, EXTENSIONS)


@pytest.mark.parametrize("name", ["", "..", "test", "tests", "test_ledger", "größe?", "a" * 10_000])
def test_other_names_that_will_not_do_are_refused_too(name):
    with pytest.raises(NameRefused):
        check_name(name, FORMATS, EXTENSIONS)


def test_the_command_knows_the_formats_that_ship(tmp_path):
    result = invoke("new", "parquet", "--dir", tmp_path)
    assert result.exit_code == 1
    assert "a format that ships" in result.stderr
    assert list(tmp_path.iterdir()) == []


@needs_compiler
def test_the_plugin_in_c_is_built_and_passes_its_own_test_under_its_new_name(tmp_path):
    result = invoke("new", "orders", "--dir", tmp_path, "--lang", "c")
    assert result.stdout.endswith(f"Next: make -C {tmp_path / 'orders'}\n")
    run(["make", "-C", tmp_path / "orders", "test"])
    loaded = Loaded((tmp_path / "orders/liborders.so").read_bytes(), tmp_path)
    assert (loaded.plugin.metadata().name, loaded.plugin.metadata().extensions) == ("orders", (".orders",))


def test_the_plugin_in_rust_has_its_new_name(tmp_path):
    result = invoke("new", "orders", "--dir", tmp_path, "--lang", "rust")
    home = tmp_path / "orders"
    assert result.stdout.endswith(f"Next: cargo build --release --manifest-path {home / 'Cargo.toml'}\n")
    manifest = parse((home / "src/manifest.json").read_bytes())
    assert (manifest.metadata.name, manifest.metadata.extensions) == ("orders", (".orders",))
    assert 'name = "orders"' in (home / "Cargo.toml").read_text()
    assert "use orders::interface::" in (home / "tests/interface.rs").read_text()


@pytest.mark.parametrize("language", ["c", "rust"])
def test_nothing_that_was_built_is_copied(language):
    written = scaffold.LANGUAGES[language].files("orders")
    assert not any(place.startswith("target/") or place.endswith((".o", ".so", ".lock")) for place in written)


def test_the_command_starts_without_what_it_does_not_need():
    code = "import sys, flight_server.cli; print(sorted({'pyarrow', 'rich', 'yaml', 'watchdog'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
