"""Plugin code is surrounded: what goes in and out is checked, and the blame is laid where it belongs."""

import pyarrow as pa
import pytest

from flight_server.config import LimitsConfig
from flight_server.errors import BadPayload, IncompletePut, LimitExceeded, PluginFailed, Unsupported
from flight_server.transcode import Decoded, encoded
from format_plugins.contract import FormatError, UnsupportedError

SCHEMA = pa.schema([("x", pa.int64())])
SAID = {MemoryError: "it ran out of memory"}
BATCH = pa.record_batch({"x": [1, 2, 3]}, schema=SCHEMA)
LIMITS = LimitsConfig(batch_bytes=1 << 20, spool_bytes=1 << 20)


class Codec:
    """A codec made of a function of (schema, stream)."""

    def __init__(self, read):
        self.read_batches_from_stream = read


def decode(read, chunks=(b"abc",), schema=None, codec=None):
    decoded = Decoded(codec or Codec(read), chunks, plugin="odd", schema=schema, limits=LIMITS)
    return pa.Table.from_batches(list(decoded), decoded.schema)


def consume(stream):
    for _ in stream:
        pass


def test_a_generator_of_batches_is_a_stream():
    def read(_schema, stream):
        for chunk in stream:
            yield pa.record_batch({"bytes": [chunk.size]})

    assert decode(read).to_pydict() == {"bytes": [3]}


def test_anything_with_an_arrow_stream_is_one():
    def read(_schema, stream):
        consume(stream)
        return pa.table({"x": [1]})

    assert decode(read).to_pydict() == {"x": [1]}


def test_a_plugin_that_reads_whole_documents_only_is_given_one():
    class Whole:
        def read_batches(self, data):
            return iter([pa.record_batch({"n": [len(data)]})])

    assert decode(None, [b"ab", b"cde"], codec=Whole()).to_pydict() == {"n": [5]}


def test_large_batches_come_out_in_slices():
    def read(_schema, stream):
        consume(stream)
        yield pa.record_batch({"s": ["x" * 100_000] * 9})

    assert decode(read).num_rows == 9


def test_no_batch_and_no_schema_is_the_plugins_fault():
    with pytest.raises(PluginFailed, match="zero rows"):
        decode(lambda _schema, stream: iter(list(stream)[1:]))


def test_no_batch_with_a_schema_is_no_rows():
    assert decode(lambda _schema, stream: iter(list(stream)[1:]), schema=SCHEMA).schema.equals(SCHEMA)


def test_batches_are_made_to_fit_the_schema_that_was_asked_for():
    def read(_schema, stream):
        consume(stream)
        yield pa.record_batch({"x": pa.array([7], pa.int8())})

    assert decode(read, schema=SCHEMA).schema.equals(SCHEMA)


def invalid_batch():
    indices = pa.DictionaryArray.from_arrays(pa.array([9]), pa.array(["a"]), safe=False)
    return pa.record_batch([indices], names=["x"])


@pytest.mark.parametrize(
    ("yields", "says"),
    [
        ([BATCH, pa.record_batch({"y": [1]})], "changed the schema|schema"),
        ([invalid_batch()], "not valid Arrow data"),
        ([{"x": [1]}], "dict"),
        (5, "TypeError"),
    ],
)
def test_what_a_plugin_must_not_yield_is_its_fault(yields, says):
    def read(_schema, stream):
        consume(stream)
        return iter(yields) if isinstance(yields, list) else yields

    with pytest.raises(PluginFailed, match=says):
        decode(read)


def test_a_batch_that_is_not_valid_is_the_plugins_fault_though_another_schema_is_wanted():
    def read(_schema, stream):
        consume(stream)
        yield invalid_batch()

    with pytest.raises(PluginFailed, match="not valid Arrow data"):
        decode(read, schema=SCHEMA)


class Panic(BaseException):
    """What native libraries raise past Exception."""


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("y"), SystemExit(3), Panic("z"), MemoryError()])
@pytest.mark.parametrize("when", ["at once", "later"])
def test_what_a_plugin_raises_is_its_fault(error, when):
    def at_once(_schema, _stream):
        raise error

    def later(_schema, _stream):
        yield BATCH
        raise error

    with pytest.raises(PluginFailed, match=f"'odd' failed: {SAID.get(type(error), type(error).__name__)}"):
        decode(at_once if when == "at once" else later)


def test_wrong_data_is_the_clients_with_its_place():
    def read(_schema, _stream):
        yield BATCH
        raise FormatError("not a number", row=7, column="price", value="x" * 500, option="column_types")

    with pytest.raises(BadPayload) as caught:
        decode(read)
    assert caught.value.detail == {"row": 7, "column": "price", "value": "x" * 64, "option": "column_types"}
    assert "row 7" in str(caught.value)


def test_what_a_format_cannot_carry_is_unsupported():
    class Writer:
        def write_batches(self, batches):
            raise UnsupportedError(f"no {batches.schema.field(0).type}", column="x")
            yield b""

    with pytest.raises(Unsupported, match="int64"):
        list(encoded(Writer(), iter([BATCH]), SCHEMA, plugin="odd"))


def test_a_failure_of_the_source_is_passed_on_even_when_the_plugin_hides_it():
    def chunks():
        yield b"abc"
        raise IncompletePut("aborted")

    def hides(_schema, stream):
        try:
            consume(stream)
        except IncompletePut:
            raise RuntimeError("native library: something failed") from None

    with pytest.raises(IncompletePut, match="aborted"):
        decode(hides, chunks())


def test_bytes_after_the_document_are_refused():
    with pytest.raises(BadPayload, match="after the end"):
        decode(lambda _schema, _stream: iter([BATCH]))


def test_a_batch_that_is_too_large_is_refused():
    def read(_schema, stream):
        consume(stream)
        yield pa.record_batch({"x": pa.array(range(200_000))})

    with pytest.raises(LimitExceeded, match="batch_bytes"):
        decode(read)


def test_a_document_that_is_too_large_to_spool_is_refused():
    def read(_schema, stream):
        stream.as_file()
        yield BATCH

    with pytest.raises(LimitExceeded, match="spool_bytes"):
        decode(read, [bytes(1 << 19)] * 3)


def test_closing_early_closes_the_plugins_generator_and_the_source():
    closed = []

    def chunks():
        try:
            yield b"abc"
        finally:
            closed.append("source")

    def read(_schema, stream):
        try:
            next(iter(stream))
            while True:
                yield BATCH
        finally:
            closed.append("plugin")

    decoded = Decoded(Codec(read), chunks(), plugin="odd", schema=None, limits=LIMITS)
    next(decoded)
    decoded.close()
    assert sorted(closed) == ["plugin", "source"]


def test_encoding_is_lazy_and_closes_what_it_reads():
    pulled, closed = [], []

    def batches():
        try:
            for number in range(100):
                pulled.append(number)
                yield BATCH
        finally:
            closed.append(True)

    class Writer:
        def write_batches(self, reader):
            for batch in reader:
                yield b"%d" % batch.num_rows

    pieces = encoded(Writer(), batches(), SCHEMA, plugin="odd")
    assert next(pieces) == b"3"
    assert len(pulled) == 1
    pieces.close()
    assert closed == [True]
