"""Kill -9 at any moment: what was answered is there, what was not is not there in part, and nothing is there twice."""

import random
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pyarrow as pa
import pytest
from effort import effort, report, within
from pyarrow import flight
from raw_flight import connected, get_table, put_batches, put_document

KILLS = effort(15, 200)
WRITERS = 4


def rows_of(put, rows):
    """A put's rows say which put they are of, and how many it has: a torn one shows."""
    return pa.record_batch({"put": pa.array([put] * rows), "of": pa.array([rows] * rows, pa.int64())})


class Writer(threading.Thread):
    """Puts to a dataset of its own until told to stop; notes what it tried and what was answered."""

    def __init__(self, location, number, seed):
        super().__init__()
        self.location, self.number = location, number
        self.random = random.Random(seed)
        self.tried, self.acked = [], []
        self.stopping = threading.Event()

    def run(self):
        try:
            with connected(self.location) as client:
                while not self.stopping.is_set():
                    self.put(client)
        except (flight.FlightError, pa.ArrowException, OSError):
            return  # the server was killed, as it should be

    def put(self, client):
        identity = uuid.uuid4().hex
        rows = self.random.choice([1, 50, 20_000, 400_000])
        mode = "replace" if self.random.random() < 0.2 else "append"
        target = {"dataset": f"w/{self.number}", "put_id": identity, "mode": mode, "commit": "explicit"}
        put = (identity, mode, rows)
        self.tried.append(put)
        batches = [rows_of(identity, rows).slice(start, 50_000) for start in range(0, rows, 50_000)]
        put_batches(client, target, batches, commit={"rows": rows})
        self.acked.append(put)


def expected(history):
    """The puts that a dataset holds after these."""
    held = []
    for put in history:
        held = [put] if put[1] == "replace" else [*held, put]
    return held


def held(client, number):
    try:
        table = get_table(client, f"w/{number}")
    except (flight.FlightError, pa.ArrowException) as error:
        if "unknown_dataset" in str(error):
            return {}
        raise
    counts = table.group_by("put").aggregate([("of", "count"), ("of", "max")]).to_pylist()
    for row in counts:
        assert row["of_count"] == row["of_max"], f"torn: {row}"
    return {row["put"]: row["of_max"] for row in counts}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_killed_server_has_lost_nothing_torn_nothing_and_doubled_nothing(server_factory):
    server = server_factory()
    seed = random.randrange(1 << 30)
    generator = random.Random(seed)
    histories = {number: [] for number in range(WRITERS)}
    slowest, puts = 0.0, 0
    for _ in range(KILLS):
        writers = [Writer(server.location, number, generator.random()) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(generator.uniform(0.05, 0.6))
        server.kill()
        for writer in writers:
            writer.stopping.set()
            writer.join(30)
        started = time.monotonic()
        server.restart()
        slowest = max(slowest, time.monotonic() - started)
        with connected(server.location) as client:
            for writer in writers:
                check(client, writer, histories[writer.number])
                puts += len(writer.tried)
        assert not list((Path(server.store_dir) / "staging").iterdir())
    report(f"{KILLS} kills, {puts} puts, none lost, torn or doubled; slowest start {slowest:.2f} s (seed {seed})")
    assert slowest < within(2), f"ready after {slowest:.2f} s"


def check(client, writer, history):
    """The history plus what was acked, and perhaps the one put whose answer the kill took away."""
    unanswered = [put for put in writer.tried if put not in writer.acked]
    certain = history + writer.acked
    found = held(client, writer.number)
    either = [expected(certain), expected(certain + unanswered)]
    assert found in [{identity: rows for identity, _, rows in puts} for puts in either]
    history[:] = certain
    for identity, mode, rows in unanswered:
        # Sent again, it is there once, whether or not the first one was.
        target = {"dataset": f"w/{writer.number}", "put_id": identity, "mode": mode}
        put_batches(client, target, [rows_of(identity, rows)])
        history.append((identity, mode, rows))
    assert held(client, writer.number) == {identity: rows for identity, _, rows in expected(history)}


@pytest.mark.parametrize("how", ["killed", "exception", "dropped", "deadline"])
def test_a_client_that_goes_in_the_middle_leaves_nothing(own_server, how, tmp_path):
    script = tmp_path / "client.py"
    script.write_text(
        "import os, sys, pyarrow as pa\n"
        "from pyarrow import flight\n"
        "how, location = sys.argv[1:]\n"
        "client = flight.connect(location)\n"
        "options = flight.FlightCallOptions(timeout=0.5 if how == 'deadline' else None)\n"
        'descriptor = flight.FlightDescriptor.for_command(b\'{"dataset": "gone", "commit": "explicit"}\')\n'
        "batch = pa.record_batch({'x': pa.array(range(100_000))})\n"
        "writer, reader = client.do_put(descriptor, batch.schema, options)\n"
        "for _ in range(20):\n"
        "    writer.write_batch(batch)\n"
        "print('sent', flush=True)\n"
        "if how == 'killed': os.kill(os.getpid(), 9)\n"
        "if how == 'dropped': del writer, reader; sys.exit(0)\n"
        "if how == 'deadline': reader.read()\n"
        "with writer: raise ValueError('of the client')\n"
    )
    subprocess.run([sys.executable, str(script), how, own_server.location], capture_output=True, check=False, timeout=60)
    staging = Path(own_server.store_dir) / "staging"
    deadline = time.monotonic() + 10
    with connected(own_server.location) as client:
        while list(staging.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(staging.iterdir()) == []
        with pytest.raises((flight.FlightError, pa.ArrowException), match="unknown_dataset"):
            get_table(client, "gone")


def test_what_was_put_is_there_after_a_restart(own_server):
    with connected(own_server.location) as client:
        put_document(client, "kept.csv", b"a,b\n1,x\n2,y\n")
    own_server.restart()
    with connected(own_server.location) as client:
        assert get_table(client, "kept").to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_a_second_server_on_the_same_store_is_refused(own_server, tmp_path):
    command = [sys.executable, "-m", "flight_server", "serve", "--set", "server.location=grpc://127.0.0.1:0"]
    command += ["--set", f"store.path={own_server.store_dir}", "--set", f"plugins.plugin_dir={tmp_path / 'p'}"]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 1
    assert "Traceback" not in second.stderr
