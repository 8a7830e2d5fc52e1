"""The conformance kit over the process runtime: what conforms in one process conforms from another."""

from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance import (
    test_conformance_arrow_file,
    test_conformance_arrow_stream,
    test_conformance_csv,
    test_conformance_json,
    test_conformance_lines,
    test_conformance_ndjson,
    test_conformance_parquet,
    test_conformance_tsv,
)
from plugin_samples import EXAMPLE, started

from flight_server.caller import Caller
from flight_server.plugins.codespace import CodeSpace
from flight_server.plugins.source import read
from format_plugins.builtin import arrow_file, arrow_stream, comma_separated, json_array, json_lines, parquet, tab_separated
from format_plugins.conformance import How, Loss
from format_plugins.options import decode

SHIPPED = Path(str(files("format_plugins.builtin")))


class Remote:
    """A plugin that runs in other processes, as ``create_plugin()`` would have returned it."""

    def __init__(self, lease, config_type):
        self._lease = lease
        self.config_type = config_type

    def metadata(self):
        return self._lease.metadata

    def create_format(self, config):
        plain, names = decode(self.config_type, {}), self.config_type.__dataclass_fields__
        options = {name: getattr(config, name) for name in names if getattr(config, name) != getattr(plain, name)}
        return self._lease._generation.code.create_format(options, Caller.nobody())


class OverTheRuntime:
    """Serves the plugin ``name`` from processes while the checks run."""

    name = ""
    config_type = None
    _serving = None

    @classmethod
    def setup_class(cls):
        cls._serving = ExitStack()
        folder = Path(cls._serving.enter_context(TemporaryDirectory()))
        if cls.name == "lines":
            (folder / "lines.py").write_text(EXAMPLE.read_text())
        manager = cls._serving.enter_context(
            started(folder, builtin_dir=SHIPPED, runtime={cls.name: "process"}, enable_hot_reload=False)
        )
        cls.plugin = Remote(cls._serving.enter_context(manager.registry.lease(cls.name)), cls.config_type)

    @classmethod
    def teardown_class(cls):
        super().teardown_class()
        cls._serving.close()


def options_of_lines():
    space = CodeSpace(read(EXAMPLE, limit_bytes=1 << 20), 1)
    try:
        return space.run().create_plugin().config_type
    finally:
        space.close()


#: A process is handed record batches as an Arrow IPC stream, which has no way for it; no dataset has it either.
NESTED = (Loss("dictionary of dictionary", How.REFUSED),)


class TestCsv(OverTheRuntime, test_conformance_csv.TestCommaSeparated):
    name, config_type = "csv", comma_separated.create_plugin().config_type
    losses = (*NESTED, *test_conformance_csv.TestCommaSeparated.losses)


class TestTsv(OverTheRuntime, test_conformance_tsv.TestTabSeparated):
    name, config_type = "tsv", tab_separated.create_plugin().config_type
    losses = (*NESTED, *test_conformance_tsv.TestTabSeparated.losses)


class TestJson(OverTheRuntime, test_conformance_json.TestJsonArray):
    name, config_type = "json", json_array.create_plugin().config_type
    losses = (*NESTED, *test_conformance_json.TestJsonArray.losses)


class TestNdjson(OverTheRuntime, test_conformance_ndjson.TestJsonLines):
    name, config_type = "ndjson", json_lines.create_plugin().config_type
    losses = (*NESTED, *test_conformance_ndjson.TestJsonLines.losses)


class TestParquet(OverTheRuntime, test_conformance_parquet.TestParquet):
    name, config_type = "parquet", parquet.create_plugin().config_type
    losses = (*NESTED, *test_conformance_parquet.TestParquet.losses)


class TestArrowStream(OverTheRuntime, test_conformance_arrow_stream.TestArrowStream):
    name, config_type = "arrow_stream", arrow_stream.create_plugin().config_type


class TestArrowFile(OverTheRuntime, test_conformance_arrow_file.TestArrowFile):
    name, config_type = "arrow_file", arrow_file.create_plugin().config_type


class TestLines(OverTheRuntime, test_conformance_lines.TestLines):
    name, config_type = "lines", options_of_lines()
