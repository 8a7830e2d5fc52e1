"""Arrow IPC files are read and written exactly, a record batch at a time."""

import struct

import pyarrow as pa
import pytest
from ipc_cases import NUMBERS, IpcCases, dictionaries, lists_of
from trips import Watched, codec, cut, read, written

from format_plugins.builtin import arrow_file, arrow_stream
from format_plugins.contract import FormatError, FormatPlugin, UnsupportedError
from format_plugins.streams import ByteStream, SpoolLimitError


class TestArrowFile(IpcCases):
    module = arrow_file


def footer_with(document, old, new):
    """The document with ``old`` replaced in its footer."""
    start = len(document) - 10 - struct.unpack("<i", document[-10:-6])[0]
    assert old in document[start:]
    return document[:start] + document[start:].replace(old, new)


def blocks(document):
    """The (offset, metadata length, body length) of each record batch, found by looking for them in the footer."""
    reader = pa.ipc.open_file(document)
    found, position = [], document.find(b"\xff\xff\xff\xff", 16)
    while len(found) < reader.num_record_batches:
        (metadata,) = struct.unpack("<i", document[position + 4 : position + 8])
        message = pa.ipc.read_message(pa.BufferReader(document[position:]))
        body = message.body.size if message.body is not None else 0
        found.append((position, metadata + 8, body))
        position += metadata + 8 + body
    return found


def test_it_is_a_plugin():
    plugin = arrow_file.create_plugin()
    assert isinstance(plugin, FormatPlugin)
    assert (plugin.metadata().name, plugin.metadata().extensions) == ("arrow_file", (".arrow", ".feather"))


def test_arrow_reads_what_is_written():
    assert pa.ipc.open_file(written(arrow_file, NUMBERS)).read_all() == NUMBERS


def test_a_file_without_batches_is_complete():
    document = b"".join(codec(arrow_file, {}).write_batches(pa.RecordBatchReader.from_batches(NUMBERS.schema, [])))
    assert pa.ipc.open_file(document).num_record_batches == 0


def test_a_stream_is_refused_by_its_name():
    with pytest.raises(FormatError, match="this is an Arrow stream"):
        read(arrow_file, written(arrow_stream, NUMBERS))


def test_feather_of_version_1_is_refused_by_its_name():
    with pytest.raises(UnsupportedError, match="Feather file of version 1"):
        read(arrow_file, b"FEA1" + bytes(100) + b"FEA1")


def test_what_is_no_file_is_refused_before_it_is_spooled():
    source = Watched(cut(bytes(1 << 20), 1000))
    with pytest.raises(FormatError, match="does not begin as an Arrow file"):
        codec(arrow_file, {}).read_batches_from_stream(None, ByteStream(source))
    assert source.taken == 1000


def test_the_limit_of_the_spool_is_said_as_such():
    stream = ByteStream([written(arrow_file, NUMBERS)], spool_limit_bytes=1000)
    with pytest.raises(SpoolLimitError):
        codec(arrow_file, {}).read_batches_from_stream(None, stream)


def test_bytes_after_the_end_are_an_error():
    with pytest.raises(FormatError, match="cut short: its end is not there"):
        read(arrow_file, written(arrow_file, NUMBERS) + b"x")


@pytest.mark.parametrize("length", [0, -1, 2**31 - 1])
def test_a_footer_of_an_impossible_length_is_an_error(length):
    document = written(arrow_file, NUMBERS)
    with pytest.raises(FormatError, match="footer of"):
        read(arrow_file, document[:-10] + struct.pack("<i", length) + document[-6:])


@pytest.mark.parametrize("place", [0, -8, 2**40])
def test_a_message_outside_the_file_is_an_error(place):
    document = written(arrow_file, NUMBERS)
    ((offset, *_),) = blocks(document)
    with pytest.raises(FormatError):
        read(arrow_file, footer_with(document, struct.pack("<q", offset), struct.pack("<q", place)))


def test_messages_that_overlap_are_an_error():
    document = written(arrow_file, NUMBERS.to_batches(max_chunksize=250))
    places = [struct.pack("<q", offset) for offset, *_ in blocks(document)]
    body = struct.pack("<q", blocks(document)[1][2])
    assert len(set(places)) == 4
    with pytest.raises(FormatError, match=r"overlap|disagree"):
        read(arrow_file, footer_with(document, body, struct.pack("<q", len(document))))


def test_dictionaries_are_made_into_one_that_grows():
    document = written(arrow_file, dictionaries(["a", "b"], ["z", "b", None], ["q"]))
    reader = pa.ipc.open_file(document)
    assert reader.get_batch(2).column(0).dictionary.to_pylist() == ["a", "b", "z", "q"]
    assert reader.stats.num_replaced_dictionaries == 0


def test_the_batches_that_are_written_are_not_changed():
    batches = dictionaries(["a", "b"], ["z", "b", None])
    written(arrow_file, batches)
    assert batches[1].column(0).dictionary.to_pylist() == ["z", "b"]


def refusal(batches):
    with pytest.raises(UnsupportedError) as caught:
        written(arrow_file, batches)
    return caught.value


def test_an_ordered_dictionary_that_changes_is_refused_with_its_column():
    arrays = [pa.DictionaryArray.from_arrays(pa.array([0]), [word], ordered=True) for word in "ab"]
    error = refusal([pa.record_batch({"d": array}) for array in arrays])
    assert (error.column, "values are ordered" in str(error)) == ("d", True)


def test_a_dictionary_that_outgrows_its_index_is_refused_with_its_column():
    arrays = [pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), [f"{n}-{i}" for i in range(100)]) for n in range(2)]
    error = refusal([pa.record_batch({"d": array}) for array in arrays])
    assert (error.column, "larger index type" in str(error)) == ("d", True)


def test_a_dictionary_with_a_null_that_changes_is_refused_with_its_column():
    arrays = [pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([word, None])) for word in "ab"]
    assert refusal([pa.record_batch({"d": array}) for array in arrays]).column == "d"


def test_a_nested_dictionary_that_changes_is_refused_with_its_column():
    error = refusal(lists_of(dictionaries(["a", "b"], ["z", "b"])))
    assert (error.column, "list<item: dictionary<" in str(error)) == ("d", True)


def test_a_nested_dictionary_that_grows_is_written():
    document = written(arrow_file, lists_of(dictionaries(["a", "b"], ["a", "b", "c"])))
    assert read(arrow_file, document).column("d").to_pylist() == [["a"], ["b"], ["a"], ["b"], ["c"]]


def test_an_ordered_dictionary_that_stays_is_written():
    array = pa.DictionaryArray.from_arrays(pa.array([0, 1]), ["z", "a"], ordered=True)
    document = written(arrow_file, [pa.record_batch({"d": array})] * 2)
    assert read(arrow_file, document).column("d").to_pylist() == ["z", "a"] * 2
