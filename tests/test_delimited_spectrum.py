"""The csv-spectrum corpus: what its authors say that each document means."""

import json

import pyarrow as pa
from corpora import corpus

from format_plugins.delimited.codec import DelimitedFormat
from format_plugins.delimited.options import DelimitedOptions
from format_plugins.streams import ByteStream

#: The JSON of this document gives another telephone number than the document itself: they cannot both be right.
CONTRADICTORY = {"location_coordinates": ["Contact Phone Number"]}


def test_csv_spectrum_is_read_as_its_authors_mean_it():
    compared = 0
    for path in sorted((corpus("csv-spectrum") / "csvs").glob("*.csv")):
        expected = json.loads((path.parents[1] / "json" / f"{path.stem}.json").read_text())
        records = expected if isinstance(expected, list) else [expected]
        schema = pa.schema(dict.fromkeys(records[0], pa.string()))
        for size in (1, 1 << 20):
            options = DelimitedOptions(null_values=(), block_bytes=size)
            reader = DelimitedFormat(options).read_batches_from_stream(schema, ByteStream([path.read_bytes()]))
            found = reader.read_all().to_pylist()
            for column in CONTRADICTORY.get(path.stem, []):
                assert [row.pop(column) for row in found] != [row[column] for row in records]
            left_out = CONTRADICTORY.get(path.stem, [])
            wanted = [{key: value for key, value in row.items() if key not in left_out} for row in records]
            assert found == wanted, path.name
        compared += 1
    assert compared == 12


def test_csv_spectrum_comes_back_as_it_was():
    for path in sorted((corpus("csv-spectrum") / "csvs").glob("*.csv")):
        codec = DelimitedFormat(DelimitedOptions())
        table = codec.read_batches_from_stream(None, ByteStream([path.read_bytes()])).read_all()
        text = b"".join(bytes(memoryview(piece)) for piece in codec.write_batches(table.to_reader()))
        assert codec.read_batches_from_stream(table.schema, ByteStream([text])).read_all().equals(table), path.name
