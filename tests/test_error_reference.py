"""docs/errors.md cannot lie: each error that can be provoked is, and says what the page says it does."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from plugin_samples import eventually, lines
from pyarrow import flight
from raw_flight import action, connected, get_document, get_table, put_batches, put_document

from flight_server import errors
from flight_server.calls import KEY, Calls

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "errors.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
RESERVED = {code for code, text in SECTIONS.items() if "No server sends it yet." in text}
CODES = {
    kind.code: kind for family in (errors.ClientError, errors.PluginFault, errors.HostError) for kind in family.__subclasses__()
}
SALES = b"id,item,price\n1,tea,2.5\n2,rice,1.2\n"
ID = "7f3a2b1c"


def check(code, call):
    """See that ``call`` fails as the page shows it: the message, and the detail below it; ``...`` is what it leaves out."""
    shown, _, detail = re.search(r"^```\n(\[.*?)```", SECTIONS[code], re.MULTILINE | re.DOTALL)[1].strip().partition("\n")
    message, known = said(call)
    assert re.fullmatch(".*".join(map(re.escape, shown.split("..."))), message), f"it says: {message}"
    told = json.loads(detail) if detail else {}
    assert {name: told.get(name) if told.get(name) == ["..."] else value for name, value in known.items()} == told


def said(call):
    """What the server says against a call: the message, and the detail."""
    with pytest.raises(flight.FlightError) as caught:
        call()
    message = re.search(r"\[\w+\] .*?\(id [0-9a-f]{8}\)", str(caught.value))[0]
    extra = json.loads(caught.value.extra_info)
    assert message.startswith(f"[{extra['code']}] ")
    assert extra["blame"] == CODES[extra["code"]].blame
    return re.sub(r"\(id [0-9a-f]{8}\)", f"(id {ID})", message), extra["detail"]


def put_again(client, document=SALES, **request):
    return put_document(client, {"dataset": "shop/sales", "format": "csv", **request}, document)


#: What provokes each error at a server that has the dataset shop/sales.
PROVOKED = {
    "bad_request": lambda client: get_table(client, {"dataset": "shop/sales", "colums": ["item"]}),
    "unknown_dataset": lambda client: get_table(client, "shop/salse"),
    "unknown_format": lambda client: get_document(client, {"dataset": "shop/sales", "format": "parket"}),
    "unknown_option": lambda client: put_again(client, options={"delimeter": ";"}),
    "unknown_version": lambda client: get_table(client, {"dataset": "shop/sales", "version": 7}),
    "dataset_exists": lambda client: put_again(client, mode="create"),
    "schema_mismatch": lambda client: put_batches(client, "shop/sales", [pa.record_batch({"id": ["three"]})]),
    "bad_payload": lambda client: put_again(client, b"id,item,price\n3,salt,cheap\n"),
    "unsupported": lambda client: get_document(client, "shop/baskets.csv"),
    "incomplete_put": lambda client: put_document(
        client, {"dataset": "shop/sales", "format": "csv", "commit": "explicit"}, SALES, commit={"bytes": 99}
    ),
}


@pytest.fixture(scope="module")
def shop(server):
    with connected(server.location) as client:
        put_document(client, {"dataset": "shop/sales", "format": "csv", "mode": "replace"}, SALES)
        baskets = pa.record_batch({"items": pa.array([["tea", "rice"]])})
        put_batches(client, {"dataset": "shop/baskets", "mode": "replace"}, [baskets])
        yield client


def test_the_page_has_a_section_for_each_code_in_the_order_of_the_protocol():
    order = re.findall(r"^\| `(\w+)` \| (?:client|plugin|server) \|", (ROOT / "PROTOCOL.md").read_text(), re.MULTILINE)
    assert [code for code in SECTIONS if code in CODES] == order
    assert set(order) == set(CODES)


def test_what_the_page_calls_reserved_is_raised_nowhere():
    sources = "\n".join(path.read_text() for path in (ROOT / "flight_server").rglob("*.py") if path.name != "errors.py")
    assert {code for code, kind in CODES.items() if f"{kind.__name__}(" not in sources} == RESERVED


def test_each_code_that_is_sent_has_an_example_that_a_test_provokes():
    elsewhere = {"limit_exceeded", *MISBEHAVIOUR, "busy", "shutting_down", "storage_full", "internal"}
    assert set(PROVOKED) | elsewhere == set(CODES) - RESERVED


@pytest.mark.parametrize("code", PROVOKED)
def test_an_error_reads_as_the_page_says(shop, code):
    check(code, lambda: PROVOKED[code](shop))


def test_limit_exceeded_reads_as_the_page_says(server_factory):
    server = server_factory(**{"limits.columns": 2})
    with connected(server.location) as client:
        wide = pa.record_batch({"id": [1], "item": ["tea"], "price": [2.5]})
        check("limit_exceeded", lambda: put_batches(client, "shop/sales", [wide]))


#: What the plugin does with a line of tea; with other lines it passes its trial.
MISBEHAVIOUR = {
    "plugin_failed": "text.uper()",
    "plugin_crashed": "__import__('ctypes').string_at(0)",
    "plugin_timeout": "__import__('time').sleep(60)",
}


@pytest.mark.parametrize("code", MISBEHAVIOUR)
def test_what_a_plugin_does_reads_as_the_page_says(server_factory, code):
    server = server_factory(**{"plugins.limits.batch_timeout_secs": 0.5})
    with connected(server.location) as client:
        deploy(server, client, f"{MISBEHAVIOUR[code]} if 'tea' in text else text.upper()")
        put_document(client, "notes.lines", b"tea\n")
        check(code, lambda: get_document(client, "notes.lines"))


def test_busy_reads_as_the_page_says(server_factory):
    server = server_factory(**{"plugins.max_children": 1})
    with connected(server.location) as client, connected(server.location) as other:
        deploy(server, client, "time.sleep(8) if 'tea' in text else text.upper()")
        put_document(client, "notes.lines", b"tea\n")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(get_document, other, "notes.lines")
            eventually(lambda: action(client, "health")[0]["calls"] == 2)
            check("busy", lambda: get_document(client, "notes.lines"))


def deploy(server, client, upper):
    """Drop a plugin that writes a line as the expression ``upper`` says."""
    text = lines().replace("text.upper()", upper).replace("if self.upper else text", "")
    (server.plugin_dir / "lines.py").write_text(f"import time\n{text}")
    eventually(lambda: "lines" in {each["name"] for each in action(client, "formats")})


@pytest.mark.parametrize(
    ("code", "failpoint"),
    [("storage_full", "store.commit.begun=raise:ENOSPC"), ("internal", "store.commit.begun=raise:EIO")],
)
def test_what_the_disk_does_reads_as_the_page_says(server_factory, monkeypatch, code, failpoint):
    monkeypatch.setenv("FLIGHT_FAILPOINTS", failpoint)
    server = server_factory()
    with connected(server.location) as client:
        check(code, lambda: put_again(client))


def test_shutting_down_reads_as_the_page_says():
    calls = Calls()
    calls.draining = True  # a process that drains closes its connections in the same moment, mostly before it says so
    server = flight.FlightServerBase("grpc://127.0.0.1:0", middleware={KEY: calls})
    with server, connected(f"grpc://127.0.0.1:{server.port}") as client:
        check("shutting_down", lambda: action(client, "health"))
