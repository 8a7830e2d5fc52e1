"""What format_plugins/README.md says holds: its code runs, it lists each option, and each row of its claims is so."""

import contextlib
import importlib.util
import io
import os
import pkgutil
import re
import struct
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from plugin_samples import EXAMPLE, eventually, lines, started
from trips import read, same, written

import flight_client
from flight_server.config import LimitsConfig
from flight_server.errors import BadPayload, UnknownOption, Unsupported
from flight_server.option_table import options_of
from flight_server.transcode import Decoded, encoded
from format_plugins import builtin
from format_plugins.contract import FormatError, UnsupportedError

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "format_plugins" / "README.md").read_text()
BLOCKS = dict(re.findall(r"<!-- runs: (\w+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
PLUGINS = ("archive", "doubles", "fixed_width", "report", "ticks")
ADDRESS = "grpc://127.0.0.1:8815"
MODULES = {
    module.create_plugin().metadata().name: module
    for found in pkgutil.iter_modules(builtin.__path__)
    for module in [importlib.import_module(f"{builtin.__name__}.{found.name}")]
}


# The code on the page.


def test_every_python_block_is_marked_as_one_that_runs():
    assert len(re.findall(r"^```(?:python|bash)$", PAGE, re.MULTILINE)) == len(BLOCKS)
    assert BLOCKS.keys() == {"try", "ticks_test", "deploy", "actions", *PLUGINS}


def test_the_test_of_a_plugin_is_short_and_runs(tmp_path):
    (tmp_path / "ticks.py").write_text(BLOCKS["ticks"])
    (tmp_path / "test_ticks.py").write_text(BLOCKS["ticks_test"])
    assert len(BLOCKS["ticks_test"].splitlines()) <= 15
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_ticks.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"(\d+) passed", done.stdout)[1] > "30"


def test_a_failing_test_of_a_plugin_says_what_is_wrong_as_the_page_shows(tmp_path):
    (tmp_path / "ticks.py").write_text(BLOCKS["ticks"])
    undeclared = re.sub(r" *Loss\(\"truncation.*\n", "", BLOCKS["ticks_test"])
    (tmp_path / "test_ticks.py").write_text(undeclared)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_ticks.py", "-k", "cut_short"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    shown = re.search(r"```\nFAILED (\S+)\n(.*?)```", PAGE, re.DOTALL)
    assert f"FAILED {shown[1]}" in done.stdout
    for sentence in shown[2].split("\n\n"):
        assert sentence.strip() in done.stdout


def test_a_plugin_is_tried_without_a_server(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    exec(compile(BLOCKS["try"], "README.md:try", "exec"), {})  # noqa: S102 - the point
    monkeypatch.delitem(sys.modules, "lines")


@pytest.fixture(scope="module")
def manager(tmp_path_factory):
    """A host that has loaded the plugins of the page."""
    folder = tmp_path_factory.mktemp("page") / "plugins"
    folder.mkdir()
    for name in PLUGINS:
        (folder / f"{name}.py").write_text(BLOCKS[name])
    with started(folder) as running:
        assert {status.name: status.last_error for status in running.statuses()} == dict.fromkeys(PLUGINS)
        yield running


def decoded(manager, name, document, *, schema=None, **options):
    with manager.registry.lease(name) as lease:
        chunks = [document[start : start + 7] for start in range(0, len(document), 7)]
        batches = Decoded(lease.create_format(options), chunks, plugin=name, schema=schema, limits=LimitsConfig())
        return pa.Table.from_batches(list(batches), batches.schema)


def document_of(manager, name, table, **options):
    with manager.registry.lease(name) as lease:
        return b"".join(encoded(lease.create_format(options), table.to_batches(), table.schema, plugin=name))


TICKS = b"TCK1" + struct.pack("<qdqd", 1, 2.5, 2, 3.5)
WIDTHS = {"id": 4, "city": 8}


def test_ticks_go_there_and_back(manager):
    assert document_of(manager, "ticks", decoded(manager, "ticks", TICKS, batch_rows=1)) == TICKS


def test_ticks_without_records_are_a_table_without_rows(manager):
    assert decoded(manager, "ticks", TICKS[:4]).num_rows == 0


def test_ticks_that_are_cut_short_are_an_error_with_its_place(manager):
    with pytest.raises(BadPayload) as caught:
        decoded(manager, "ticks", TICKS[:-1])
    assert caught.value.detail == {"offset": 35, "row": 2}


def test_ticks_refuse_an_option_that_cannot_be_meant(manager):
    with pytest.raises(UnknownOption, match="batch_rows must be at least 1"):
        decoded(manager, "ticks", TICKS, batch_rows=0)


def test_ticks_refuse_what_they_cannot_carry(manager):
    null = pa.table({"at": pa.array([None], pa.timestamp("us", "UTC")), "price": [1.0]})
    with pytest.raises(Unsupported) as caught:
        document_of(manager, "ticks", null)
    assert caught.value.detail == {"column": "at"}


def archive(**files):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return sink.getvalue()


def test_an_archive_goes_there_and_back(manager):
    table = decoded(manager, "archive", archive(a=b"tea", b=b"rice" * 1000))
    assert table.to_pydict() == {"name": ["a", "b"], "content": [b"tea", b"rice" * 1000]}
    with zipfile.ZipFile(io.BytesIO(document_of(manager, "archive", table))) as made:
        assert made.read("b") == b"rice" * 1000


def test_an_archive_with_too_long_a_file_is_refused_with_the_option(manager):
    with pytest.raises(BadPayload) as caught:
        decoded(manager, "archive", archive(a=b"x" * 1001), max_file_bytes=1000)
    assert caught.value.detail == {"row": 1, "option": "max_file_bytes"}


def test_an_archive_refuses_other_columns(manager):
    with pytest.raises(Unsupported, match="two columns"):
        document_of(manager, "archive", pa.table({"name": ["a"]}))


@pytest.mark.parametrize("document", [b"", b"PK", archive(a=b"tea")[:-9]], ids=["empty", "short", "cut"])
def test_what_is_no_archive_is_wrong_data(manager, document):
    with pytest.raises(BadPayload, match="no zip archive"):
        decoded(manager, "archive", document)


def test_doubles_go_there_and_back_also_as_a_slice(manager):
    table = decoded(manager, "doubles", struct.pack("<ddd", 1, 2, 3))
    assert document_of(manager, "doubles", table.slice(1, 1)) == struct.pack("<d", 2)


def test_half_a_double_is_wrong_data(manager):
    with pytest.raises(BadPayload, match="no whole number"):
        decoded(manager, "doubles", b"1234567")


def test_fixed_width_text_is_read_as_the_schema_says(manager):
    schema = pa.schema([("city", pa.string()), ("id", pa.int64())])
    table = decoded(manager, "fixed_width", "   1Zürich  \n  22Oslo".encode(), schema=schema, widths=WIDTHS)
    assert table.to_pydict() == {"city": ["Zürich", "Oslo"], "id": [1, 22]}


def test_fixed_width_text_that_does_not_fit_is_an_error_with_its_place(manager):
    schema = pa.schema([("id", pa.int64()), ("city", pa.string())])
    with pytest.raises(BadPayload) as caught:
        decoded(manager, "fixed_width", b"   1Bern    \n  2xOslo    \n", schema=schema, widths=WIDTHS)
    assert caught.value.detail == {"row": 2, "column": "id", "value": "2x"}


def test_a_report_is_written(manager):
    table = pa.table({"id": [1], "text": ["a|b"]})
    assert document_of(manager, "report", table) == b"| id | text |\n|---|---|\n| 1 | a\\|b |\n"


def test_a_report_that_is_too_long_is_refused(manager):
    with pytest.raises(Unsupported, match="more than 1 rows"):
        document_of(manager, "report", pa.table({"id": [1, 2]}), max_rows=1)


def test_the_commands_that_deploy_and_the_actions_run(own_server, tmp_path):
    (tmp_path / "lines.py").write_text(lines("1.0.0"))
    (tmp_path / "plugins").symlink_to(own_server.plugin_dir)
    search = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "FLIGHT_URI": own_server.location, "PATH": search}
    subprocess.run(["sh", "-ec", BLOCKS["deploy"]], cwd=tmp_path, env=environment, check=True, capture_output=True)
    with flight_client.connect(own_server.location) as client:

        def served():
            return [plugin["version"] for plugin in client.plugins() if plugin["name"] == "lines"]

        eventually(lambda: served() == ["1.0.0"])
        (own_server.plugin_dir / "lines.py").write_text(lines("2.0.0"))
        eventually(lambda: served() == ["2.0.0"])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = BLOCKS["actions"].replace(ADDRESS, own_server.location)
            exec(compile(code, "README.md:actions", "exec"), {})  # noqa: S102 - the point
        assert served() == ["1.0.0"]
        assert "'generation'" in printed.getvalue()


# The options.


def listed(name):
    part = re.search(rf"<!-- generated: options {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)[1]
    return set(re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)) | {
        option for other in re.findall(r"are those of \[`(\w+)`\]", part) for option in listed(other)
    }


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_option_of_a_format_is_listed(name):
    assert {option["name"] for option in options_of(MODULES[name].create_plugin().config_type)} == listed(name)


def test_every_option_has_a_sentence_and_a_type_that_people_write():
    for module in MODULES.values():
        for option in options_of(module.create_plugin().config_type):
            assert option["doc"], option
            assert not option["doc"].endswith("."), option
            assert not re.search("typing|class|Literal", option["type"]), option


def test_an_option_with_a_unit_is_a_number():
    for module in MODULES.values():
        for option in options_of(module.create_plugin().config_type):
            assert not option["unit"] or option["type"] == "int", option


# The claims: one check for each row of the tables, by its first cell.


def column(type_, *values):
    return pa.table({"x": pa.array(values, type_)})


def of(array):
    return pa.table({"x": array})


def dictionary(*values, type_=None, indices=(0,), **more):
    return of(pa.DictionaryArray.from_arrays(pa.array(indices, pa.int8()), pa.array(values, type_), **more))


def refused(*tables, column="x", option=None, **options):
    def check(module):
        for table in tables:
            with pytest.raises(UnsupportedError) as caught:
                written(module, table, **options)
            assert caught.value.column == column
            assert option is None or caught.value.option == option

    return check


def unreadable(*documents, option, schema=None, **options):
    """``documents`` of ndjson, each an error that names ``option``."""

    def check(module):
        for text in documents:
            with pytest.raises(FormatError) as caught:
                read(module, text if module is MODULES["ndjson"] else b"[" + text + b"]", schema=schema, **options)
            assert caught.value.option == option

    return check


def becomes(*pairs, exact=True, **options):
    """Each table comes back with the type beside it, and exactly when its schema is given."""

    def check(module):
        for table, type_ in pairs:
            document = written(module, table, **options)
            assert read(module, document).schema.types == [type_]
            if exact:
                back = read(module, document, schema=table.schema, **options)
                assert back.schema.equals(table.schema, check_metadata=True)
                assert same(back["x"].combine_chunks(), table["x"].combine_chunks())

    return check


def all_of(*checks):
    def check(module):
        for each in checks:
            each(module)

    return check


def keeps_the_last_of_one_name(module):
    record = b'{"x":1,"x":2}'
    assert read(module, record if module is MODULES["ndjson"] else b"[" + record + b"]")["x"].to_pylist() == [2]


def loses_metadata(module):
    field = pa.field("x", pa.int64(), nullable=False, metadata={"k": "v"})
    document = written(module, pa.table([[1]], schema=pa.schema([field], metadata={"k": "v"})))
    assert read(module, document).schema.equals(pa.schema([("x", pa.int64())]), check_metadata=True)


def reads_two_columns_of_one_name_with_names(module):
    document = written(module, pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"]))
    with pytest.raises(FormatError) as caught:
        read(module, document)
    assert caught.value.option == "column_names"
    assert read(module, document, column_names=["x", "y"]).to_pydict() == {"x": [1], "y": [2]}


def loses_the_first_nulls(module):
    document = written(module, column(pa.int64(), None, 1, None), header=False)
    assert read(module, document, header=False).to_pydict() == {"f0": [1, None]}
    for known in ({"schema": pa.schema([("x", pa.int64())])}, {"column_names": ["x"]}):
        assert read(module, document, header=False, **known).to_pydict() == {"x": [None, 1, None]}


def loses_the_bits_of_nan(module):
    bits = pa.py_buffer(struct.pack("<Q", 0xFFF8_0000_0000_0001))
    document = written(module, of(pa.Array.from_buffers(pa.float64(), 1, [None, bits])))
    back = read(module, document, schema=pa.schema([("x", pa.float64())]))["x"].combine_chunks()
    assert str(back[0]) == "nan"
    assert not back.view(pa.int64()).equals(pa.array([struct.unpack("<q", bits)[0]]))


def keeps_the_first_order(module):
    batches = [dictionary(*order, indices=(0, 1), ordered=True).to_batches()[0] for order in (["low", "high"], ["high", "low"])]
    assert read(module, written(module, batches))["x"].chunk(0).dictionary.to_pylist() == ["low", "high"]


def makes_an_order(module):
    table = dictionary("low", "high", indices=(1, 0), ordered=True)
    again = read(module, written(module, table), schema=table.schema)
    assert again.schema == table.schema
    assert again["x"].chunk(0).dictionary.to_pylist() == ["high", "low"]


def not_read_as_written(*tables, error):
    def check(module):
        for table in tables:
            document = written(module, table)
            with pytest.raises(FormatError, match=error):
                read(module, document, schema=table.schema)

    return check


def changing(*tables):
    return refused([table.to_batches()[0] for table in tables])


DAY = 86_400
DICTIONARY = dictionary("a")
DICTIONARY_OF_ONE = of(pa.DictionaryArray.from_arrays(pa.array([0]), DICTIONARY["x"].chunk(0)))
DICTIONARY_OF_EXTENSION = of(pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([b"0123456789abcdef"], pa.uuid())))
STRING_LISTS = pa.list_(pa.dictionary(pa.int32(), pa.string()))
RUNS = of(pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int16()), pa.array(["a"])))
UNION = of(pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]))
DENSE_UNION = of(pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]))
INTERVAL = column(pa.month_day_nano_interval(), (1, 2, 3))
UUID = of(pa.array([b"0123456789abcdef"], pa.uuid()))
JSON_TEXT = of(pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}"])))
BINARY = [column(type_, b"a") for type_ in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1))]
STRUCT = column(pa.struct([("a", pa.int64())]), {"a": 1})
MAP = column(pa.map_(pa.string(), pa.int64()), [("a", 1)])
PARIS = (column(pa.timestamp("us", "Europe/Paris"), 1), pa.timestamp("us", "UTC"))
TIMES = [column(type_, 5) for type_ in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))]
OVERFLOWING = pa.concat_tables(
    [
        of(pa.DictionaryArray.from_arrays(pa.array(range(100), pa.int8()), pa.array(range(start, start + 100))))
        for start in (0, 100)
    ]
)
FULL_LIST = pa.struct([pa.field("l", pa.list_(pa.int8(), 1), nullable=False)])
BEYOND = [column(pa.date32(), 2_932_897), column(pa.date32(), -719_529), column(pa.timestamp("s"), 2_932_897 * DAY)]
NUMBERS = [(column(pa.decimal128(5, 2), Decimal("1.25")), pa.float64())]
NUMBERS += [(column(type_, 1.5), pa.float64()) for type_ in (pa.float16(), pa.float32())]
DURATIONS = [(column(pa.duration(unit), 5), pa.int64()) for unit in ("s", "ms", "us", "ns")]
NO_COLUMNS = pa.record_batch({"a": [1]}).select([])
TWICE = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"])

CLAIMS = {
    "csv": {
        "lists, structs, maps, unions": refused(column(pa.list_(pa.int8()), [1]), STRUCT, MAP, UNION, DENSE_UNION),
        "binary of any kind, `uuid`": refused(*BINARY, UUID),
        "run-end encoded values, `month_day_nano_interval`": refused(RUNS, INTERVAL),
        "dictionaries, `large_string`, `string_view`, extension types over text": becomes(
            *((table, pa.string()) for table in (DICTIONARY, dictionary("a", type_=pa.large_string()), JSON_TEXT)),
            *((column(type_, "a"), pa.string()) for type_ in (pa.large_string(), pa.string_view())),
        ),
        "decimals, `float16`, `float32`": becomes(*NUMBERS),
        "integers of other widths": becomes(
            (column(pa.int8(), 1), pa.int64()),
            (column(pa.uint64(), 2**64 - 1), pa.string()),
            (column(pa.int64(), 10**18), pa.string()),
        ),
        "times of day": becomes(*((table, pa.string()) for table in TIMES)),
        "durations": becomes(*DURATIONS),
        "timestamps with a zone": becomes(PARIS),
        "texts that look like a number, a date or a bool": becomes(
            (column(pa.string(), "12"), pa.int64()),
            (column(pa.string(), "2024-01-31"), pa.date32()),
            (column(pa.string(), "true"), pa.bool_()),
            (column(pa.string(), "12", "007"), pa.string()),
        ),
        "dates and times outside the years 0 to 9999": refused(*BEYOND),
        "`timestamp[ns]` in the part of a second before 1677-09-21 00:12:44": refused(column(pa.timestamp("ns"), -(2**63))),
        "ordered dictionaries": makes_an_order,
        "a dictionary with more values than its index type can tell apart in a record batch": not_read_as_written(
            OVERFLOWING, error="tell 128 apart"
        ),
        'texts that read as null, or hold a delimiter, with `quoting` "none"': refused(
            column(pa.string(), ""), column(pa.string(), 'a,\t"'), quoting="none", option="quoting"
        ),
        "NaN": all_of(
            loses_the_bits_of_nan,
            becomes(
                (column(pa.float64(), float("nan")), pa.string()),
                (column(pa.float64(), 1.5, float("nan")), pa.float64()),
                exact=False,
            ),
        ),
        "metadata, not null": loses_metadata,
        "a table without columns": refused([NO_COLUMNS], column=None),
        "nulls in the first rows of a single column, with `header` false": loses_the_first_nulls,
        "two columns of one name": reads_two_columns_of_one_name_with_names,
    },
    "ndjson": {
        "`month_day_nano_interval`, unions": refused(INTERVAL, UNION, DENSE_UNION),
        "integers of other widths": becomes((column(pa.int8(), 1), pa.int64())),
        "decimals, `float16`, `float32`": becomes(*NUMBERS),
        "binary, `uuid`": all_of(
            becomes(*((table, pa.string()) for table in (*BINARY, UUID))),
            becomes(*((table, pa.string()) for table in (*BINARY, UUID)), binary="hex"),
        ),
        "times of day": becomes(*((table, pa.string()) for table in TIMES)),
        "durations": becomes(*DURATIONS),
        "timestamps with a zone": becomes(PARIS),
        "texts that look like a date or a timestamp": becomes(
            (column(pa.string(), "2024-01-31"), pa.date32()), (column(pa.string(), "12"), pa.string())
        ),
        "NaN, infinity": all_of(
            refused(column(pa.float64(), float("nan")), column(pa.float64(), float("inf")), option="non_finite"),
            becomes((column(pa.float64(), float("-inf")), pa.string()), non_finite="string"),
            becomes((column(pa.float64(), 1.5, float("nan")), pa.float64()), exact=False, non_finite="null"),
        ),
        "dates and times outside the years 0 to 9999": refused(*BEYOND),
        "dictionaries, run-end encoded values, extension types": becomes(
            *((table, pa.string()) for table in (DICTIONARY, RUNS, JSON_TEXT))
        ),
        "ordered dictionaries": makes_an_order,
        "a dictionary with more values than its index type can tell apart in a record batch": not_read_as_written(
            OVERFLOWING, error="tell 128 apart"
        ),
        "a dictionary whose values are a dictionary": all_of(
            becomes((DICTIONARY_OF_ONE, pa.string()), exact=False),
            not_read_as_written(DICTIONARY_OF_ONE, error="a dictionary of dictionaries"),
        ),
        "decimals of a negative scale with more than 76 digits": refused(column(pa.decimal256(76, -1), Decimal(0))),
        "maps": becomes(
            (MAP, pa.struct([("a", pa.int64())])),
            (
                column(pa.map_(pa.int8(), pa.int8()), [(1, 2)]),
                pa.list_(pa.struct([("key", pa.int64()), ("value", pa.int64())])),
            ),
        ),
        "a map that holds a key twice": refused(column(pa.map_(pa.string(), pa.int64()), [("a", 1), ("a", 2)])),
        "two columns of one name, a name that holds NUL": all_of(
            refused(TWICE), refused(pa.table({"a\0b": [1]}), column="a\0b")
        ),
        "an integer that a double cannot hold, in a column of doubles": unreadable(
            b'{"x":9007199254740993}', schema=pa.schema([("x", pa.float64())]), option="schema"
        ),
        "a name that occurs twice in an object": keeps_the_last_of_one_name,
        "metadata, not null": loses_metadata,
        "more than 64 levels, a record of more than 16 MiB, more than 4,096 inferred columns": all_of(
            unreadable(b'{"x":' + b"[" * 64 + b"1" + b"]" * 64 + b"}", option="max_depth"),
            unreadable(b'{"x":"' + b"x" * (16 << 20) + b'"}', option="max_record_bytes"),
            unreadable(b"{" + b",".join(b'"%d":1' % number for number in range(4_097)) + b"}", option="max_columns"),
        ),
    },
    "parquet": {
        "`month_day_nano_interval`, unions, run-end encoded values": refused(INTERVAL, UNION, DENSE_UNION, RUNS),
        "structs without fields, rows without columns, fixed-size lists of no values": all_of(
            refused(column(pa.struct([]), {}), column(pa.list_(pa.int8(), 0), [])), refused([NO_COLUMNS], column=None)
        ),
        "a struct that is null over a fixed-size list that is not nullable": refused(column(FULL_LIST, {"l": [1]}, None)),
        'nanoseconds that `version` "1.0" or "2.4" would cut': all_of(
            *(refused(column(pa.timestamp("ns"), 1), version=version) for version in ("1.0", "2.4"))
        ),
        "dictionaries of dictionaries, of views, of extension types, or that hold a null": refused(
            DICTIONARY_OF_EXTENSION,
            DICTIONARY_OF_ONE,
            dictionary("a", type_=pa.string_view()),
            dictionary("a", None, indices=(0, 1)),
        ),
        "`date64`": becomes((column(pa.date64(), 86_400_000), pa.date32())),
        "`timestamp[s]`, `time32[s]`": becomes(
            (column(pa.timestamp("s"), 5), pa.timestamp("ms")), (column(pa.time32("s"), 5), pa.time32("ms"))
        ),
        "dictionaries of anything but text and bytes": becomes(
            (dictionary(5), pa.int64()),
            (dictionary(True), pa.bool_()),
            (dictionary(Decimal("1.5")), pa.decimal128(2, 1)),
            exact=False,
        ),
        "dictionaries of `large_string`, `large_binary`": becomes(
            (dictionary("a", type_=pa.large_string()), pa.dictionary(pa.int8(), pa.string())),
            (dictionary(b"a", type_=pa.large_binary()), pa.dictionary(pa.int8(), pa.binary())),
            exact=False,
        ),
        "ordered dictionaries that differ between batches": keeps_the_first_order,
        '`uint32` with `version` "1.0"': becomes((column(pa.uint32(), 5), pa.int64()), exact=False, version="1.0"),
    },
    "arrow_stream": {
        "a dictionary whose values are a dictionary or an extension type": refused(DICTIONARY_OF_ONE, DICTIONARY_OF_EXTENSION)
    },
    "arrow_file": {
        "a dictionary whose values are a dictionary or an extension type": refused(DICTIONARY_OF_ONE, DICTIONARY_OF_EXTENSION),
        "a dictionary that changes, and is ordered, or holds a null, or is nested in another type": all_of(
            changing(dictionary("a", ordered=True), dictionary("b", ordered=True)),
            changing(dictionary("a", None), dictionary("b", None)),
            changing(*(of(pa.array([[text]]).cast(STRING_LISTS)) for text in "ab")),
        ),
        "a dictionary that outgrows its index type": changing(
            dictionary(*map(str, range(100))), dictionary(*map(str, range(100, 200)))
        ),
    },
}
CLAIMS["tsv"] = CLAIMS["csv"]
CLAIMS["json"] = CLAIMS["ndjson"]


def rows_of(table):
    return [row.split(" | ")[0].removeprefix("| ") for row in table.splitlines()[2:]]


def test_every_claim_of_the_page_is_tested_here_and_the_other_way_round():
    tables = re.findall(r"<!-- claims: ([\w ]+) -->\n((?:\|.*\n)+)", PAGE)
    claimed = {name: rows_of(table) for names, table in tables for name in names.split()}
    assert claimed == {name: list(claims) for name, claims in CLAIMS.items()}


@pytest.mark.parametrize(
    ("name", "claim"), [pytest.param(name, claim, id=f"{name}: {claim}") for name, claims in CLAIMS.items() for claim in claims]
)
def test_a_format_cannot_carry_what_its_page_says(name, claim):
    CLAIMS[name][claim](MODULES[name])
