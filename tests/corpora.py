"""Where the test data that others wrote lies: FLIGHT_CORPORA, or ../shared/corpora beside the checkout."""

import os
from pathlib import Path

import pytest


def corpus(name):
    """The folder of a corpus; skips, and says so, when it is not there."""
    root = Path(os.environ.get("FLIGHT_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")
    folder = root / name
    if not folder.is_dir():
        pytest.skip(f"NOT TESTED: no {name} corpus in {root}; set FLIGHT_CORPORA to the folder that holds it")
    return folder
