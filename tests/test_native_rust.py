"""The example in Rust, built and tested by cargo as its README says: logfmt is read and written."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_clients import BUILD_SECS, wanted
from native_plugins import NATIVE, Loaded, assert_conforms, declared, run, table
from plugin_samples import eventually
from raw_flight import action, connected, get_document, get_table, put_document
from trips import cut

from format_plugins.contract import FormatError
from format_plugins.native.library import checked
from format_plugins.options import OptionError

pytestmark = [wanted, pytest.mark.timeout(3 * BUILD_SECS)]

EXAMPLE = NATIVE / "examples" / "rust"
LIBRARY = EXAMPLE / "target" / "release" / "libmy_plugin.so"


@pytest.fixture(scope="module")
def logfmt(tmp_path_factory):
    if shutil.which("cargo") is None:
        pytest.skip("there is no cargo here, so the example plugin in Rust was not tested")
    run(["cargo", "build", "--release"], cwd=EXAMPLE, secs=BUILD_SECS)
    return Loaded(LIBRARY.read_bytes(), tmp_path_factory.mktemp("rust"))


@pytest.mark.usefixtures("logfmt")
def test_its_own_tests_pass():
    assert "0 failed" in run(["cargo", "test", "--release"], cwd=EXAMPLE, secs=BUILD_SECS)


@pytest.mark.usefixtures("logfmt")
def test_its_manifest_is_read_without_running_it():
    assert checked(LIBRARY.read_bytes()).metadata.name == "logfmt"


def test_lines_become_columns_in_the_order_in_which_their_keys_come(logfmt):
    document = b'level=info msg="hello world" ms=12\r\n\nlevel=warn slow ms=\n'
    assert table(logfmt.reader([document])).to_pydict() == {
        "level": ["info", None, "warn"],
        "msg": ["hello world", None, None],
        "ms": ["12", None, ""],
        "slow": [None, None, "true"],
    }


def test_a_schema_gives_types(logfmt):
    schema = pa.schema([("at", pa.timestamp("us", "UTC")), ("ms", pa.float64())])
    read = table(logfmt.reader([b"at=2026-01-02T03:04:05Z ms=1.5\n"], schema=schema))
    assert read.schema == schema
    assert read.to_pydict()["ms"] == [1.5]


@pytest.mark.parametrize(
    ("document", "row", "offset"),
    [(b'a=1\nb="', 2, 6), (b"a=1\n=2", 2, 4), (b"a=1\na=\xff", 2, 6), (b'a=1\na=x"y"', 2, 7), (b"a=1 a=2", 1, 0)],
)
def test_a_line_that_is_wrong_is_refused_with_its_place(logfmt, document, row, offset):
    with pytest.raises(FormatError) as caught:
        logfmt.reader([document]).read_all()
    assert (caught.value.row, caught.value.offset) == (row, offset)


def test_a_key_that_comes_late_is_refused_and_the_option_that_cures_it_is_named(logfmt):
    document = b"a=1\n" * 10 + b"b=2\n"
    with pytest.raises(FormatError, match='the key "b" is no column') as caught:
        logfmt.reader([document], sample_bytes=8).read_all()
    assert (caught.value.row, caught.value.option) == (11, "unknown")
    assert table(logfmt.reader([document], sample_bytes=8, unknown="drop")).column_names == ["a"]
    assert table(logfmt.reader([document], columns=["b"])).column("b").to_pylist() == [None] * 10 + ["2"]


def test_an_option_that_is_wrong_is_named(logfmt):
    with pytest.raises(OptionError, match="columns must name a key") as caught:
        logfmt.codec(columns=[])
    assert caught.value.key == "columns"


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), min_size=1), st.integers(1, 40))
def test_any_text_comes_back(logfmt, texts, size):
    original = pa.table({"text": pa.array(texts, pa.string())})
    document = logfmt.written(original)
    reader = logfmt.codec().read_batches_from_stream(original.schema, map(pa.py_buffer, cut(document, size)))
    assert reader.read_all().equals(original)
    for line, text in zip(document.split(b"\n"), texts, strict=False):
        value = line.removeprefix(b"text=").decode()
        assert text == (None if not line else json.loads(value) if value.startswith('"') else value)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(logfmt, document):
    try:
        table(logfmt.reader([document]))
    except FormatError as error:
        assert error.row is not None  # noqa: PT017 - most bytes are no logfmt, and some are


def test_what_the_document_raises_comes_through(logfmt):
    def chunks():
        yield b"a=1\n" * 1_000_000
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        logfmt.reader(chunks(), sample_bytes=8).read_all()


def test_the_kit_finds_no_loss_that_is_not_declared(logfmt):
    assert_conforms(logfmt.plugin, declared(EXAMPLE, LIBRARY))


@pytest.mark.usefixtures("logfmt")
def test_it_is_deployed_by_cp_and_replaced_and_removed_in_a_server_that_runs(own_server):
    deployed = Path(own_server.plugin_dir) / LIBRARY.name
    with connected(own_server.location) as client:

        def versions():
            return [each["version"] for each in action(client, "plugins") if each["name"] == "logfmt"]

        run(["cp", LIBRARY, deployed])
        eventually(lambda: versions() == ["1.0.0"])
        put_document(client, "calls.logfmt", b'level=info msg="hello world" ms=12\nlevel=warn slow ms=\n')
        assert get_table(client, "calls")["msg"].to_pylist() == ["hello world", None]
        text, _ = get_document(client, {"dataset": "calls", "format": "logfmt"})
        assert text == b'level=info msg="hello world" ms=12\nlevel=warn ms="" slow=true\n'
        # Of the manifest's two copies, the one in the section for it and the one in the code, both say so.
        deployed.write_bytes(LIBRARY.read_bytes().replace(b'"version": "1.0.0"', b'"version": "2.0.0"'))
        eventually(lambda: versions() == ["2.0.0"])
        run(["cp", "--remove-destination", LIBRARY, deployed])
        eventually(lambda: versions() == ["1.0.0"])
        deployed.write_bytes(LIBRARY.read_bytes()[:100_000])
        eventually(lambda: "it is incomplete" in (action(client, "plugin", {"name": "logfmt"})[0]["last_error"] or ""))
        assert put_document(client, "calls.logfmt", b"level=info msg=again\n")["plugin"]["version"] == "1.0.0"
        deployed.unlink()
        eventually(lambda: not versions())
