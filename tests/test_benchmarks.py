"""The harness of `make bench`: what it counts, and that a run on next to nothing has every row."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from native_plugins import needs_compiler

HARNESS = Path(__file__).resolve().parent / "benchmarks"
ENGINES = ("duckdb", "polars", "datafusion")


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(HARNESS)
    return importlib.import_module


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "rows.json"
    command = [sys.executable, HARNESS / "bench.py", "--extent", "tiny", "--json", path]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=200)
    return json.loads(path.read_text())["rows"], result.stdout


def test_a_run_has_every_row(tiny_run):
    rows, _ = tiny_run
    counts = {part: sum(row["part"] == part for row in rows) for part in dict.fromkeys(row["part"] for row in rows)}
    assert counts == {
        "native": 3,
        "latency": 3,
        "small puts": 2,
        "put": 13,
        "get": 3,
        "exchange": 6,
        "convert": 9,
        "growth": 15,
    }


def test_every_measured_row_has_both_figures_a_ratio_and_the_peak_memory(tiny_run):
    measured = [row for row in tiny_run[0] if row["skipped"] is None]
    assert all(row[name] > 0 for row in measured for name in ("ours", "theirs", "ratio", "pairs", "peak_mb"))


def test_rows_of_missing_engines_are_skipped_loudly(tiny_run):
    rows, said = tiny_run
    missing = [name for name in ENGINES if importlib.util.find_spec(name) is None]
    skipped = [row for row in rows if row["skipped"]]
    assert [row["against"] for row in skipped] == missing * 3
    assert said.count("SKIPPED") == len(skipped)
    assert ("NOT MEASURED" in said) == bool(missing)


def test_a_ratio_above_one_is_better_for_rates_and_for_times(harness):
    pairs = harness("pairs")
    rate = pairs.Case(part="put", name="a put", against="a reader", amount=1)
    time = pairs.Case(part="latency", name="a get", against="a server", amount=1, unit="ms")
    assert pairs.of_pairs(rate, [(200.0, 100.0)] * 3, peak_mb=1).ratio == 2
    assert pairs.of_pairs(time, [(1.0, 2.0)] * 3, peak_mb=1, less_is_better=True).ratio == 2


def test_the_ratio_is_that_of_the_pairs_and_not_of_the_medians(harness):
    pairs = harness("pairs")
    case = pairs.Case(part="put", name="a put", against="a reader", amount=1)
    row = pairs.of_pairs(case, [(10.0, 10.0), (20.0, 40.0), (30.0, 30.0)], peak_mb=1)
    assert (row.ours, row.theirs, row.ratio) == (20, 30, 1)


@pytest.mark.parametrize(
    ("target", "met"),
    [
        ({"of": "ratio", "least": 0.9}, True),
        ({"of": "ratio", "least": 1.1}, False),
        ({"of": "ours", "most": 10}, True),
        ({"of": "ours", "most": 9}, False),
    ],
)
def test_a_target_is_of_the_ratio_or_of_our_own_figure(harness, target, met):
    pairs = harness("pairs")
    case = pairs.Case(part="put", name="a put", against="a reader", amount=1, target=pairs.Target(**target))
    assert pairs.of_pairs(case, [(10.0, 10.0)] * 3, peak_mb=1).met is met


def test_the_page_has_the_table_and_the_verdict_of_the_rows(harness, tiny_run):
    report, pairs = harness("report"), harness("pairs")
    page = report.markdown([pairs.Row(**row) for row in tiny_run[0]])
    assert sum(line.startswith("| ") for line in page.splitlines()) == 1 + len(tiny_run[0])
    assert "rows with a target reach it" in page


def test_a_peak_above_what_is_allowed_is_said(harness):
    report, pairs = harness("report"), harness("pairs")
    row = pairs.Row(part="put", name="a put", against="a reader", unit="MB/s", ours=1.0, theirs=1.0, ratio=1.0, peak_mb=401)
    assert "NOT MET" in " ".join(report.verdict([row]))
    assert "NOT MET" not in " ".join(report.verdict([pairs.Row(**asdict(row) | {"peak_mb": 399})]))


@needs_compiler
def test_a_native_plugin_is_held_against_arrows_reader():
    command = [sys.executable, HARNESS / "native_decoding.py", "--rows", "1000", "--pairs", "2"]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert (result.stderr, result.stdout.count("ratio >= 0.7")) == ("", 2)
