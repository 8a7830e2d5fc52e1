"""The example clients in other languages: built by their own Makefile, run against a server, as their users do."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CLIENTS = Path(__file__).resolve().parent.parent / "clients"
#: A cold build of a client's dependencies on a busy machine takes minutes.
BUILD_SECS = 900
RUN_SECS = 60
CSV = "id,item,price\n1,tea,2.5\n2,rice,1.2\n3,salt,0.9\n"

wanted = pytest.mark.skipif(
    os.environ.get("FLIGHT_LANGUAGES") != "1", reason="clients in other languages are built by `make languages` alone"
)


def built(language, tool, binary):
    """Build a client and return its program; skip, and say why, where its tool or its libraries cannot be had."""
    folder = CLIENTS / language
    if shutil.which(tool) is None:
        pytest.skip(f"there is no {tool} here, so clients/{language} was not tested")
    fetched = _made(folder, "fetch")
    if fetched.returncode:
        pytest.skip(f"the libraries of clients/{language} could not be fetched: {fetched.stderr.strip()[-300:]}")
    done = _made(folder, "build")
    assert done.returncode == 0, done.stderr
    return folder / binary


def run(program, location, dataset, path):
    """Run an example to its end."""
    command = [program, location, dataset, path]
    return subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECS, check=False)


def check_tour(program, location, dataset, path, types):
    """Every step of the example, on a small file."""
    path.write_text(CSV)
    done = run(program, location, dataset, path)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert lines == [
        "put: version 1, 3 rows",
        *(f"column: {name} {kind}" for name, kind in zip(("id", "item", "price"), types, strict=True)),
        "get: 3 rows",
        "document:",
        '{"id":1,"item":"tea","price":2.5}',
        '{"id":2,"item":"rice","price":1.2}',
        "converted: PAR1 ... PAR1",
    ]
    assert re.match(r'error: code "?unknown_dataset"?, id "?[0-9a-f]{8}"?', last), last


def check_large(program, location, dataset, path):
    """A file of several chunks arrives whole."""
    path.write_text("id,name\n" + "".join(f"{row},name number {row}\n" for row in range(150_000)))
    done = run(program, location, dataset, path)
    assert done.returncode == 0, done.stderr
    assert "put: version 1, 150000 rows" in done.stdout
    assert "get: 150000 rows" in done.stdout


def check_refusal(program, location, dataset, path):
    """Wrong data: the program says the server's code, and ends with an error."""
    path.write_text("id,item\n1,tea\n2\n")
    done = run(program, location, dataset, path)
    assert done.returncode == 1
    assert "bad_payload" in done.stderr


def _made(folder, target):
    command = ["make", "--no-print-directory", "-C", str(folder), target]
    return subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECS, check=False)
