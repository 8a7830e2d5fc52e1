"""The demonstration, step by step: each does something with a real server, checks what came of it, and says so."""

from __future__ import annotations

import io
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from types import FrameType
from typing import NoReturn, TypeVar

import pyarrow as pa

import flight_client
from flight_client import Client
from flight_server.demo import weather
from flight_server.demo.report import Report
from flight_server.demo.server import DemoFailed, DemoServer, serving

T = TypeVar("T")

_RUNS = 3
_PLUGIN = "markdown_table.py"
_FORMAT = "markdown"
_DROPPED_SECS = 10.0
_SMALL, _LARGE = "weather/seattle", "weather/seattle-many-times"


def run(report: Report | None = None) -> None:
    """Run all steps; raise ``DemoFailed`` with a sentence when one of them fails. Nothing is left behind."""
    with _ended_by_signals(), serving() as server, flight_client.connect(server.location) as client:
        _Demo(server, client, report or Report()).steps()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let signals that would end the process at once end it as Ctrl-C does, so that it cleans up."""
    before = {number: signal.signal(number, _exit) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _said(step: str) -> Iterator[None]:
    """Say of whatever goes wrong in a step that it was in this one, in a sentence."""
    try:
        yield
    except DemoFailed as error:
        raise DemoFailed(f"{step}: {error}") from None
    except flight_client.FlightClientError as error:
        raise DemoFailed(f"{step}: the server answered [{error.code}] {error}") from None
    except (OSError, ValueError, pa.ArrowException) as error:  # a result that cannot even be read
        raise DemoFailed(f"{step}: {type(error).__name__}: {error}") from error


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


class _Demo:
    def __init__(self, server: DemoServer, client: Client, report: Report) -> None:
        self._server = server
        self._client = client
        self._report = report
        self._weather = weather.Weather()
        self._large = self._weather.large_table

    def steps(self) -> None:
        self._report.line("serve", f"{self._server.location}, ready after {self._server.ready_secs:.2f} s")
        for step in (self.put, self.list, self.get, self.convert, self.drop_a_plugin):
            with _said(step.__name__.replace("_", " ")):
                step()
        self._report.note(
            "\nEach result was compared with the original, value by value. MB/s: CSV sent (put, convert) or rows as Arrow has\n"
            f"them (get), by the fastest of {_RUNS} runs, on one connection between two processes of this machine."
        )

    def put(self) -> None:
        """Put the data set as it is, and then many times over, to have something to time."""
        client, small, large = self._client, self._weather.document, self._weather.large_document
        stored = client.put(_SMALL, io.BytesIO(small), format="csv")
        _check(stored.rows == self._weather.table.num_rows, "it stored another number of rows")
        self._report.line("put", f"{weather.NAME} as it is", rows=stored.rows, size=stored.bytes)
        secs, stored = _timed(lambda: client.put(_LARGE, large, format="csv", mode="replace"))
        _check(stored.rows == self._large.num_rows, "it stored another number of rows")
        self._report.line(
            "put", f"the same {weather.TIMES} times over", rows=stored.rows, size=len(large), rate=len(large) / secs
        )

    def list(self) -> None:
        """List what is there."""
        found = self._client.list("weather/")
        _check([item.dataset for item in found] == [_SMALL, _LARGE], f"it found {[item.dataset for item in found]}")
        for item in found:
            self._report.line("list", item.dataset, rows=item.rows, size=item.bytes)

    def get(self) -> None:
        """Get the large dataset as record batches and as two kinds of file."""
        _same("Arrow", self._client.get(_SMALL).read_all(), self._weather.table)
        secs, table = _timed(lambda: self._client.get(_LARGE).read_all())
        _same("Arrow", table, self._large)
        self._report.line("get", "as Arrow record batches", rows=table.num_rows, size=table.nbytes, rate=table.nbytes / secs)
        for title, name, read in (("Parquet", "big.parquet", weather.parquet), ("NDJSON", "big.ndjson", weather.ndjson)):
            path = self._server.folder / name
            secs, size = _timed(lambda path=path: self._client.get_file(_LARGE, path))  # type: ignore[misc]  # a default
            table = read(path)
            _same(title, table, self._large)
            self._report.line("get", f"as {title}", rows=table.num_rows, size=size, rate=table.nbytes / secs)

    def convert(self) -> None:
        """Convert a document on its way; nothing is stored."""
        document, path = self._weather.large_document, self._server.folder / "converted.parquet"
        secs, _ = _timed(lambda: self._client.convert_file(document, path, from_format="csv"))
        table = weather.parquet(path)
        _same("Parquet", table, self._large)
        self._report.line(
            "convert", "CSV to Parquet, nothing stored", rows=table.num_rows, size=len(document), rate=len(document) / secs
        )

    def drop_a_plugin(self) -> None:
        """Copy a plugin into the running server's folder and use its format."""
        _check(_FORMAT not in _names(self._client), f"{_FORMAT} was there before")
        source = resources.files(__package__).joinpath(_PLUGIN).read_bytes()
        (self._server.plugin_dir / _PLUGIN).write_bytes(source)
        waited = self._wait_for_plugin()
        self._report.line("drop", f"{_PLUGIN}, served after {waited * 1000:,.0f} ms")
        document = self._client.get_bytes(_SMALL, format=_FORMAT).read_all()
        table = weather.markdown(document)
        _same("Markdown", table, self._weather.as_text())
        self._report.line("get", "as a Markdown table, by the plugin just dropped", rows=table.num_rows, size=len(document))

    def _wait_for_plugin(self) -> float:
        started = time.monotonic()
        while _FORMAT not in _names(self._client):
            if time.monotonic() - started > _DROPPED_SECS:
                raise DemoFailed(f"{_PLUGIN} was not served within {_DROPPED_SECS:.0f} s")
            time.sleep(0.01)
        return time.monotonic() - started


def _names(client: Client) -> set[str]:
    return {item["name"] for item in client.formats()}


def _timed(action: Callable[[], T]) -> tuple[float, T]:
    """Do something a few times; return the seconds of the fastest, and the last result."""
    fastest = float("inf")
    for _ in range(_RUNS):
        started = time.monotonic()
        result = action()
        fastest = min(fastest, time.monotonic() - started)
    return fastest, result


def _same(what: str, table: pa.Table, wanted: pa.Table) -> None:
    _check(table.num_rows == wanted.num_rows, f"{what}: {table.num_rows:,} rows came of {wanted.num_rows:,}")
    _check(bool(table.equals(wanted)), f"{what}: the values differ from the original")


def _check(good: bool, what: str) -> None:
    if not good:
        raise DemoFailed(what)
