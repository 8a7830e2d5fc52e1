"""What any Flight client sees of puts, gets and the rest, over a real connection to a real server."""

import base64
import itertools
import json
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import flight
from raw_flight import (
    PAYLOAD,
    action,
    chunked,
    code_of,
    connected,
    descriptor,
    finish,
    get_document,
    get_table,
    put_batches,
    put_document,
    ticket,
)

CSV = b"id,name,price\n1,ulm,1.5\n2,bonn,2.5\n3,,3.5\n"
TABLE = pa.table({"id": [1, 2, 3], "name": ["ulm", "bonn", None], "price": [1.5, 2.5, 3.5]})


@pytest.fixture
def client(server):
    with connected(server.location) as connection:
        yield connection


@pytest.fixture
def name():
    return f"t/{uuid.uuid4().hex}"


def refused(call, *args, **kwargs):
    with pytest.raises((flight.FlightError, pa.ArrowException, OSError)) as caught:
        call(*args, **kwargs)
    assert "Traceback" not in str(caught.value)
    assert ".py" not in str(caught.value)
    return code_of(caught.value)


class TestPut:
    def test_record_batches_come_back_exactly(self, client, name):
        answer = put_batches(client, name, TABLE.to_batches())
        assert get_table(client, name).equals(TABLE)
        assert (answer["dataset"], answer["version"], answer["rows"], answer["replayed"]) == (name, 1, 3, False)
        assert (answer["format"], answer["plugin"]) == ("arrow", None)

    def test_a_document_is_decoded_by_the_plugin_that_the_path_names(self, client, name):
        answer = put_document(client, f"{name}.csv", CSV)
        assert get_table(client, name).equals(TABLE)
        assert (answer["rows"], answer["bytes"], answer["format"]) == (3, len(CSV), "csv")
        assert answer["plugin"]["name"] == "csv"
        assert answer["plugin"]["generation"] >= 1

    def test_options_are_those_of_the_request(self, client, name):
        put_document(client, {"dataset": name, "format": "csv", "options": {"delimiter": ";"}}, CSV.replace(b",", b";"))
        assert get_table(client, name).equals(TABLE)

    @pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4", "bz2"])
    def test_content_encodings_go_both_ways(self, client, name, encoding):
        put_document(client, f"{name}.csv", CSV)
        packed, schema = get_document(client, {"dataset": name, "format": "csv", "content_encoding": encoding})
        assert schema.metadata[b"content_encoding"] == encoding.encode()
        put_document(client, {"dataset": f"{name}-2", "format": "csv", "content_encoding": encoding}, packed)
        assert get_table(client, f"{name}-2").equals(TABLE)

    def test_large_binary_and_many_rows_a_batch_carry_a_document_too(self, client, name):
        schema = pa.schema([("payload", pa.large_binary())])
        batch = pa.record_batch([pa.array([CSV[:7], b"", CSV[7:20], CSV[20:]], pa.large_binary())], schema=schema)
        assert put_batches(client, f"{name}.csv", [batch], commit={"chunks": 4, "bytes": len(CSV), "rows": 3})["rows"] == 3

    def test_an_explicit_schema_wins(self, client, name):
        schema = pa.schema([("id", pa.int16()), ("name", pa.large_string()), ("price", pa.decimal128(5, 2))])
        text = base64.b64encode(schema.serialize().to_pybytes()).decode()
        put_document(client, {"dataset": name, "format": "csv", "schema": text}, CSV)
        assert get_table(client, name).schema.equals(schema)

    def test_text_that_is_appended_is_read_with_the_types_that_are_there(self, client, name):
        put_document(client, f"{name}.csv", CSV)
        put_document(client, f"{name}.csv", b"id,name,price\n4,4,4\n")
        table = get_table(client, name)
        assert table.schema.equals(TABLE.schema)
        assert table.slice(3).to_pylist() == [{"id": 4, "name": "4", "price": 4.0}]

    def test_modes(self, client, name):
        assert put_batches(client, {"dataset": name, "mode": "create"}, TABLE.to_batches())["version"] == 1
        assert refused(put_batches, client, {"dataset": name, "mode": "create"}, TABLE.to_batches()) == "dataset_exists"
        assert put_batches(client, name, TABLE.to_batches())["version"] == 2
        assert get_table(client, name).num_rows == 6
        other = pa.table({"x": ["a"]})
        assert refused(put_batches, client, name, other.to_batches()) == "schema_mismatch"
        assert put_batches(client, {"dataset": name, "mode": "replace"}, other.to_batches())["version"] == 3
        assert get_table(client, name).equals(other)
        assert get_table(client, {"dataset": name, "version": 2}).num_rows == 6

    def test_a_schema_without_batches_is_a_dataset_of_no_rows(self, client, name):
        assert put_batches(client, name, [], TABLE.schema)["rows"] == 0
        assert get_table(client, name).schema.equals(TABLE.schema)

    @pytest.mark.parametrize(
        ("target", "code"),
        [
            ({"dataset": "../x"}, "bad_request"),
            ({"dataset": "x", "format": "cvs"}, "unknown_format"),
            ({"dataset": "x", "format": "csv", "options": {"delimter": ";"}}, "unknown_option"),
            ({"dataset": "x", "format": "csv", "options": {"delimiter": 5}}, "unknown_option"),
            ({"dataset": "x", "format": "csv", "content_encoding": "rot13"}, "bad_request"),
            ({"dataset": "x", "format": "csv", "content_encoding": "brotli"}, "unsupported"),
            ({"dataset": "x", "colour": 1}, "bad_request"),
            ({"dataset": "x", "options": {"a": 1}}, "bad_request"),
            ({"dataset": "x"}, "bad_request"),
        ],
    )
    def test_what_is_wrong_is_refused_before_data_is_read(self, client, target, code):
        writer, reader = client.do_put(descriptor(target), PAYLOAD)
        # Nothing is sent and nothing ended: only a server that does not wait for data ends the answers.
        assert reader.read() is None
        assert refused(writer.close) == code

    def test_a_misspelt_format_is_told_the_right_one(self, client, name):
        with pytest.raises(flight.FlightServerError, match="did you mean 'csv'"):
            put_document(client, {"dataset": name, "format": "cvs"}, CSV)

    def test_record_batches_are_no_document(self, client, name):
        assert refused(put_batches, client, f"{name}.csv", TABLE.to_batches()) == "bad_request"

    def test_a_document_stored_as_a_column_when_asked_for(self, client, name):
        put_document(client, {"dataset": name, "format": "arrow"}, CSV, chunk=10)
        assert b"".join(get_table(client, name)["payload"].to_pylist()) == CSV

    def test_bad_data_says_where(self, client, name):
        with pytest.raises(flight.FlightServerError) as caught:
            put_document(client, {"dataset": name, "format": "csv", "options": {"sample_rows": 1}}, CSV + b"x,y,z\n")
        extra = json.loads(caught.value.extra_info)
        assert (extra["code"], extra["blame"], extra["detail"]["row"], extra["detail"]["column"]) == (
            "bad_payload",
            "client",
            4,
            "id",
        )
        assert refused(get_table, client, name) == "unknown_dataset"

    @pytest.mark.parametrize(
        "array",
        [
            pa.DictionaryArray.from_arrays(pa.array([0, 1000]), pa.array(["a"]), safe=False),
            pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]),
        ],
        ids=["index out of range", "text that is not UTF-8"],
    )
    def test_invalid_arrow_data_is_refused_and_the_server_lives(self, client, name, array):
        assert refused(put_batches, client, name, [pa.record_batch([array], names=["x"])]) == "bad_payload"
        assert put_batches(client, name, [pa.record_batch({"x": [1]})])["rows"] == 1


class TestCommit:
    def test_an_explicit_put_without_the_message_is_discarded(self, client, name):
        target = {"dataset": name, "commit": "explicit"}
        assert refused(put_batches, client, target, TABLE.to_batches()) == "incomplete_put"
        assert refused(get_table, client, name) == "unknown_dataset"

    def test_the_message_commits(self, client, name):
        target = {"dataset": name, "commit": "explicit"}
        assert put_batches(client, target, TABLE.to_batches(), commit={"rows": 3})["rows"] == 3

    @pytest.mark.parametrize("figures", [{"rows": 2}, {"bytes": 1}, {"chunks": 9}, {"rows": 3, "bytes": len(CSV), "chunks": 2}])
    def test_figures_that_are_not_what_arrived_store_nothing(self, client, name, figures):
        assert refused(put_document, client, f"{name}.csv", CSV, commit=figures) == "incomplete_put"
        assert refused(get_table, client, name) == "unknown_dataset"

    def test_an_abort_stores_nothing(self, client, name):
        writer, reader = client.do_put(descriptor(name), TABLE.schema)
        writer.write_table(TABLE)
        writer.write_metadata(b'{"abort": "no"}')
        assert refused(finish, writer, reader) == "incomplete_put"
        assert refused(get_table, client, name) == "unknown_dataset"

    @pytest.mark.parametrize("late", ["batch", "commit"])
    def test_nothing_may_follow_the_commit(self, client, name, late):
        writer, reader = client.do_put(descriptor(name), TABLE.schema)
        writer.write_table(TABLE)
        writer.write_metadata(b'{"commit": {}}')
        writer.write_table(TABLE) if late == "batch" else writer.write_metadata(b'{"commit": {}}')
        assert refused(finish, writer, reader) == "bad_request"
        assert refused(get_table, client, name) == "unknown_dataset"

    def test_an_empty_message_in_the_middle_stores_nothing(self, client, name):
        writer, reader = client.do_put(descriptor(name), TABLE.schema)
        writer.write_table(TABLE)
        writer.write_metadata(b"")
        writer.write_table(TABLE)
        assert refused(finish, writer, reader) == "bad_request"
        assert refused(get_table, client, name) == "unknown_dataset"

    def test_a_deadline_stores_nothing(self, client, name):
        writer, reader = client.do_put(descriptor(name), TABLE.schema, flight.FlightCallOptions(timeout=0.3))
        writer.write_table(TABLE)
        while reader.read() is not None:
            pass
        with pytest.raises(flight.FlightTimedOutError):
            writer.close()
        assert refused(get_table, client, name) == "unknown_dataset"

    def test_a_put_id_is_stored_once(self, client, name):
        target = {"dataset": name, "put_id": name, "mode": "create"}
        first = put_batches(client, target, TABLE.to_batches())
        again = [put_batches(client, target, TABLE.to_batches()) for _ in range(3)]
        assert [answer["replayed"] for answer in [first, *again]] == [False, True, True, True]
        assert all({**answer, "replayed": False} == first for answer in again)
        assert get_table(client, name).num_rows == 3
        assert action(client, "put_status", {"put_id": name})[0]["committed"] is True
        assert action(client, "put_status", {"put_id": "never"})[0] == {"put_id": "never", "committed": False, "result": None}

    def test_progress_is_told_while_a_put_runs(self, server_factory, name):
        server = server_factory(**{"server.progress_interval_secs": 0.1})
        with connected(server.location) as client:
            writer, reader = client.do_put(descriptor(name), TABLE.schema)
            writer.write_table(TABLE)
            told = (json.loads(reader.read().to_pybytes()) for _ in itertools.count())
            seen = next(message for message in told if message["progress"]["rows"])
            assert seen == {"progress": {"rows": 3, "bytes": pa.ipc.get_record_batch_size(TABLE.to_batches()[0])}}
            assert finish(writer, reader)["rows"] == 3


class TestGet:
    @pytest.fixture(autouse=True)
    def dataset(self, client, name):
        put_batches(client, name, TABLE.to_batches())
        put_batches(client, name, TABLE.to_batches())

    @pytest.mark.parametrize(
        ("members", "expected"),
        [
            ({"columns": ["price", "id"]}, pa.concat_tables([TABLE, TABLE]).select(["price", "id"])),
            ({"limit": 4}, pa.concat_tables([TABLE, TABLE]).slice(0, 4)),
            ({"offset": 2, "limit": 2}, pa.concat_tables([TABLE, TABLE]).slice(2, 2)),
            ({"offset": 100}, TABLE.slice(0, 0)),
            ({"limit": 0}, TABLE.slice(0, 0)),
            ({"version": 1}, TABLE),
            ({"columns": ["id"], "version": 1, "offset": 1}, TABLE.select(["id"]).slice(1)),
        ],
    )
    def test_a_part(self, client, name, members, expected):
        assert get_table(client, {"dataset": name, **members}).equals(expected)
        info = client.get_flight_info(descriptor({"dataset": name, **members}))
        assert info.total_records == expected.num_rows
        assert info.schema.equals(expected.schema)
        assert client.do_get(info.endpoints[0].ticket).read_all().equals(expected)

    def test_a_document(self, client, name):
        data, schema = get_document(client, f"{name}.parquet")
        assert pq.read_table(pa.BufferReader(data)).equals(pa.concat_tables([TABLE, TABLE]))
        assert schema.metadata[b"format"] == b"parquet"
        assert schema.metadata[b"media_type"]

    def test_a_part_of_a_document(self, client, name):
        data, _ = get_document(client, {"dataset": name, "format": "ndjson", "columns": ["id"], "offset": 1, "limit": 2})
        assert data == b'{"id":2}\n{"id":3}\n'

    @pytest.mark.parametrize(
        ("members", "code"),
        [
            ({"dataset": "nobody/here"}, "unknown_dataset"),
            ({"version": 99}, "unknown_version"),
            ({"columns": ["nope"]}, "bad_request"),
            ({"format": "nope"}, "unknown_format"),
            ({"format": "csv", "options": {"nope": 1}}, "unknown_option"),
            ({"mode": "append"}, "bad_request"),
        ],
    )
    def test_what_is_not_there(self, client, name, members, code):
        target = {"dataset": name, **members}
        assert refused(get_table, client, target) == code
        assert refused(client.get_flight_info, descriptor(target)) == code
        assert refused(client.get_schema, descriptor(target)) == code

    def test_the_ticket_of_an_info_reads_what_was_planned(self, client, name):
        info = client.get_flight_info(descriptor(name))
        put_batches(client, {"dataset": name, "mode": "replace"}, [pa.record_batch({"x": [1]})])
        assert client.do_get(info.endpoints[0].ticket).read_all().num_rows == 6
        action(client, "drop", {"dataset": name})
        assert client.do_get(info.endpoints[0].ticket).read_all().num_rows == 6
        assert refused(get_table, client, name) == "unknown_dataset"

    def test_a_stream_that_runs_is_not_touched_by_what_happens_to_its_dataset(self, client, name):
        big = pa.record_batch({"x": pa.array(range(4_000_000))})
        put_batches(client, {"dataset": name, "mode": "replace"}, [big])
        reader = client.do_get(ticket(name))
        first = reader.read_chunk().data
        action(client, "drop", {"dataset": name})
        assert first.num_rows + sum(chunk.data.num_rows for chunk in reader) == 4_000_000

    def test_messages_are_small_enough_for_every_client(self, client, name):
        put_batches(client, {"dataset": name, "mode": "replace"}, [pa.record_batch({"x": pa.array(range(2_000_000))})])
        sizes = [chunk.data.nbytes for chunk in client.do_get(ticket(name))]
        assert max(sizes) <= 2 << 20
        data = [chunk.data.nbytes for chunk in client.do_get(ticket(f"{name}.arrows"))]
        assert max(data) <= (2 << 20) + 1024
        assert min(data[:-1]) >= 1 << 20

    def test_dictionaries_that_change_between_batches_survive(self, client, name):
        batches = [pa.record_batch({"d": pa.array([f"v{i}", "x", None]).dictionary_encode()}) for i in range(5)]
        put_batches(client, {"dataset": name, "mode": "replace"}, batches[:3])
        put_batches(client, name, batches[3:])
        expected = [row["d"] for batch in batches for row in batch.to_pylist()]
        assert get_table(client, name)["d"].to_pylist() == expected
        assert get_table(client, {"dataset": name, "offset": 1})["d"].to_pylist() == expected[1:]


class TestExchange:
    def convert(self, client, source, target, batches, schema=PAYLOAD, **members):
        command = {"from": source, "to": target, **members}
        writer, reader = client.do_exchange(descriptor(command))
        with writer:
            writer.begin(schema)
            for batch in batches:
                writer.write_batch(batch)
            writer.done_writing()
            return reader.read_all()

    def test_a_document_becomes_another(self, client):
        table = self.convert(client, {"format": "csv"}, {"format": "parquet"}, chunked(CSV, 5))
        data = b"".join(table["payload"].to_pylist())
        assert pq.read_table(pa.BufferReader(data)).equals(TABLE)

    def test_a_document_becomes_record_batches_and_back(self, client):
        assert self.convert(client, {"format": "csv"}, {}, chunked(CSV)).equals(TABLE)
        table = self.convert(client, {}, {"format": "csv"}, TABLE.to_batches(), TABLE.schema, columns=["id"], limit=2)
        assert b"".join(table["payload"].to_pylist()).replace(b'"', b"") == b"id\n1\n2\n"

    def test_an_error_in_the_input_is_an_error_in_the_output(self, client):
        bad = {"format": "csv", "options": {"sample_rows": 1}}
        assert refused(self.convert, client, bad, {"format": "ndjson"}, chunked(CSV + b"x,y,z\n")) == "bad_payload"
        assert refused(self.convert, client, {"format": "parquet"}, {"format": "csv"}, chunked(b"PAR1 no")) == "bad_payload"

    def test_a_limit_does_not_need_the_rest(self, client):
        rows = b"id\n" + b"".join(b"%d\n" % i for i in range(1_000_000))
        table = self.convert(client, {"format": "csv"}, {}, chunked(rows), limit=5)
        assert table["id"].to_pylist() == [0, 1, 2, 3, 4]

    def test_behind_a_limit_it_can_be_aborted(self, client):
        writer, reader = client.do_exchange(descriptor({"from": {"format": "csv"}, "to": {}, "limit": 1}))
        writer.begin(PAYLOAD)
        writer.write_batch(pa.record_batch([pa.array([b"a\n1\n2\n"], pa.binary())], schema=PAYLOAD))
        writer.write_metadata(b'{"abort": "no more"}')  # and no end of this side
        with pytest.raises(flight.FlightServerError, match="aborted by the client: no more"):
            reader.read_all()

    def test_without_a_command_it_is_refused(self, client):
        writer, reader = client.do_exchange(descriptor("a.csv"))
        assert refused(reader.read_chunk) == "bad_request"
        with pytest.raises(flight.FlightError):
            writer.close()


class TestActions:
    def test_all_are_listed_with_a_line_each(self, client):
        listed = {kind.type: kind.description for kind in client.list_actions()}
        assert set(listed) == {
            "health", "server_info", "formats", "plugins", "plugin", "reload", "rollback", "versions", "drop", "put_status",
        }  # fmt: skip
        assert all(listed.values())

    def test_formats_tell_extensions_and_options(self, client):
        formats = {item["name"]: item for item in action(client, "formats")}
        assert set(formats) >= {"csv", "tsv", "ndjson", "json", "parquet", "arrow_stream", "arrow_file"}
        assert formats["csv"]["extensions"] == [".csv"]
        assert "delimiter" in {option["name"] for option in formats["csv"]["options"]}

    def test_extensions_are_those_of_the_protocol(self, client):
        owned = {item["name"]: set(item["extensions"]) for item in action(client, "formats")}
        assert owned["tsv"] == {".tsv", ".tab"}
        assert owned["ndjson"] == {".ndjson", ".jsonl"}
        assert owned["json"] == {".json"}
        assert owned["parquet"] == {".parquet", ".pq"}
        assert owned["arrow_stream"] == {".arrows"}
        assert owned["arrow_file"] == {".arrow", ".feather"}

    def test_health_and_server_info(self, client):
        assert action(client, "health")[0]["status"] == "ok"
        assert action(client, "server_info")[0]["name"] == "distributed-transformer"

    def test_plugins_and_one_plugin(self, client):
        assert {item["name"] for item in action(client, "plugins")} >= {"csv", "parquet"}
        assert action(client, "plugin", {"name": "csv"})[0]["origin"] == "builtin"
        assert refused(action, client, "plugin", {"name": "cvs"}) == "unknown_format"

    def test_versions_and_drop(self, client, name):
        put_batches(client, name, TABLE.to_batches())
        put_batches(client, name, TABLE.to_batches())
        assert [item["version"] for item in action(client, "versions", {"dataset": name})] == [1, 2]
        assert action(client, "drop", {"dataset": name}) == [{"dataset": name, "version": 2}]
        assert refused(action, client, "drop", {"dataset": name}) == "unknown_dataset"
        assert put_batches(client, name, TABLE.to_batches())["version"] > 2

    @pytest.mark.parametrize(("kind", "body"), [("helth", None), ("drop", None), ("drop", {"name": "x"}), ("health", {"x": 1})])
    def test_what_is_no_action_is_refused(self, client, kind, body):
        assert refused(action, client, kind, body) == "bad_request"

    def test_list_flights_in_name_order_under_a_prefix(self, client, name):
        for part in ("b", "a", "c.csv"):
            put_batches(client, {"dataset": f"{name}/{part}"}, TABLE.to_batches())
        flights = list(client.list_flights(json.dumps({"prefix": f"{name}/"}).encode()))
        told = [json.loads(item.app_metadata) for item in flights]
        assert [item["dataset"] for item in told] == [f"{name}/a", f"{name}/b", f"{name}/c.csv"]
        assert set(told[0]) == {"dataset", "version", "rows", "bytes", "created", "updated"}
        for item in flights:
            assert item.total_records == 3
            assert item.schema.equals(TABLE.schema)
            assert client.do_get(item.endpoints[0].ticket).read_all().equals(TABLE)
            assert client.get_flight_info(item.descriptor).schema.equals(TABLE.schema)
        assert refused(lambda: list(client.list_flights(b'{"prefx": 1}'))) == "bad_request"
