"""Plugins that fail in every way that Python knows: the client gets a code and a short sentence, the log one short line."""

import json

import pyarrow as pa
import pytest
from plugin_samples import eventually
from pyarrow import flight
from raw_flight import action, code_of, connected, get_document, put_batches, put_document

PLUGIN = """
from __future__ import annotations
import dataclasses
from types import SimpleNamespace
import pyarrow as pa
from format_plugins.contract import FormatError, PluginMetadata, UnsupportedError

SECRET = "/srv/secret/folder/place.txt"

class Speechless(Exception):
    def __str__(self):
        raise RuntimeError

ERRORS = {
    "path": lambda: ValueError(f"cannot open {SECRET}"),
    "long": lambda: ValueError("x" * 30_000_000),
    "data": lambda: FormatError(f"bad, see {SECRET} " + "y" * 100_000, row=3, column="c" * 5_000, value="v" * 100_000),
    "unsupported": lambda: UnsupportedError(f"{SECRET} cannot " + "\\u00e9" * 100_000),
    "speechless": Speechless,
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
    "generator": GeneratorExit,
    "base": lambda: BaseException(SECRET),
    "surrogate": lambda: ValueError("\\ud800 \\0 \\n {"),
}
PIECES = {"text": "text", "none": None, "number": 17, "gaps": memoryview(bytes(100))[::2]}

@dataclasses.dataclass(frozen=True)
class Evil:
    error: str = ""
    at: str = ""
    piece: str = ""

    def fail(self, at):
        if self.at == at:
            raise ERRORS[self.error]()

    def read_batches_from_stream(self, schema, stream):
        self.fail("read")
        yield pa.record_batch({"a": [1]})
        for _ in stream:
            pass
        self.fail("end")

    def write_batches(self, batches):
        self.fail("read")
        try:
            yield b"x" * 3_000_000
            if self.piece:
                yield PIECES[self.piece]
            self.fail("end")
        finally:
            self.fail("close")

def create(options):
    options.fail("create")
    return options

def create_plugin():
    return SimpleNamespace(
        config_type=Evil, metadata=lambda: PluginMetadata(name="evil", version="1.0.0"), create_format=create
    )
"""
ERRORS = ("path", "long", "data", "unsupported", "speechless", "exit", "interrupt", "generator", "base", "surrogate")
CODES = {"data": "bad_payload", "unsupported": "unsupported"}


@pytest.fixture(params=["process", "in_process"])
def own_server(server_factory, request):
    """A server that runs the plugin in either way: what clients see is the same."""
    return server_factory(**{"plugins.default_runtime": request.param})


@pytest.fixture
def evil(own_server):
    """A client of a server that has the plugin, and one dataset."""
    (own_server.plugin_dir / "evil.py").write_text(PLUGIN)
    with connected(own_server.location) as client:
        put_batches(client, "rows", [pa.record_batch({"a": [1, 2]})])
        eventually(lambda: "evil" in [each["name"] for each in action(client, "formats")])
        yield client


def put(client, options):
    put_document(client, {"dataset": "made", "format": "evil", "options": options}, b"data")


def get(client, options):
    get_document(client, {"dataset": "rows", "format": "evil", "options": options})


def faults(call, *, code):
    """What is wrong with how a call fails."""
    try:
        call()
    except flight.FlightError as error:
        said, extra = str(error).partition(". Detail:")[0], bytes(error.extra_info)
        found = [] if code_of(error) == code else [f"the code is {code_of(error)}"]
        found += ["a path"] if "/srv" in said or b"/srv" in extra else []
        return found + (["too long"] if len(said.encode()) > 1024 or len(extra) > 1024 else [])
    return ["it did not fail"]


@pytest.mark.parametrize("at", ["create", "read", "end"])
def test_each_fault_is_told_with_its_code_in_short_and_without_a_path(evil, at):
    found = {}
    for error in ERRORS:
        code = "unknown_option" if (error, at) == ("data", "create") else CODES.get(error, "plugin_failed")
        for call in (put, get):
            options = {"error": error, "at": at}
            found[error, call.__name__] = faults(lambda: call(evil, options), code=code)  # noqa: B023 - called at once
    assert {case: wrong for case, wrong in found.items() if wrong} == {}
    assert action(evil, "health")[0]["calls"] == 1
    assert action(evil, "plugin", {"name": "evil"})[0]["leases"] == 0


@pytest.mark.parametrize("piece", ["text", "none", "number", "gaps"])
def test_a_plugin_that_writes_what_are_no_bytes_is_to_blame(evil, piece):
    assert faults(lambda: get(evil, {"piece": piece}), code="plugin_failed") == []


@pytest.mark.parametrize("error", ["path", "generator"])
def test_a_plugin_that_fails_as_it_is_told_to_stop_changes_nothing_for_the_client(evil, error):
    options = {"error": error, "at": "close", "piece": "none"}
    assert faults(lambda: get(evil, options), code="plugin_failed") == []


def test_the_log_stays_short_lines_of_json(own_server, evil):
    for error in ("long", "data", "base", "surrogate"):
        for at in ("create", "read", "end"):
            faults(lambda: put(evil, {"error": error, "at": at}), code="")  # noqa: B023 - called at once
    lines = own_server.log_file.read_text().splitlines()
    assert len([json.loads(line) for line in lines]) > 10
    assert max(map(len, lines)) < 20_000
