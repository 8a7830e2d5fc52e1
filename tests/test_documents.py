"""Documents cannot lie: their code runs, what they list is what there is, and their generated parts are fresh."""

import contextlib
import gzip
import importlib.util
import inspect
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import flight_client
from flight_server import __version__, actions, errors

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("configs/*.md"),
        *ROOT.glob("format_plugins/*.md"),
        *ROOT.glob("format_plugins/native/*.md"),
        *ROOT.glob("format_plugins/native/examples/*/*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("clients/*/*.md"),
    ]
)
ADDRESS = "grpc://127.0.0.1:8815"


def block(page, name):
    """The code block behind the mark ``<!-- runs: name -->``."""
    return re.search(rf"<!-- runs: {name} -->\n```\w+\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)[1]


@pytest.mark.parametrize("name", ["client", "bare"])
def test_the_readmes_python_runs(own_server, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = block("README.md", name)
    assert ADDRESS in code
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code.replace(ADDRESS, own_server.location), f"README.md:{name}", "exec"), {})  # noqa: S102 - the point
    assert {"client": "rice", "bare": '"version":1'}[name] in printed.getvalue()


def test_the_readmes_client_takes_ten_lines():
    assert len(block("README.md", "client").strip().splitlines()) <= 10


def shell(server, name, folder, **instead):
    """Run a block of the README's as someone would who has its commands on the path; ``instead`` is done for what it says."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "FLIGHT_URI": server.location, "PATH": path}
    script = block("README.md", name)
    for said, done in instead.items():
        assert said in script
        script = script.replace(said, done)
    done = subprocess.run(["sh", "-ec", script], cwd=folder, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_the_readmes_commands_run(own_server, tmp_path):
    done = shell(own_server, "shell", tmp_path)
    assert (tmp_path / "sales.parquet").read_bytes()[-4:] == b"PAR1"
    assert gzip.decompress((tmp_path / "sales.ndjson.gz").read_bytes()).count(b"\n") == 2
    assert "shop/sales" in done.stdout


def test_the_readmes_plugin_is_dropped_into_a_running_server(own_server, tmp_path):
    (tmp_path / "plugins").symlink_to(own_server.plugin_dir)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    served = "until flight-client formats lines > formats.txt 2>&1; do sleep 0.1; done"
    shell(own_server, "plugin", tmp_path, **{"sleep 1": served})
    assert (tmp_path / "notes.csv").read_text() == "line\ntea\nrice\n"


def test_the_readmes_plugin_is_the_one_that_is_tested_and_has_thirty_lines_of_code():
    source = (ROOT / "tests/data/lines.py").read_text()
    assert f"```python\n{source}```" in (ROOT / "README.md").read_text()
    assert len([line for line in source.splitlines() if line]) <= 30


def test_generated_parts_are_fresh():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for path, text in generate.generated().items():
        assert path.read_text() == text, f"{path.name} is behind the code: run make docs"


def leaves(kind):
    inner = kind.__subclasses__()
    return [leaf for child in inner for leaf in leaves(child)] if inner else [kind]


def test_the_protocol_lists_every_code_with_its_blame():
    listed = dict(re.findall(r"^\| `(\w+)` \| (client|plugin|server) \|", (ROOT / "PROTOCOL.md").read_text(), re.MULTILINE))
    assert listed == {kind.code: kind.blame for kind in leaves(errors.ServerError)}


def test_the_protocol_lists_every_action():
    section = (ROOT / "PROTOCOL.md").read_text().partition("## Actions")[2].partition("## Errors")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(actions.ACTIONS)


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_headings_find_them(page):
    for target, heading in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text()):
        if not target.startswith("http"):
            other = page.parent / target if target else page
            assert heading in headings(other.read_text()), f"{target}#{heading}"


def headings(text):
    """The names that a page's headings get, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", each)).lower().replace(" ", "-") for each in found}


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").glob("*.svg")), ids=lambda picture: picture.name)
def test_a_picture_can_be_read_in_the_dark_and_by_those_who_see_none(picture):
    drawing = ET.parse(picture).getroot()  # noqa: S314 - our own file
    names = [element.tag.rpartition("}")[2] for element in drawing]
    assert drawing.get("role") == "img"
    assert {"title", "desc"} <= set(names)
    assert "prefers-color-scheme: dark" in picture.read_text()
    assert any(re.search(rf"!\[[^]]+\]\([\w./]*{picture.name}\)", page.read_text()) for page in DOCUMENTS)


def test_the_comparison_is_of_the_versions_that_are_measured():
    measured = dict(re.findall(r'"([\w-]+)(?:\[\w+\])?==([\d.]+)"', (ROOT / "tests/benchmarks/peers.py").read_text()))
    told = dict(
        re.findall(r"^\| \[([\w-]+)\]\([^)]*\) \| ([\d.]+) \|", (ROOT / "docs/comparison.md").read_text(), re.MULTILINE)
    )
    assert {name.lower(): version for name, version in told.items()} == measured


def test_files_that_the_readme_names_are_there():
    for name in re.findall(r"`((?:tests|configs|docs|format_plugins|clients)/[\w./]+)`", (ROOT / "README.md").read_text()):
        assert (ROOT / name).exists(), name


def test_verbs_that_documents_name_are_the_makefiles():
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in DOCUMENTS:
        assert set(re.findall(r"`make ([a-z]+)|^make ([a-z]+)", page.read_text(), re.MULTILINE)) <= {
            pair for verb in verbs for pair in ((verb, ""), ("", verb))
        }


def test_the_changelog_begins_with_this_version():
    versions = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == __version__


def test_no_module_is_longer_than_it_should_be():
    sources = [
        path for folder in ("flight_server", "format_plugins", "clients/python") for path in (ROOT / folder).rglob("*.py")
    ]
    assert {path.name for path in sources if len(path.read_text().splitlines()) > 350} == set()


def test_who_may_import_whom():
    command = shutil.which("lint-imports", path=Path(sys.executable).parent)
    done = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def ran(page, server, *, apart=False):
    """The names that the marked blocks of a page leave behind, run one after the other, and what each of them printed.

    ``apart``: each block is whole in itself, and finds none of the names of those before it.
    """
    names, printed = {}, {}
    for name in re.findall(r"<!-- runs: (\w+) -->", (ROOT / page).read_text()):
        names = {} if apart else names
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(block(page, name).replace(ADDRESS, server.location), name, "exec"), names)  # noqa: S102 - our own page
        printed[name] = output.getvalue()
    return names, printed


def test_the_streaming_guides_code_runs_in_order(own_server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, printed = ran("docs/streaming.md", own_server, apart=True)
    assert printed["put"] == "1 200\n"
    assert printed["repeat"] == "False True 1\n"
    assert printed["get"] == f"{sum(minute * 3.0 for minute in range(100))} 10\n"
    assert printed["convert"].split() == ["id", "1", "2"]


def test_the_languages_guides_code_runs_in_order(own_server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, printed = ran("docs/languages.md", own_server)
    assert printed == {
        "put": "1 2\n",
        "get": "{'item': ['tea', 'rice'], 'price': [2.5, 1.2]}\n",
        "convert": "b'PAR1'\n",
        "errors": "unknown_dataset client {'nearest': 'team/sales'}\n",
        "repeating": "1 True\n",
        "health": "ok\n",
    }
    assert gzip.decompress((tmp_path / "sales.ndjson.gz").read_bytes()).count(b"\n") == 2


def test_the_python_clients_guides_code_runs_in_order(own_server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, printed = ran("docs/python.md", own_server)
    names["client"].close()
    assert {name: text.splitlines() for name, text in printed.items()} == {
        "connect": ["ok"],
        "put": ["1 2"],
        "get": ["3", "2", "1", "id;item;price"],
        "look": [
            "shop/sales 2 3 ['id', 'item', 'price']",
            "shop/stock 1 2 ['item', 'count']",
            "2",
            "[2, 3]",
            "1",
        ],
        "convert": ['{"id":1,"item":"tea","price":2.5}'],
        "errors": ["unknown_dataset {'nearest': 'shop/sales'}", "bad_payload client 1 price"],
        "retries": ["ok"],
        "cancel": ["cancelled"],
        "asyncio": ["['async/part-0', 'async/part-1', 'async/part-2', 'async/part-3']", "1"],
    }


def test_the_python_clients_guide_names_every_argument_of_connect_and_put():
    page = (ROOT / "docs/python.md").read_text()
    for call in (flight_client.connect, flight_client.Client.put):
        for name in inspect.signature(call).parameters:
            assert name in {"self", "dataset", "source"} or f"`{name}`" in page, name


def test_the_python_clients_guide_names_every_method():
    page = (ROOT / "docs/python.md").read_text()
    for name in dir(flight_client.Client):
        assert name.startswith("_") or re.search(rf"\b{name}\(", page), name


def test_the_log_lines_that_the_operations_page_names_are_written():
    section = (ROOT / "docs/operations.md").read_text().partition("## Logs and error ids")[2].partition("\n## ")[0]
    source = "".join(path.read_text() for path in (ROOT / "flight_server").rglob("*.py"))
    lines = [line for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for line in re.findall(r"`([^`]+)`", row)]
    assert len(lines) > 10
    for line in lines:
        changed = re.fullmatch(r"(?:a plugin was|\.\.\.) (loaded|replaced|removed)", line)
        assert (changed[1] if changed else line.removeprefix("... ")) in source, line


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_the_unit_of_the_operations_page_is_one_that_systemd_takes(tmp_path):
    unit = re.search(r"```ini\n(.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL)[1]
    (tmp_path / "flight.service").write_text(unit.replace("/opt/flight/.venv/bin/flight-server", sys.executable))
    command = ["systemd-analyze", "verify", tmp_path / "flight.service"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


def test_each_module_that_the_architecture_names_is_there():
    page = (ROOT / "ARCHITECTURE.md").read_text()
    for folder, table in re.findall(r"<!-- modules of: ([\w/.]+) -->\n((?:\|.*\n)+)", page):
        named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
        assert named == {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}, folder


@pytest.mark.parametrize(("language", "source"), [("go", "clients/go/transfer.go"), ("rust", "clients/rust/src/transfer.rs")])
def test_the_languages_guide_shows_the_clients_own_lines(language, source):
    shown = re.findall(rf"^```{language}\n(.*?)```", (ROOT / "docs/languages.md").read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    for part in shown:
        assert part in (ROOT / source).read_text()


def test_every_python_block_of_the_guides_is_one_that_runs():
    for page in ("README.md", "docs/python.md", "docs/streaming.md", "docs/languages.md"):
        text = (ROOT / page).read_text()
        assert len(re.findall(r"^```python$", text, re.MULTILINE)) == len(
            re.findall(r"^<!-- (?:runs: \w+|same as: [\w/.]+) -->\n```python$", text, re.MULTILINE)
        )
