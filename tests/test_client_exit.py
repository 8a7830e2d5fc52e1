"""A process that used the client ends well, whatever its last call was."""

import subprocess
import sys

import pytest

CALLS = {
    "put": 'client.put("exit", b"a,b\\n1,2\\n", format="csv")',
    "get": 'client.put("exit", b"a\\n1\\n", format="csv"); client.get("exit").read_all()',
    "stream": 'client.put("exit", b"a\\n1\\n", format="csv"); stream = client.get("exit"); next(iter(stream))',
    "question": "client.list()",
}


@pytest.mark.parametrize("call", CALLS)
def test_it_ends_without_an_abort(server, call):
    lines = ["import flight_client", f"client = flight_client.connect({server.location!r})", CALLS[call]]
    script = "\n".join(lines).replace('"exit"', f'"exit/{call}"')
    for _ in range(12):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
