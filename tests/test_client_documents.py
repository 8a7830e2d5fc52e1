"""Record batches are no document: whoever asks for bytes of them is told so, before anything is sent or stored."""

import pyarrow as pa
import pytest
from client_command import CSV, invoke

from flight_client.commands import failures
from flight_client.errors import UnknownFormat

TABLE = pa.table({"text": ["first", "second"]})

CALLS = {
    "put": lambda client, name, path: client.put(name, path, format="arrow"),
    "put bytes": lambda client, name, _: client.put(name, b"data", format="arrow"),
    "get bytes": lambda client, name, _: client.get_bytes(name, format="arrow").read_all(),
    "get a file": lambda client, name, path: client.get_file(name, path.with_name("got"), format="arrow"),
    "convert to it": lambda client, _, path: client.convert(path, to_format="arrow").read_all(),
    "convert from it": lambda client, _, path: client.convert(path, from_format="arrow", to_format="csv").read_all(),
}


@pytest.fixture
def stored(our_client, dataset):
    our_client.put(dataset, TABLE)
    return dataset


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    return tmp_path / "a.csv"


@pytest.mark.parametrize("call", CALLS)
def test_a_document_of_record_batches_is_refused(our_client, stored, path, call):
    with pytest.raises(UnknownFormat, match="'arrow_stream' or 'arrow_file'"):
        CALLS[call](our_client, stored, path)
    assert our_client.info(stored).version == 1
    assert list(path.parent.iterdir()) == [path]


def test_rows_may_be_called_record_batches(our_client, dataset):
    assert our_client.put(dataset, TABLE, format="arrow").rows == 2
    assert our_client.convert(TABLE, from_format="arrow", to_format="csv").read_all() == b"text\nfirst\nsecond\n"


@pytest.mark.parametrize(
    "words",
    [
        ("get", "{name}", "--format", "arrow"),
        ("convert", "{path}", "-", "--to", "arrow"),
        ("put", "{path}", "--format", "arrow"),
    ],
    ids=["get", "convert", "put"],
)
def test_the_command_says_so_in_a_line(server, stored, path, words):
    result = invoke(server, *(word.format(name=stored, path=path) for word in words))
    assert (result.exit_code, result.stdout) == (failures.REFUSED, "")
    assert "[unknown_format] 'arrow' is no format of documents" in result.stderr
    assert len(result.stderr.splitlines()) == 1
