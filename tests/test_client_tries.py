"""Which calls are made again, how often, and which sources can be sent again."""

import io
import time

import pyarrow as pa
import pytest
from effort import within

import flight_client
from flight_client import errors
from flight_client.cancelling import Cancel
from flight_client.retries import Tries
from flight_client.sources import Original

TABLE = pa.table({"id": [1, 2, 3]})
QUICK = flight_client.Retries(first_delay=0.001)


def for_ever(call):
    while True:
        call()


def tries(error, policy=QUICK, **known):
    Tries(policy, Cancel()).again(error, **known)


def test_what_was_refused_or_took_too_long_is_never_made_again():
    for kind in {
        *errors.Refused.__subclasses__(),
        errors.Internal,
        errors.StorageFull,
        errors.PluginFailed,
        errors.DeadlineExceeded,
    }:
        with pytest.raises(kind):
            tries(kind("no"))


def test_what_was_turned_away_at_the_door_is_made_again_even_when_it_changes_something():
    tries(errors.Busy("later"), safe=False, heard=False)
    tries(errors.ShuttingDown("later"), safe=False)
    tries(errors.Unavailable("gone"))
    with pytest.raises(errors.Unavailable):
        tries(errors.Unavailable("gone"), safe=False)


def test_a_server_that_was_never_there_is_not_waited_for_unless_that_is_wanted():
    with pytest.raises(errors.Unavailable):
        tries(errors.Unavailable("gone"), heard=False)
    tries(errors.Unavailable("gone"), flight_client.Retries(first_delay=0.01, before_contact=True), heard=False)


def test_attempts_and_seconds_are_limited_and_the_last_error_is_raised():
    limited = Tries(flight_client.Retries(attempts=3, first_delay=0.001), Cancel())
    for number in range(2):
        limited.again(errors.Busy(str(number)))
    with pytest.raises(errors.Busy, match="last"):
        limited.again(errors.Busy("last"))
    short = Tries(flight_client.Retries(attempts=1000, seconds=0.2, first_delay=0.05), Cancel())
    began = time.monotonic()
    with pytest.raises(errors.Busy):
        for_ever(lambda: short.again(errors.Busy("busy")))
    assert time.monotonic() - began < within(0.3)


def test_which_errors_may_pass_is_told():
    retryable = {kind.code for kind in errors._by_code().values() if kind.retryable}
    assert retryable == {"busy", "shutting_down", "unavailable", "deadline_exceeded"}


class Sized:
    def __len__(self):
        return 3

    def __arrow_c_stream__(self, requested_schema=None):
        return TABLE.__arrow_c_stream__(requested_schema)


class Unsized:
    def __arrow_c_stream__(self, requested_schema=None):
        return TABLE.__arrow_c_stream__(requested_schema)


def test_it_is_known_what_can_be_read_twice(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    with (tmp_path / "a").open("rb") as file:
        twice = [b"x", bytearray(b"x"), pa.py_buffer(b"x"), tmp_path / "a", str(tmp_path / "a"), [b"x"], (b"x",)]
        twice += [TABLE, TABLE.to_batches()[0], Sized(), io.BytesIO(b"x"), file]
        assert [source for source in twice if not Original(source).repeatable] == []
    once = [TABLE.to_reader(), Unsized(), iter([b"x"]), (piece for piece in [b"x"]), file]
    assert [source for source in once if Original(source).repeatable] == []


def test_a_file_is_sent_again_from_where_it_stood():
    file = io.BytesIO(b"header\nbody")
    file.seek(7)
    original = Original(file)
    for _ in range(2):
        with original.opened() as source:
            assert b"".join(batch["payload"][0].as_py() for batch in source.batches()) == b"body"
