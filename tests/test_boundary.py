"""Whatever goes wrong leaves as a short, typed Flight error with an id, and nothing of the server's inside."""

import json
import traceback

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import flight

from flight_server import errors
from flight_server.boundary import guarded, guarded_stream, keep_tracebacks_in, to_flight


def made(error):
    with structlog.testing.capture_logs():
        return to_flight(error, "do_get")


def leaves(kind):
    inner = kind.__subclasses__()
    return [leaf for child in inner for leaf in leaves(child)] if inner else [kind]


@pytest.mark.parametrize("kind", leaves(errors.ServerError))
def test_every_code_travels_in_the_message_and_in_the_extra_info(kind):
    error = made(kind("a sentence", row=3))
    extra = json.loads(error.extra_info)
    assert str(error).startswith(f"[{kind.code}] a sentence (id {extra['id']})")
    assert extra == {"code": kind.code, "blame": kind.blame, "id": extra["id"], "detail": {"row": 3}}


def test_the_tree_in_the_docstring_is_the_tree():
    said = {line.split()[1] for line in errors.__doc__.splitlines() if len(line.split()) == 2 and line.startswith("        ")}
    assert said == {kind.code for kind in leaves(errors.ServerError)}


@pytest.mark.parametrize(
    "error", [ValueError("/srv/secret.py"), OSError(5, "io", "/srv/secret"), KeyboardInterrupt(), SystemExit(1)]
)
def test_what_is_unexpected_says_nothing_of_the_server(error):
    made_error = made(error)
    assert "secret" not in str(made_error)
    assert json.loads(made_error.extra_info)["code"] == "internal"


def test_a_full_disk_has_its_own_code():
    assert json.loads(made(OSError(28, "No space left on device")).extra_info)["code"] == "storage_full"


@given(st.text(max_size=5000))
def test_a_message_is_one_short_line_whatever_it_holds(text):
    error = made(errors.BadPayload(text, value=text, column="c"))
    message = str(error)
    assert len(message.encode()) <= 1024
    assert "\n" not in message
    assert "(id " in message
    assert len(error.extra_info) <= 1024
    assert json.loads(error.extra_info)["code"] == "bad_payload"


def test_an_error_that_was_made_here_is_not_made_again():
    error = made(errors.Busy("later"))
    assert made(error) is error


def test_a_generator_is_guarded_while_it_runs():
    def batches():
        yield 1
        raise ValueError

    stream = guarded_stream(batches(), "do_get")
    assert next(stream) == 1
    with structlog.testing.capture_logs(), pytest.raises(flight.FlightInternalError):
        next(stream)


def test_closing_a_guarded_generator_closes_what_it_guards():
    closed = []

    def batches():
        try:
            yield 1
        finally:
            closed.append(True)

    stream = guarded_stream(batches(), "do_get")
    next(stream)
    stream.close()
    assert closed == [True]


def test_the_fault_of_a_plugin_is_logged_with_its_traceback_and_the_clients_is_not():
    @guarded
    def call(error):
        raise error

    with structlog.testing.capture_logs() as logs, pytest.raises(flight.FlightServerError):
        call(errors.PluginFailed("broke"))
    assert logs[0]["log_level"] == "error"
    assert logs[0]["exc_info"]
    with structlog.testing.capture_logs() as logs, pytest.raises(flight.FlightServerError):
        call(errors.BadRequest("no"))
    assert logs[0]["log_level"] == "info"
    assert "exc_info" not in logs[0]


def test_tracebacks_stay_whole_for_everybody_but_arrow(monkeypatch):
    monkeypatch.setattr(traceback, "format_exception", traceback.format_exception)
    keep_tracebacks_in()
    keep_tracebacks_in()
    assert "seen" in "".join(traceback.format_exception(ValueError("seen")))
