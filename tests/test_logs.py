"""Log lines are a sentence and fields: JSON for machines, plain text for people."""

import errno
import io
import json

import pytest
import structlog

from flight_server import logs
from flight_server.config import LogConfig


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _configuration_is_put_back():
    yield
    structlog.reset_defaults()


def logged(stream, error=None, **config):
    logs.configure(LogConfig(**config), stream)
    log = structlog.get_logger("flight_server")
    log.debug("unseen by default")
    log.error("a call failed", dataset="sales", exc_info=error)
    return stream.getvalue()


def test_a_line_is_one_json_object():
    (line,) = logged(io.StringIO()).splitlines()
    members = json.loads(line)
    assert (members["event"], members["dataset"], members["level"]) == ("a call failed", "sales", "error")
    assert members["timestamp"].endswith("Z")


def test_a_traceback_stays_in_its_line():
    (line,) = logged(io.StringIO(), ValueError("two\nlines")).splitlines()
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


@pytest.mark.parametrize(("stream", "config"), [(Terminal(), {}), (io.StringIO(), {"format": "console"})])
def test_people_read_text(stream, config):
    text = logged(stream, **config)
    assert "a call failed" in text
    assert not text.startswith("{")


def test_json_is_written_to_a_terminal_when_it_is_asked_for():
    assert json.loads(logged(Terminal(), format="json"))["dataset"] == "sales"


class Full(io.StringIO):
    is_full = True

    def flush(self):
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_line_that_cannot_be_written_fails_nobody_and_those_after_it_are_written():
    stream = Full()
    logged(stream)
    stream.is_full = False
    assert "a call failed" in logged(stream)
    closed = io.StringIO()
    logs.configure(LogConfig(), closed)
    closed.close()
    structlog.get_logger("flight_server").error("a call failed")


@pytest.mark.parametrize(("level", "lines"), [("debug", 2), ("info", 1), ("error", 1)])
def test_what_is_less_severe_than_the_level_is_left_out(level, lines):
    assert len(logged(io.StringIO(), level=level).splitlines()) == lines
