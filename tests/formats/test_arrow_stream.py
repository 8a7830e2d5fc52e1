"""Arrow IPC streams are read and written exactly, a message at a time."""

import struct

import pyarrow as pa
import pytest
from ipc_cases import LARGE, NUMBERS, IpcCases, dictionaries, lists_of
from trips import Memory, Watched, codec, cut, read, written

from format_plugins.builtin import arrow_file, arrow_stream
from format_plugins.contract import FormatError, FormatPlugin
from format_plugins.streams import ByteStream

END = b"\xff\xff\xff\xff\0\0\0\0"


class TestArrowStream(IpcCases):
    module = arrow_stream


def test_it_is_a_plugin():
    plugin = arrow_stream.create_plugin()
    assert isinstance(plugin, FormatPlugin)
    assert (plugin.metadata().name, plugin.metadata().extensions) == ("arrow_stream", (".arrows",))


def test_arrow_reads_what_is_written():
    assert pa.ipc.open_stream(written(arrow_stream, NUMBERS)).read_all() == NUMBERS


def test_a_stream_cut_at_the_border_of_two_messages_is_an_error_that_names_its_cure():
    document = written(arrow_stream, NUMBERS.to_batches(max_chunksize=500))
    assert document.endswith(END)
    with pytest.raises(FormatError, match="cut short at the end of a message") as caught:
        read(arrow_stream, document.removesuffix(END))
    assert (caught.value.option, caught.value.offset) == ("require_end", len(document) - len(END))


def test_a_stream_without_its_end_is_read_when_asked_to():
    document = written(arrow_stream, NUMBERS).removesuffix(END)
    assert read(arrow_stream, document, require_end=False) == NUMBERS


@pytest.mark.parametrize("document", [b"", b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\x10\0\0\0"])
def test_a_stream_cut_in_its_schema_is_an_error_even_then(document):
    with pytest.raises(FormatError):
        read(arrow_stream, document, require_end=False)


@pytest.mark.parametrize("tail", [b"x", END, b"\0" * 8])
def test_bytes_after_the_end_are_an_error(tail):
    with pytest.raises(FormatError, match="bytes follow the end"):
        read(arrow_stream, written(arrow_stream, NUMBERS) + tail)


def test_two_streams_one_after_the_other_are_an_error():
    with pytest.raises(FormatError, match="bytes follow the end"):
        read(arrow_stream, written(arrow_stream, NUMBERS) * 2)


def test_a_file_is_refused_by_its_name():
    with pytest.raises(FormatError, match="this is an Arrow file"):
        read(arrow_stream, written(arrow_file, NUMBERS))


def test_an_older_stream_without_continuation_marks_is_read():
    options = pa.ipc.IpcWriteOptions(use_legacy_format=True, metadata_version=pa.ipc.MetadataVersion.V4)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, NUMBERS.schema, options=options) as writer:
        writer.write_table(NUMBERS)
    assert read(arrow_stream, sink.getvalue().to_pybytes()) == NUMBERS


def test_dictionaries_that_gain_are_read():
    sink = pa.BufferOutputStream()
    batches = dictionaries(["a"], ["a", "b"], ["a", "b", "c"])
    with pa.ipc.new_stream(sink, batches[0].schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as writer:
        for batch in batches:
            writer.write_batch(batch)
        assert writer.stats.num_dictionary_deltas == 2
    assert read(arrow_stream, sink.getvalue().to_pybytes()).column("d").to_pylist() == list("aababc")


def test_all_dictionaries_together_are_bounded():
    words = [f"{number:020}" for number in range(5000)]
    sink = pa.BufferOutputStream()
    batches = [pa.record_batch({"d": pa.array(words[:count]).dictionary_encode()}) for count in (1000, 3000, 5000)]
    with pa.ipc.new_stream(sink, batches[0].schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    document = sink.getvalue().to_pybytes()
    assert read(arrow_stream, document, max_message_bytes=1 << 20).num_rows == 9000
    with pytest.raises(FormatError, match="are allowed"):
        read(arrow_stream, document, max_message_bytes=100_000)


def test_nested_dictionaries_may_change_between_batches():
    found = read(arrow_stream, written(arrow_stream, lists_of(dictionaries(["a", "b"], ["z", "b"], ["q"]))))
    assert found.column("d").to_pylist() == [["a"], ["b"], ["z"], ["b"], ["q"]]


@pytest.mark.parametrize("length", [2**31 - 1, 2**31, 2**32 - 2])
def test_a_message_that_says_it_is_huge_is_refused_without_the_memory(length):
    with Memory() as memory, pytest.raises(FormatError):
        read(arrow_stream, b"\xff\xff\xff\xff" + struct.pack("<I", length) + b"x" * 100)
    assert memory.grown < 8 << 20


def test_a_body_that_says_it_is_huge_is_refused_without_the_memory():
    document = written(arrow_stream, NUMBERS)
    body = pa.ipc.open_stream(document).read_next_batch()
    size = struct.pack("<q", next(m.body.size for m in pa.ipc.MessageReader.open_stream(document) if m.type == "record batch"))
    assert body.num_rows == 1000
    damaged = document.replace(size, struct.pack("<q", 2**40), 1)
    with Memory() as memory, pytest.raises(FormatError, match="1,099,511,627,776 bytes"):
        read(arrow_stream, damaged)
    assert memory.grown < 8 << 20


def test_a_batch_of_impossibly_many_rows_is_refused():
    document = written(arrow_stream, pa.table({"n": pa.nulls(1000)}))
    damaged = document.replace(struct.pack("<q", 1000), struct.pack("<q", 2**40))
    with pytest.raises(FormatError, match="1,099,511,627,776 rows"):
        read(arrow_stream, damaged)


def test_batches_come_before_the_stream_has_ended():
    source = Watched(cut(written(arrow_stream, LARGE.to_batches(max_chunksize=100_000)), 1 << 16))
    codec(arrow_stream, {}).read_batches_from_stream(None, ByteStream(source)).read_next_batch()
    assert source.taken < 1 << 20
