"""The client among other libraries: data frames that come and go, and that none of them is needed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import flight_client

TABLE = pa.table({"id": [1, 2, 3], "name": ["Ada", "Grace", None]})


@pytest.fixture
def stored(our_client, dataset):
    our_client.put(dataset, TABLE)
    return dataset


def test_a_stream_becomes_a_table(our_client, stored):
    assert our_client.get(stored).to_table().equals(TABLE)
    with our_client.get(stored, columns=["id"], limit=2) as stream:
        assert stream.to_table().equals(TABLE.select(["id"]).slice(0, 2))


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_pandas"), ("polars", "to_polars")])
def test_a_library_that_is_not_there_is_named_and_nothing_is_read(our_client, stored, monkeypatch, package, method):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    stream = our_client.get(stored)
    with pytest.raises(ImportError, match=rf"{method} needs the package '{package}'.*to_table") as caught:
        getattr(stream, method)()
    assert caught.value.name == package
    assert stream.to_table().equals(TABLE)


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_pandas"), ("polars", "to_polars")])
def test_a_data_frame_comes_out_and_goes_in(our_client, stored, package, method):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} IS NOT INSTALLED: data frames of it are not tested")
    frame = getattr(our_client.get(stored), method)()
    assert len(frame) == 3
    assert our_client.put(f"{stored}-again", frame).rows == 3
    assert our_client.get(f"{stored}-again").to_table().column("id").to_pylist() == [1, 2, 3]


class Rows:
    """Rows of a library that has Arrow's interface for one record batch alone."""

    def __arrow_c_array__(self, requested_schema=None):
        return TABLE.to_batches()[0].__arrow_c_array__(requested_schema)


def test_what_has_one_of_arrows_interfaces_is_put(our_client, dataset):
    import arro3.core  # noqa: PLC0415 - the other Arrow library that is here

    assert our_client.put(dataset, Rows()).rows == 3
    assert our_client.put(dataset, arro3.core.Table.from_arrow(TABLE)).rows == 3
    assert our_client.put(dataset, arro3.core.RecordBatchReader.from_arrow(TABLE)).rows == 3
    assert our_client.get(dataset).to_table().num_rows == 9
    assert arro3.core.Table.from_arrow(our_client.get(dataset)).num_rows == 9


ALONE = """
import asyncio, sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in {"flight_client", "pyarrow", "encodings"} and top not in sys.stdlib_module_names:
            asked.add(top)
            raise ImportError(f"{name} is blocked")
        return None

asked = set()
sys.meta_path.insert(0, Blocker())
import flight_client
from flight_client import aio
import pyarrow as pa

location, folder = sys.argv[1:]
table = pa.table({"x": [1, 2, 3]})
with flight_client.connect(location) as client:
    client.put("alone", table, mode="replace")
    assert client.get("alone").to_table().equals(table)
    assert client.get_bytes("alone", format="csv").read_all() == b"x\\n1\\n2\\n3\\n"
    client.get_file("alone", folder + "/a.parquet")
    client.convert_file(folder + "/a.parquet", folder + "/a.csv")
    assert client.health()["status"] == "ok"

async def main():
    async with aio.connect(location) as client:
        assert (await client.get("alone").to_table()).equals(table)
asyncio.run(main())
assert not {"flight_server", "format_plugins"} & asked, asked
print(*sorted(name for name in sys.modules if name.partition(".")[0] in {"flight_server", "format_plugins", "click", "rich"}))
"""


def test_the_library_needs_pyarrow_alone(server, tmp_path):
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    client, arrow = (Path(module.__file__).parent.parent for module in (flight_client, pa))
    command = [sys.executable, "-S", script, server.location, tmp_path]
    environment = {"PYTHONPATH": f"{client}:{arrow}", "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_the_library_says_that_it_has_types():
    assert (Path(flight_client.__file__).parent / "py.typed").exists()
