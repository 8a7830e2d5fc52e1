"""The client against a real server: what goes in comes out, whatever it is and however it is asked for."""

import io
import json
import shutil
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import flight_client
from flight_client.errors import Cancelled
from flight_server import demo

CSV = b"id,name\n1,Ada\n2,Grace\n3,\n"
TABLE = pa.table({"id": [1, 2, 3], "name": ["Ada", "Grace", None]})


@pytest.fixture
def stored(our_client, dataset):
    our_client.put(dataset, TABLE)
    return dataset


class Foreign:
    """A table of another library."""

    def __arrow_c_stream__(self, requested_schema=None):
        return TABLE.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "make",
    [
        lambda _: CSV,
        lambda _: bytearray(CSV),
        lambda _: memoryview(CSV),
        lambda _: pa.py_buffer(CSV),
        lambda _: io.BytesIO(CSV),
        lambda _: (CSV[position : position + 1] for position in range(len(CSV))),
        lambda path: path.open("rb"),
    ],
    ids=["bytes", "bytearray", "memoryview", "buffer", "file in memory", "single bytes", "file"],
)
def test_a_document_is_stored_from_every_kind_of_source(our_client, dataset, tmp_path, make):
    (tmp_path / "a").write_bytes(CSV)
    source = make(tmp_path / "a")
    result = our_client.put(dataset, source, format="csv")
    getattr(source, "close", lambda: None)()
    assert (result.rows, result.bytes, result.format, result.plugin["name"]) == (3, len(CSV), "csv", "csv")
    assert our_client.get(dataset).read_all().column("id").to_pylist() == [1, 2, 3]


@pytest.mark.parametrize(
    "make",
    [lambda: TABLE, lambda: TABLE.to_batches()[0], TABLE.to_reader, Foreign],
    ids=["table", "record batch", "reader", "another library"],
)
def test_rows_are_stored_from_every_kind_of_source(our_client, dataset, make):
    result = our_client.put(dataset, make())
    assert (result.rows, result.format, result.plugin, result.replayed) == (3, "arrow", None, False)
    assert our_client.get(dataset).read_all().equals(TABLE)


def test_the_format_and_the_encoding_of_a_file_are_told_by_its_name(our_client, dataset, tmp_path):
    path = tmp_path / "people.csv.gz"
    assert our_client.put(dataset, TABLE).rows == 3
    our_client.get_file(dataset, path)
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert our_client.put(f"{dataset}-again", str(path)).format == "csv"
    assert our_client.get(f"{dataset}-again").read_all().num_rows == 3


def test_the_options_of_a_format_reach_it(our_client, dataset):
    our_client.put(dataset, b"a;b\n1;2\n", format="csv", options={"delimiter": ";"})
    assert our_client.get_bytes(dataset, format="csv", options={"delimiter": "|"}).read_all() == b"a|b\n1|2\n"


def test_a_schema_decides_what_a_document_is(our_client, dataset):
    schema = pa.schema([("id", pa.int8()), ("name", pa.large_string())])
    our_client.put(dataset, CSV, format="csv", schema=schema)
    assert our_client.get(dataset).schema.equals(schema)


def test_modes_append_and_replace(our_client, dataset):
    assert [our_client.put(dataset, TABLE).version for _ in range(2)] == [1, 2]
    assert our_client.info(dataset).rows == 6
    our_client.put(dataset, TABLE, mode="replace")
    assert our_client.info(dataset).rows == 3
    assert our_client.info(dataset, version=2).rows == 6


def test_the_same_put_id_stores_once_and_its_answer_can_be_asked_for(our_client, dataset):
    put_id = str(uuid.uuid4())
    assert our_client.put_status(put_id) is None
    first = our_client.put(dataset, TABLE, put_id=put_id)
    again = our_client.put(dataset, TABLE, put_id=put_id)
    assert (first.replayed, again.replayed, again.version) == (False, True, first.version)
    assert our_client.put_status(put_id).version == first.version
    assert our_client.info(dataset).rows == 3


@pytest.mark.parametrize("table", [TABLE.slice(0, 0), pa.table({"x": pa.array([], pa.list_(pa.int8()))})])
def test_no_rows_are_a_dataset_of_no_rows(our_client, dataset, table):
    assert our_client.put(dataset, table).rows == 0
    assert our_client.get(dataset).read_all().equals(table)


def test_a_part_of_a_dataset_is_got(our_client, stored):
    part = our_client.get(stored, columns=["name"], limit=1, offset=1).read_all()
    assert part.to_pydict() == {"name": ["Grace"]}
    text = our_client.get_bytes(stored, format="csv", columns=["id"], limit=2).read_all()
    assert text == b"id\n1\n2\n"


def test_a_version_is_got_as_it_was(our_client, stored):
    our_client.put(stored, TABLE)
    assert our_client.get(stored, version=1).read_all().num_rows == 3
    assert our_client.get(stored).read_all().num_rows == 6


def test_a_stream_is_read_by_batches_and_by_other_libraries(our_client, stored):
    assert sum(batch.num_rows for batch in our_client.get(stored)) == 3
    assert pa.table(our_client.get(stored)).equals(TABLE)
    assert our_client.get(stored).reader().read_all().equals(TABLE)


def test_a_stream_that_was_closed_does_not_look_complete_and_the_server_lets_go(our_client, dataset):
    our_client.put(dataset, pa.table({"x": pa.array(range(20_000_000))}))
    with our_client.get(dataset) as stream:
        assert next(stream).num_rows > 0
    with pytest.raises(Cancelled, match="closed before its end"):
        list(stream)
    deadline = time.monotonic() + 20
    while any(item["open_snapshots"] for item in [our_client.health()["store"]]):
        assert time.monotonic() < deadline, "the server still reads"
        time.sleep(0.05)


def test_a_document_says_what_it_is(our_client, stored):
    with our_client.get_bytes(stored, format="ndjson", content_encoding="gzip") as document:
        assert (document.format, document.content_encoding) == ("ndjson", "gzip")
        assert document.media_type
    with our_client.get_bytes(stored, format="ndjson") as document:
        assert [json.loads(line) for line in document.read_all().splitlines()] == TABLE.to_pylist()


def test_a_file_is_written_whole(our_client, stored, tmp_path):
    size = our_client.get_file(stored, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size == size
    assert pq.read_table(tmp_path / "a.parquet").equals(TABLE)


def test_a_get_that_fails_leaves_no_file(our_client, stored, tmp_path):
    with pytest.raises(flight_client.FlightClientError):
        our_client.get_file(stored, tmp_path / "a.csv", columns=["absent"])
    assert list(tmp_path.iterdir()) == []


def test_documents_and_rows_are_converted(our_client, tmp_path):
    lines = our_client.convert(CSV, from_format="csv", to_format="ndjson").read_all().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2, 3]
    assert our_client.convert(TABLE, to_format="csv", columns=["id"], limit=2).read_all() == b"id\n1\n2\n"
    (tmp_path / "a.csv").write_bytes(CSV)
    our_client.convert_file(tmp_path / "a.csv", tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 3


def test_what_comes_out_of_one_call_goes_into_another(our_client, stored, dataset):
    with our_client.get_bytes(stored, format="csv") as document:
        assert our_client.put(f"{dataset}-copy", document, format="csv").rows == 3
    with our_client.get(stored) as stream:
        assert our_client.put(f"{dataset}-twin", stream).rows == 3


@pytest.mark.parametrize("length", [0, 1, 100_000, 3_000_000])
def test_a_conversion_of_any_size_ends(our_client, length):
    def document():
        yield b"x\n"
        for _ in range(length // 1000):
            yield b"12345\n" * 1000
        yield b"12345\n" * (length % 1000)

    with our_client.convert(document(), from_format="csv", to_format="tsv") as converted:
        assert sum(chunk.size for chunk in converted) == 2 + 6 * length


def test_a_conversion_that_is_given_up_ends_its_source_and_is_no_failure_of_the_server(own_server):
    ended = threading.Event()

    def endless():
        try:
            yield b"x\n"
            while True:
                yield b"12345\n" * 100_000
        finally:
            ended.set()

    with flight_client.connect(own_server.location) as client:
        with client.convert(endless(), from_format="csv", to_format="csv") as converted:
            assert next(converted).size > 0
        assert ended.wait(20)
    own_server.stop()
    lines = [json.loads(line) for line in own_server.log_file.read_text().splitlines()]
    assert [line for line in lines if line["level"] == "error"] == []


def test_datasets_are_listed_by_prefix_in_name_order(our_client, dataset):
    names = [f"{dataset}/{letter}" for letter in "cab"]
    for name in names:
        our_client.put(name, TABLE)
    listed = our_client.list(f"{dataset}/")
    assert [item.dataset for item in listed] == sorted(names)
    assert [item.rows for item in listed] == [3, 3, 3]
    assert listed[0].schema.equals(TABLE.schema)
    assert timedelta(0) <= datetime.now(UTC) - listed[0].created < timedelta(minutes=5)


def test_a_dataset_that_was_dropped_is_gone(our_client, stored):
    assert our_client.drop(stored)["dataset"] == stored
    assert our_client.list(stored) == []


def test_the_server_tells_of_itself(our_client, stored):
    assert {"csv", "tsv", "ndjson", "json", "parquet", "arrow_stream", "arrow_file"} <= {
        f["name"] for f in our_client.formats()
    }
    assert {"csv"} <= {plugin["name"] for plugin in our_client.plugins()}
    assert our_client.health()["status"] == "ok"
    assert [version["version"] for version in our_client.versions(stored)] == [1]
    assert our_client.reload() == []
    assert our_client.action("server_info")[0]["name"] == "distributed-transformer"


def test_a_format_that_was_loaded_since_is_found_by_its_extension(own_server, tmp_path):
    with flight_client.connect(own_server.location) as client:
        client.put("a", TABLE)
        client.get_file("a", tmp_path / "a.csv")  # the extensions have been asked for
        shutil.copy(Path(demo.__file__).with_name("markdown_table.py"), own_server.plugin_dir)
        deadline = time.monotonic() + 20
        while "markdown" not in {item["name"] for item in client.formats()}:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        client.get_file("a", tmp_path / "a.md")
        assert (tmp_path / "a.md").read_text().startswith("| id | name |")


def test_progress_is_told_while_a_put_runs(server_factory, dataset):
    server = server_factory(**{"server.progress_interval_secs": 0.05})
    told = []

    def slow():
        yield b"x\n"
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            yield b"1\n" * 500_000
            time.sleep(0.02)

    with flight_client.connect(server.location) as client:
        result = client.put(dataset, slow(), format="csv", on_progress=told.append)
    assert told
    assert 0 <= told[-1].rows <= result.rows
    assert 0 < told[-1].bytes <= result.bytes


def test_an_exception_of_the_progress_callback_ends_the_put(server_factory, dataset):
    server = server_factory(**{"server.progress_interval_secs": 0.05})
    stop = threading.Event()

    def told(_progress):
        stop.set()
        raise KeyError("enough")

    def endless():
        yield b"x\n"
        deadline = time.monotonic() + 20
        while not stop.is_set() and time.monotonic() < deadline:
            yield b"1\n" * 500_000
            time.sleep(0.02)

    with flight_client.connect(server.location) as client:
        with pytest.raises(KeyError, match="enough"):
            client.put(dataset, endless(), format="csv", on_progress=told)
        assert client.list() == []


def test_one_client_serves_many_threads(our_client, dataset):
    def work(number):
        name = f"{dataset}/{number}"
        table = pa.table({"x": pa.array([number] * 10_000)})
        our_client.put(name, table)
        text = our_client.get_bytes(name, format="csv").read_all()
        converted = our_client.convert(text, from_format="csv", to_format="tsv").read_all()
        assert our_client.get(name).read_all().equals(table)
        assert text == converted == b"x\n" + b"%d\n" % number * 10_000
        return True

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(48)))


def test_concurrent_appends_all_arrive(our_client, dataset):
    our_client.put(dataset, TABLE)
    with ThreadPoolExecutor(8) as pool:
        versions = {result.version for result in pool.map(lambda _: our_client.put(dataset, TABLE), range(40))}
    assert len(versions) == 40
    assert our_client.info(dataset).rows == 3 * 41
