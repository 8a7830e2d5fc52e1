"""Everything in the corpora of other projects, put over the wire in every format: the server lives, and says what is wrong."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora import corpus
from effort import report
from pyarrow import flight
from raw_flight import action, code_of, connected, descriptor, finish, get_table, put_document

FORMATS = ["csv", "tsv", "ndjson", "json", "parquet", "arrow_stream", "arrow_file"]
TYPED = {"bad_payload", "unsupported", "limit_exceeded", "schema_mismatch"}


def try_put(client, data, format_name):
    """Put a document as a new dataset; return the code that it was refused with, or None."""
    writer, reader = client.do_put(
        descriptor({"dataset": "c", "format": format_name, "mode": "replace"}), pa.schema([("payload", pa.binary())])
    )
    try:
        for start in range(0, len(data), 1 << 20):
            chunk = pa.array([data[start : start + (1 << 20)]], pa.binary())
            writer.write_batch(pa.record_batch([chunk], names=["payload"]))
    except (flight.FlightError, pa.ArrowException, OSError):
        pass  # the reason is what reading the answer raises
    try:
        answer = finish(writer, reader)
    except (flight.FlightError, pa.ArrowException, OSError) as error:
        return code_of(error)
    assert answer["rows"] >= 0
    return None


def contents(path):
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["JSONTestSuite", "csv-spectrum", "arrow-testing", "parquet-testing"])
def test_every_file_in_every_format_is_data_or_a_typed_error(own_server, name):
    files = sorted(path for path in corpus(name).rglob("*") if path.is_file())
    taken = refused = 0
    with connected(own_server.location) as client:
        for path in files:
            data = contents(path)
            for format_name in FORMATS:
                code = try_put(client, data, format_name)
                assert code is None or code in TYPED, f"{path.name} as {format_name}: {code}"
                taken, refused = taken + (code is None), refused + (code is not None)
                if code is None:
                    get_table(client, "c").validate(full=True)
        assert action(client, "health")[0]["status"] == "ok"
    assert own_server.process.poll() is None
    report(f"{name}: {len(files)} files in {len(FORMATS)} formats: {taken} taken, {refused} refused with a typed error")


#: Its JSON tells of another telephone number than its CSV.
CONTRADICTORY = {"location_coordinates.csv"}


def test_csv_spectrum_is_read_as_its_authors_mean_it(own_server):
    folder = corpus("csv-spectrum")
    with connected(own_server.location) as client:
        for path in sorted((folder / "csvs").glob("*.csv")):
            if path.name in CONTRADICTORY:
                continue
            meant = json.loads((folder / "json" / f"{path.stem}.json").read_text())
            expected = meant if isinstance(meant, list) else [meant]
            options = {"column_types": dict.fromkeys(expected[0], "string"), "null_values": []}
            put_document(client, {"dataset": "s", "format": "csv", "mode": "replace", "options": options}, path.read_bytes())
            found = get_table(client, "s").to_pylist()
            assert found == expected, path.name


def test_parquet_testing_is_read_as_the_library_reads_it(own_server):
    compared = 0
    with connected(own_server.location) as client:
        for path in sorted(corpus("parquet-testing").glob("data/*.parquet")):
            if try_put(client, path.read_bytes(), "parquet") is not None:
                continue
            table = get_table(client, "c")
            try:
                expected = pq.ParquetFile(path).read()
            except (pa.ArrowException, OSError):
                continue
            # Text tells values that are not equal to themselves, and times finer than Python's, from one another.
            assert table.schema.equals(expected.schema), path.name
            assert table.num_rows == expected.num_rows, path.name
            if table.num_rows:
                pairs = zip(table.combine_chunks().columns, expected.combine_chunks().columns, strict=True)
                assert all(one.equals(two) or one.to_string() == two.to_string() for one, two in pairs), path.name
            compared += 1
    assert compared > 50


#: Valid JSON that no table holds: elements of one list that have nothing in common.
NOT_TABULAR = {"y_array_heterogeneous.json"}


def test_valid_json_of_the_suite_holds_what_the_standard_library_reads(own_server):
    folder = corpus("JSONTestSuite") / "test_parsing"
    files = sorted(folder.glob("y_*.json"))
    with connected(own_server.location) as client:
        for path in files:
            document = b'[{"a": ' + path.read_bytes() + b"}]"
            code = try_put(client, document, "json")
            assert (code == "bad_payload") == (path.name in NOT_TABULAR), f"{path.name}: {code}"
            if code is None:
                assert get_table(client, "c").to_pylist()[0].get("a") == json.loads(document)[0]["a"], path.name
    assert len(files) > 90


def test_json_that_is_not_valid_is_refused(own_server):
    files = sorted((corpus("JSONTestSuite") / "test_parsing").glob("n_*.json"))
    with connected(own_server.location) as client:
        for path in files:
            assert try_put(client, b'[{"a": ' + path.read_bytes() + b"}]", "json") == "bad_payload", path.name
    assert len(files) > 180
