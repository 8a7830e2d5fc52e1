"""Files that others made, golden ones and ones that once broke a reader: the right data or a ``FormatError``, always."""

import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora import corpus
from trips import read

from format_plugins.builtin import arrow_file, arrow_stream, parquet
from format_plugins.contract import FormatError

MODULES = {"arrow_stream": arrow_stream, "arrow_file": arrow_file, "parquet": parquet}
#: Golden files whose values are not valid Arrow: random numbers that fit neither their decimal's precision nor a whole day.
INVALID_GOLDEN = {"generated_datetime", "generated_decimal", "generated_decimal256"}
INVALID_VERSIONS = {"0.14.1", "1.0.0-bigendian", "1.0.0-littleendian"}
#: Files of parquet-testing that are damaged, too large or against the specification on purpose.
REFUSED_PARQUET = {
    "datapage_v1-corrupt-checksum.parquet",
    "incorrect_map_schema.parquet",
    "large_string_map.brotli.parquet",
    "rle-dict-uncompressed-corrupt-checksum.parquet",
}


def golden(suffix):
    folder = corpus("arrow-testing") / "data" / "arrow-ipc-stream" / "integration"
    return sorted(folder.rglob(f"*{suffix}"))


def is_invalid(path):
    return path.stem in INVALID_GOLDEN and path.parent.name in INVALID_VERSIONS


def read_by_arrow(path, open_reader):
    reader = open_reader(path.read_bytes())
    batches = list(reader) if open_reader is pa.ipc.open_stream else map(reader.get_batch, range(reader.num_record_batches))
    return pa.Table.from_batches(batches, reader.schema)


@pytest.mark.parametrize(
    ("module", "suffix", "open_reader"),
    [(arrow_stream, ".stream", pa.ipc.open_stream), (arrow_file, ".arrow_file", pa.ipc.open_file)],
    ids=["stream", "file"],
)
def test_golden_arrow_files_read_as_arrow_reads_them(module, suffix, open_reader):
    paths = [path for path in golden(suffix) if not is_invalid(path)]
    assert len(paths) > 80
    for path in paths:
        expected = read_by_arrow(path, open_reader)
        found = read(module, path.read_bytes())
        assert found.schema.equals(expected.schema, check_metadata=True), path
        assert found.equals(expected), path


@pytest.mark.parametrize(("module", "suffix"), [(arrow_stream, ".stream"), (arrow_file, ".arrow_file")], ids=["stream", "file"])
def test_golden_arrow_files_that_hold_impossible_values_are_refused(module, suffix):
    for path in filter(is_invalid, golden(suffix)):
        with pytest.raises(FormatError, match="not valid"):
            read(module, path.read_bytes())


def test_golden_streams_and_files_hold_the_same():
    for path in golden(".stream"):
        if not is_invalid(path):
            other = read(arrow_file, path.with_suffix(".arrow_file").read_bytes())
            found = read(arrow_stream, path.read_bytes())
            assert found.schema == other.schema, path
            assert found.num_rows == other.num_rows, path


def test_parquet_files_read_as_arrow_reads_them():
    paths = sorted((corpus("parquet-testing") / "data").rglob("*.parquet"))
    assert len(paths) > 60
    for path in paths:
        document = path.read_bytes()
        if path.name in REFUSED_PARQUET:
            with pytest.raises(FormatError):
                read(parquet, document)
            continue
        expected = pq.ParquetFile(pa.BufferReader(document)).read()
        found = read(parquet, document)
        assert found.schema == expected.schema, path
        assert found.equals(expected) or str(found.to_pylist()) == str(expected.to_pylist()), path


def test_encrypted_parquet_files_are_refused():
    paths = sorted((corpus("parquet-testing") / "data").rglob("*.encrypted"))
    assert paths
    for path in paths:
        with pytest.raises(FormatError):
            read(parquet, path.read_bytes())


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("arrow_stream", "arrow-testing/data/arrow-ipc-stream"),
        ("arrow_file", "arrow-testing/data/arrow-ipc-file"),
        ("parquet", "arrow-testing/data/parquet"),
        ("parquet", "parquet-testing/bad_data"),
    ],
)
def test_files_that_broke_readers_give_valid_data_or_an_error_and_the_process_lives(name, folder):
    root, _, rest = folder.partition("/")
    files = corpus(root) / rest
    run = subprocess.run(
        [sys.executable, __file__, name, str(files)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert run.returncode == 0, run.stderr[-2000:]
    counts = dict(pair.split("=") for pair in run.stdout.split())
    assert int(counts["refused"]) > 0
    assert int(counts.get("read", 0)) < int(counts["refused"])


def main(name, folder):
    """Put every file of a folder through a plugin in this process, and say how many were read and refused."""
    counts = Counter()
    for path in filter(Path.is_file, sorted(Path(folder).rglob("*"))):
        if "integration" in path.parts:
            continue
        sys.stderr.write(f"{path.name}\n")
        counts["refused" if refuses(partial(read, MODULES[name], path.read_bytes())) else "read"] += 1
    sys.stdout.write(" ".join(f"{key}={count}" for key, count in counts.items()))


def refuses(call):
    try:
        call()
    except FormatError:
        return True
    return False


if __name__ == "__main__":
    main(*sys.argv[1:])
