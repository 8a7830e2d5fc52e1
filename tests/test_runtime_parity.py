"""What a plugin does is the same in both runtimes: its results, its errors, and what the conformance kit finds."""

import json
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pytest
from plugin_samples import lines, started

from flight_server.config import LimitsConfig
from flight_server.errors import ServerError
from flight_server.transcode import Decoded, encoded
from format_plugins.streams import SPOOL_MEMORY_BYTES

SHIPPED = Path(str(files("format_plugins.builtin")))
FORMATS = ("csv", "json", "ndjson", "parquet", "arrow_file", "arrow_stream", "tsv")
TABLE = pa.table(
    {
        "id": pa.array(range(50_000), pa.int64()),
        "name": pa.array([f'name, "{number}" é' if number % 7 else None for number in range(50_000)]),
        "price": pa.array([number / 3 for number in range(50_000)]),
    }
)


@pytest.fixture(scope="module")
def managers(tmp_path_factory):
    """By runtime: a manager of the formats that ship, and of the example plugin."""
    folder = tmp_path_factory.mktemp("both") / "plugins"
    folder.mkdir()
    (folder / "lines.py").write_text(lines())
    settings = {"builtin_dir": SHIPPED, "enable_hot_reload": False}
    everywhere = dict.fromkeys(FORMATS, "process")
    with (
        started(folder, runtime=everywhere, **settings) as process,
        started(folder, default_runtime="in_process", **settings) as in_process,
    ):
        yield {"process": process, "in_process": in_process}


def both(managers, work):
    """What ``work`` makes with a manager of each runtime; errors as their code and words."""

    def outcome(manager):
        try:
            return work(manager)
        except ServerError as error:
            return type(error).__name__, str(error), error.detail

    return [outcome(managers[runtime]) for runtime in ("process", "in_process")]


def written(manager, name, table=TABLE, **options):
    with manager.registry.lease(name) as lease:
        batches = table.to_batches(max_chunksize=9_000)
        return b"".join(encoded(lease.create_format(options), batches, table.schema, plugin=name))


def read(manager, name, document, *, schema=None, size=100_000, **options):
    chunks = [document[start : start + size] for start in range(0, len(document), size)]
    with manager.registry.lease(name) as lease:
        rows = Decoded(lease.create_format(options), chunks, plugin=name, schema=schema, limits=LimitsConfig())
        return pa.Table.from_batches(list(rows), rows.schema)


def test_each_format_runs_where_it_was_told_to(managers):
    for name in FORMATS:
        assert managers["process"].status(name).runtime == "process"
        assert managers["in_process"].status(name).runtime == "in_process"
    assert managers["process"].status("lines").runtime == "process"


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_writes_the_same_bytes_and_reads_the_same_rows(managers, name):
    there, here = both(managers, lambda manager: written(manager, name))
    assert there == here
    there, here = both(managers, lambda manager: read(manager, name, here, schema=TABLE.schema))
    assert there.equals(here)
    assert there.num_rows == TABLE.num_rows


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_document_and_an_empty_table_come_to_the_same(managers, name):
    there, here = both(managers, lambda manager: read(manager, name, b""))
    assert there == here
    empty = TABLE.slice(0, 0)
    there, here = both(managers, lambda manager: written(manager, name, empty))
    assert there == here


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("csv", b"a,b\n1,2\n3\n"),
        ("csv", b'a\n"open'),
        ("ndjson", b'{"a": 1}\n{"a": tru}\n'),
        ("json", b"[1, 2"),
        ("parquet", b"PAR1 is no more than this"),
        ("arrow_stream", bytes(100)),
        ("lines", b"\xff\n"),
    ],
)
def test_a_document_that_is_wrong_is_refused_in_the_same_words(managers, name, document):
    there, here = both(managers, lambda manager: read(manager, name, document))
    assert there == here
    assert there[0] == "BadPayload"


@pytest.mark.parametrize("options", [{"delimeter": ";"}, {"delimiter": 7}, {"delimiter": ";;;"}])
def test_options_are_refused_in_the_same_words(managers, options):
    there, here = both(managers, lambda manager: written(manager, "csv", **options))
    assert there == here
    assert there[0] == "UnknownOption"


def test_a_table_that_a_format_cannot_carry_is_refused_in_the_same_words(managers):
    table = pa.table({"list": [[1, 2]]})
    there, here = both(managers, lambda manager: written(manager, "csv", table))
    assert there == here
    assert there[0] == "Unsupported"


def test_dictionaries_go_both_ways(managers):
    chunks = [pa.array(words).dictionary_encode() for words in (["a", "b"], ["c"], ["b", None, "d"])]
    table = pa.table({"word": pa.chunked_array(chunks)})
    there, here = both(managers, lambda manager: written(manager, "arrow_stream", table))
    assert there == here
    there, here = both(managers, lambda manager: read(manager, "arrow_stream", here))
    assert there.equals(here)
    assert there["word"].to_pylist() == table["word"].to_pylist()


def test_a_row_longer_than_a_slot_of_the_ring_goes_both_ways(managers):
    table = pa.table({"line": ["x" * (7 << 20), "y"]})
    there, here = both(managers, lambda manager: written(manager, "lines", table))
    assert there == here
    there, here = both(managers, lambda manager: read(manager, "lines", here, size=1 << 20))
    assert there.equals(here)


def test_a_document_that_must_be_spooled_to_disk_is_read_in_a_process_too(managers):
    table = pa.table({"number": pa.array(range(5_000_000), pa.int64())})
    document = written(managers["in_process"], "arrow_file", table)
    assert len(document) > SPOOL_MEMORY_BYTES
    assert read(managers["process"], "arrow_file", document, size=1 << 20).equals(table)


def test_the_description_of_options_is_the_same(managers):
    for name in FORMATS:
        with managers["process"].registry.lease(name) as there, managers["in_process"].registry.lease(name) as here:
            assert json.loads(json.dumps(there.options)) == json.loads(json.dumps(here.options))
