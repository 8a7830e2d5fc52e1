"""Streams of native plugins: what flows, whose fault a failure was, and that all is given back once."""

import contextlib
import gc
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pyarrow as pa
import pytest
from native_plugins import Builder, Loaded, needs_compiler, table

from flight_server.config import LimitsConfig
from flight_server.errors import PluginFailed
from flight_server.transcode import Decoded
from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.native import source
from format_plugins.native.fault import Cancelled, NativePluginError

pytestmark = needs_compiler

ROWS = pa.table({"n": pa.array(range(6), pa.int64())})


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return Builder(tmp_path_factory.mktemp("built"))


@pytest.fixture
def faulty(build, tmp_path):
    return Loaded(build(), tmp_path)


class TestReading:
    def test_record_batches_come_as_the_plugin_makes_them(self, faulty):
        reader = faulty.reader()
        assert reader.schema == ROWS.schema
        assert [batch.to_pydict() for batch in reader] == [{"n": [0, 1]}, {"n": [2, 3]}, {"n": [4, 5]}]

    def test_a_document_without_rows_has_a_schema(self, faulty):
        assert table(faulty.reader(batches=0)).equals(ROWS.slice(0, 0))

    def test_the_failure_says_where(self, faulty):
        with pytest.raises(FormatError, match=r"^row 3 is wrong$") as caught:
            faulty.reader(fault="place").read_all()
        error = caught.value
        assert (error.offset, error.row, error.column, error.value, error.option) == (17, 3, "n", "x", "batches")

    def test_what_is_not_known_of_a_failure_is_none(self, faulty):
        with pytest.raises(FormatError, match="no reader to be had") as caught:
            faulty.reader(fault="open")
        error = caught.value
        assert (error.offset, error.row, error.column, error.value, error.option) == (None,) * 5

    @pytest.mark.parametrize(
        ("fault", "kind", "message"),
        [
            ("own", NativePluginError, "^it is my fault$"),
            ("silent", FormatError, "in the stream's own words"),
            ("errno_invalid", FormatError, "in the stream's own words"),
            ("errno_unsupported", UnsupportedError, "in the stream's own words"),
            ("errno_io", NativePluginError, "the plugin does not say why"),
            ("memory", MemoryError, "no memory"),
            ("schema", FormatError, "^no schema to be had$"),
            ("open_moved", FormatError, "^no reader to be had$"),
            ("nothing", NativePluginError, "open_reader failed with status 4, and the plugin does not say why"),
        ],
    )
    def test_a_failure_is_laid_to_whose_fault_it_was(self, faulty, fault, kind, message):
        with pytest.raises(kind, match=message) as caught:
            faulty.reader(fault=fault).read_all()
        assert type(caught.value) is kind

    def test_a_document_that_is_given_back_twice_is_so_without_harm(self, faulty):
        for _ in range(3):
            with pytest.raises(FormatError, match=r"^no reader to be had$"):
                faulty.reader([b"x"], fault="twice")
        assert table(faulty.reader()).num_rows == 6

    @pytest.mark.parametrize("fault", ["no_schema", "no_next"])
    def test_a_stream_without_its_functions_is_the_plugins_fault(self, faulty, fault):
        with pytest.raises(NativePluginError, match="lacks get_"):
            faulty.reader(fault=fault).read_all()
        assert faulty.lines.count("stream released") == 1

    def test_a_long_message_is_cut_and_need_not_be_text(self, faulty):
        with pytest.raises(FormatError) as caught:
            faulty.reader(fault="long").read_all()
        assert len(str(caught.value)) == 1023

    @pytest.mark.parametrize("error", [KeyError("lost"), KeyboardInterrupt(), FormatError("from below", row=4)])
    def test_what_the_document_raises_comes_through_as_it_was(self, faulty, error):
        def chunks():
            yield bytes(1 << 21)
            raise error

        with pytest.raises(type(error)) as caught:
            faulty.reader(chunks(), fault="pull").read_all()
        assert caught.value is error

    def test_a_schema_that_is_asked_for_reaches_the_plugin_and_is_given_back(self, faulty):
        schema = pa.schema([("n", pa.int64())])
        assert table(faulty.reader(schema=schema)).num_rows == 6
        allocated = weakref.ref(schema)
        del schema
        assert allocated() is None

    def test_offsets_that_lead_out_of_a_buffer_are_found_by_the_host(self, faulty):
        decoded = Decoded(faulty.codec(fault="offsets"), (), plugin="numbers", schema=None, limits=LimitsConfig())
        with pytest.raises(PluginFailed, match="not valid Arrow data"):
            list(decoded)

    def test_two_streams_go_on_side_by_side(self, faulty):
        one, other = faulty.reader(batches=200), faulty.reader(batches=200)
        for index in range(200):
            assert one.read_next_batch()["n"][0].as_py() == other.read_next_batch()["n"][0].as_py() == 2 * index


class TestWriting:
    def test_bytes_come_as_the_plugin_makes_them(self, faulty):
        assert list(faulty.codec().write_batches(ROWS.to_reader(2))) == [b"batch\n"] * 3

    def test_a_stream_of_bytes_without_its_function_is_the_plugins_fault(self, faulty):
        with pytest.raises(NativePluginError, match="open_writer failed with status 4"):
            faulty.written(ROWS, fault="no_next")
        assert faulty.lines.count("bytes released") == 1

    def test_record_batches_are_pulled_as_bytes_are_asked_for(self, faulty):
        pulled = []
        batches = (pulled.append(batch) or batch for batch in ROWS.to_batches(2))
        pieces = faulty.codec().write_batches(pa.RecordBatchReader.from_batches(ROWS.schema, batches))
        next(pieces)
        assert len(pulled) == 1

    @pytest.mark.parametrize(
        ("fault", "kind", "message"),
        [
            ("own", NativePluginError, "^it is my fault$"),
            ("silent", NativePluginError, "^the last words$"),
            ("place", FormatError, "^row 3 is wrong$"),
            ("open", UnsupportedError, "^no writer to be had$"),
            ("open_moved", UnsupportedError, "^no writer to be had$"),
            ("nothing", NativePluginError, "open_writer failed with status 4"),
        ],
    )
    def test_a_failure_is_laid_to_whose_fault_it_was(self, faulty, fault, kind, message):
        with pytest.raises(kind, match=message) as caught:
            faulty.written(ROWS, fault=fault)
        assert type(caught.value) is kind

    @pytest.mark.parametrize("error", [KeyError("lost"), KeyboardInterrupt(), FormatError("from below", row=4)])
    def test_what_the_record_batches_raise_comes_through_as_it_was(self, faulty, error):
        def batches():
            yield ROWS.to_batches()[0]
            raise error

        with pytest.raises(type(error)) as caught:
            list(faulty.codec().write_batches(pa.RecordBatchReader.from_batches(ROWS.schema, batches())))
        assert caught.value is error


class TestRelease:
    @pytest.fixture
    def documents(self, monkeypatch):
        """How often each document was given back by native code or by the adapter."""
        counts = []
        begin, release = source._Pulled.__init__, source._Pulled.release

        def began(self, stream):
            begin(self, stream)
            self.index = len(counts)
            counts.append(0)

        def released(self, struct):
            counts[self.index] += 1
            release(self, struct)

        monkeypatch.setattr(source._Pulled, "__init__", began)
        monkeypatch.setattr(source._Pulled, "release", released)
        return counts

    @pytest.mark.parametrize("fault", ["", "place", "errno_io", "schema", "open", "open_moved", "nothing", "own"])
    def test_all_is_given_back_once_after_reading(self, build, tmp_path, documents, fault):
        faulty = Loaded(build(), tmp_path)
        with contextlib.suppress(FormatError, NativePluginError):
            faulty.reader([b"x"], fault=fault).read_all()
        opened = fault not in {"open", "open_moved", "nothing"}
        del faulty.plugin
        gc.collect()
        assert faulty.releases() == ["format released", "plugin released", *(["stream released"] if opened else [])]
        assert documents == [1]

    @pytest.mark.parametrize("batches", [0, 1, 2])
    def test_all_is_given_back_once_when_a_reader_is_dropped_early(self, faulty, documents, batches):
        reader = faulty.reader([b"x"])
        kept = [reader.read_next_batch() for _ in range(batches)]
        del reader
        assert faulty.releases() == ["format released", "stream released"]
        assert documents == [1]
        assert [batch.num_rows for batch in kept] == [2] * batches

    def test_all_is_given_back_once_while_an_exception_is_under_way(self, faulty, documents):
        def fail():
            for _ in faulty.reader([b"x"]):
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert faulty.releases() == ["format released", "stream released"]
        assert documents == [1]

    @pytest.mark.parametrize("fault", ["", "place", "open", "open_moved", "nothing"])
    def test_all_is_given_back_once_after_writing(self, faulty, fault):
        batches = ROWS.to_batches(2)
        given = weakref.ref(items := _Iterating(batches))
        with contextlib.suppress(FormatError, NativePluginError):
            list(faulty.codec(fault=fault).write_batches(pa.RecordBatchReader.from_batches(ROWS.schema, items)))
        del items
        gc.collect()
        assert given() is None
        opened = fault not in {"open", "open_moved", "nothing"}
        assert faulty.releases() == [*(["bytes released"] if opened else []), "format released"]

    @pytest.mark.parametrize("pieces", [0, 1])
    def test_all_is_given_back_once_when_a_writer_is_dropped_early(self, faulty, pieces):
        writer = faulty.codec().write_batches(ROWS.to_reader(2))
        for _ in range(pieces):
            next(writer)
        del writer
        assert faulty.releases() == ["bytes released", "format released"]

    def test_a_record_batch_outlives_its_stream_its_format_and_its_plugin(self, faulty):
        batch = faulty.reader().read_next_batch()
        del faulty.plugin
        gc.collect()
        assert "plugin released" in faulty.lines
        assert batch.to_pydict() == {"n": [0, 1]}

    def test_nothing_is_left_of_a_thousand_streams(self, faulty):
        faulty.reader([b"x"], fault="pull").read_all()
        gc.collect()
        before = len(gc.get_objects()), pa.total_allocated_bytes()
        for _ in range(1000):
            faulty.reader([b"x"], fault="pull").read_all()
        faulty.lines.clear()
        gc.collect()
        assert len(gc.get_objects()) - before[0] < 100
        assert pa.total_allocated_bytes() == before[1]


class _Iterating:
    """An iterator that can be referred to weakly."""

    def __init__(self, items):
        self._items = iter(items)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._items)


class TestCancelling:
    def test_a_format_that_is_cancelled_stops(self, faulty):
        codec = faulty.codec(fault="cancel")
        reader = codec.read_batches_from_stream(None, _Iterating(()))
        reader.read_next_batch()
        threading.Timer(0.05, codec.cancel).start()
        with pytest.raises(Cancelled):
            reader.read_next_batch()

    def test_the_host_can_cancel_all_streams(self, build, tmp_path):
        wanted = threading.Event()
        faulty = Loaded(build(), tmp_path, cancelled=wanted.is_set)
        pieces = faulty.codec(fault="cancel").write_batches(ROWS.to_reader(2))
        next(pieces)
        threading.Timer(0.05, wanted.set).start()
        with pytest.raises(Cancelled):
            next(pieces)

    def test_a_host_that_fails_when_it_is_asked_has_not_cancelled(self, build, tmp_path):
        asked = []

        def fail():
            asked.append(1)
            if len(asked) > 3:
                codec.cancel()
            raise KeyError

        codec = Loaded(build(), tmp_path, cancelled=fail).codec(fault="cancel")
        with pytest.raises(Cancelled):
            codec.read_batches_from_stream(None, _Iterating(())).read_all()
        assert len(asked) == 4


@pytest.mark.parametrize(("fault", "number"), [("segfault", signal.SIGSEGV), ("abort", signal.SIGABRT)])
@pytest.mark.parametrize("way", ["reader(fault=fault).read_all()", "written(rows, fault=fault)"])
def test_a_crash_ends_the_process_that_it_happens_in_and_no_other(build, tmp_path, fault, number, way):
    (tmp_path / "library.so").write_bytes(build())
    script = f"""
import pathlib, pyarrow, sys
sys.path[:0] = ["tests", "."]
from native_plugins import Loaded
folder, fault = pathlib.Path({str(tmp_path)!r}), {fault!r}
rows = pyarrow.Table.from_batches(pyarrow.table({{"n": [1, 2]}}).to_batches(1))
Loaded((folder / "library.so").read_bytes(), folder).{way}
"""
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root, timeout=60, check=False)
    assert done.returncode == -number, done.stderr
