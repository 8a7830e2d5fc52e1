"""Requests are understood strictly, or refused with a sentence that helps."""

import base64
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_server import wire
from flight_server.errors import BadRequest
from flight_server.wire import Abort, Address, Commit

EXTENSIONS = {".csv": "csv", ".tsv": "tsv", ".arrow": "arrow_file", ".geo.json": "geojson", ".json": "json"}


def path(*parts):
    return Address.of_path([part.encode() for part in parts])


def command(members):
    return Address.of_ticket(json.dumps(members).encode())


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("sales", "2026"), ("sales/2026", "arrow", None)),
        (("sales", "2026.csv"), ("sales/2026", "csv", None)),
        (("sales", "2026.csv.gz"), ("sales/2026", "csv", "gzip")),
        (("sales/2026.csv.zst",), ("sales/2026", "csv", "zstd")),
        (("SALES", "Q1.CSV.GZ"), ("SALES/Q1", "csv", "gzip")),
        (("a.geo.json",), ("a", "geojson", None)),
        (("a.b.json",), ("a.b", "json", None)),
        (("a.unknown",), ("a.unknown", "arrow", None)),
        (("a.gz",), ("a.gz", "arrow", None)),
    ],
)
def test_a_path_names_dataset_format_and_encoding(parts, expected):
    request = wire.get_request(path(*parts), EXTENSIONS)
    assert (request.dataset, request.format, request.content_encoding) == expected


def test_ticket_text_is_the_short_form_unless_it_is_json():
    assert wire.get_request(Address.of_ticket(b"sales/2026.csv"), EXTENSIONS).format == "csv"
    assert wire.get_request(Address.of_ticket(b' {"dataset": "sales/2026.csv"}'), EXTENSIONS).dataset == "sales/2026.csv"


@pytest.mark.parametrize(
    "name", ["", "/", "a//b", "../etc", "a/..", ".hidden", "-x", "a b", "a\n", "ä", "a\0", "a/" * 8 + "a", "x" * 129, "a/b/"]
)
def test_names_that_are_none_are_refused(name):
    with pytest.raises(BadRequest):
        wire.get_request(command({"dataset": name}), EXTENSIONS)


def test_a_name_of_eight_segments_is_one():
    assert wire.check_dataset("/".join("abcdefgh")) == "a/b/c/d/e/f/g/h"


def test_an_unknown_key_names_the_known_ones_and_the_nearest():
    with pytest.raises(BadRequest, match=r"unknown key 'colums'; did you mean 'columns'\? \(known: dataset, format"):
        wire.get_request(command({"dataset": "a", "colums": ["x"]}), EXTENSIONS)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"dataset": 1},
        {"dataset": "a", "limit": "5"},
        {"dataset": "a", "limit": -1},
        {"dataset": "a", "limit": 1.5},
        {"dataset": "a", "limit": True},
        {"dataset": "a", "offset": -1},
        {"dataset": "a", "version": 0},
        {"dataset": "a", "columns": []},
        {"dataset": "a", "columns": ["x", "x"]},
        {"dataset": "a", "columns": "x"},
        {"dataset": "a", "format": "CSV"},
        {"dataset": "a", "format": "a" * 64},
        {"dataset": "a", "options": []},
        {"dataset": "a", "mode": "append"},
    ],
)
def test_members_of_a_get_are_checked(members):
    with pytest.raises(BadRequest):
        wire.get_request(command(members), EXTENSIONS)


@pytest.mark.parametrize("body", [b"{", b"{}}", b"{'a': 1}", b'{"dataset": "\xff"}', b'{"a":' * 100_000, b"{" * 100_000])
def test_what_is_not_json_is_refused(body):
    with pytest.raises(BadRequest):
        wire.put_request(Address(command=body), EXTENSIONS)


@pytest.mark.parametrize(
    "members",
    [
        {"mode": "upsert"},
        {"commit": "maybe"},
        {"put_id": ""},
        {"put_id": "x" * 129},
        {"put_id": "a\nb"},
        {"columns": ["x"]},
        {"version": 1},
    ],
)
def test_members_of_a_put_are_checked(members):
    with pytest.raises(BadRequest):
        wire.put_request(command({"dataset": "a", **members}), EXTENSIONS)


def test_a_put_that_names_no_format_says_so():
    assert wire.put_request(command({"dataset": "a"}), EXTENSIONS).format is None
    assert wire.put_request(command({"dataset": "a", "format": "arrow"}), EXTENSIONS).format == "arrow"


def test_an_exchange_has_two_sides():
    request = wire.exchange_request(
        command({"from": {"format": "csv"}, "to": {"format": "json", "options": {"x": 1}}, "limit": 3})
    )
    assert (request.source.format, request.target.options, request.limit) == ("csv", {"x": 1}, 3)


@pytest.mark.parametrize(
    "members",
    [
        {"from": {}},
        {"to": {}},
        {"source": {}, "target": {}},
        {"from": {}, "to": {"schema": "x"}},
        {"from": {}, "to": {}, "source": {}},
        {"from": {"fmt": "csv"}, "to": {}},
        {"from": None, "to": {}},
    ],
)
def test_an_exchange_without_two_good_sides_is_refused(members):
    with pytest.raises(BadRequest):
        wire.exchange_request(command(members))


def test_messages_of_an_exchange_speak_of_from_and_to():
    with pytest.raises(BadRequest, match=r"'from\.fmt'"):
        wire.exchange_request(command({"from": {"fmt": "csv"}, "to": {}}))


def test_control_messages():
    assert wire.control_message(b'{"commit": {}}') == Commit()
    assert wire.control_message(b'{"commit": {"rows": 3, "bytes": 10, "chunks": 2}}') == Commit(rows=3, bytes=10, chunks=2)
    assert wire.control_message(b'{"abort": "changed my mind"}') == Abort("changed my mind")


@pytest.mark.parametrize(
    "body", [b"", b"x", b"{}", b"[]", b'{"commit": 1}', b'{"commit": {"row": 1}}', b'{"commit": {}, "abort": ""}']
)
def test_other_metadata_is_refused(body):
    with pytest.raises(BadRequest):
        wire.control_message(body)


def test_a_ticket_pins_the_version_and_says_what_was_asked():
    asked = wire.get_request(command({"dataset": "a", "columns": ["x"], "limit": 5, "format": "csv"}), EXTENSIONS)
    again = wire.get_request(Address.of_ticket(asked.ticket(7)), EXTENSIONS)
    assert again.version == 7
    assert (again.dataset, again.columns, again.limit, again.format) == ("a", ["x"], 5, "csv")


def test_a_schema_travels_as_base64():
    schema = pa.schema([pa.field("a", pa.timestamp("us", "UTC"), nullable=False)], metadata={"k": "v"})
    text = base64.b64encode(schema.serialize().to_pybytes()).decode()
    assert wire.schema_of(text).equals(schema, check_metadata=True)


@pytest.mark.parametrize("text", ["", "!!", "AAAA", base64.b64encode(b"\xff" * 64).decode()])
def test_what_is_no_schema_is_refused(text):
    with pytest.raises(BadRequest):
        wire.schema_of(text)


def test_an_action_body_is_strict():
    assert wire.action_body(b"", {}) == {}
    assert wire.action_body(b'{"name": "csv"}', {"name": str}) == {"name": "csv"}
    for body in (b'{"nam": "csv"}', b"{}", b'{"name": 1}', b"[]"):
        with pytest.raises(BadRequest):
            wire.action_body(body, {"name": str})


names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,20}", fullmatch=True)


@given(st.lists(names, min_size=1, max_size=8), st.sampled_from(["", ".csv", ".json"]), st.sampled_from(["", ".gz", ".bz2"]))
def test_the_short_form_of_any_name_is_taken_apart_as_it_was_put_together(segments, extension, suffix):
    suffix = suffix if extension else ""
    dataset, format_name, encoding = wire.short_form([*segments[:-1], segments[-1] + extension + suffix], EXTENSIONS)
    assert dataset == "/".join(segments)
    assert format_name == (EXTENSIONS[extension] if extension else None)
    assert encoding == ({".gz": "gzip", ".bz2": "bz2"}[suffix] if suffix else None)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_bad_request(body):
    for parse in (wire.get_request, wire.put_request):
        try:
            parse(Address.of_ticket(body), EXTENSIONS)
        except BadRequest:
            continue
