"""What the wheel holds, asked of its builder: nothing is built."""

from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def packed():
    return {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}


def test_each_package_says_that_it_has_types(packed):
    packages = {path.partition("/")[0] for path in packed}
    assert packages == {"flight_server", "format_plugins", "flight_client"}
    assert {f"{package}/py.typed" for package in packages} <= packed


def test_what_authors_begin_with_is_in_it(packed):
    templates = ROOT.glob("flight_server/authoring/templates/**/*.template")
    assert {path.relative_to(ROOT).as_posix() for path in templates} <= packed
    assert {"format_plugins/native/format_plugin.h", "format_plugins/contract.py"} <= packed
