"""Many clients at once: every answer is right, and what they took is given back."""

import contextlib
import random
import threading
import time
import uuid
from pathlib import Path

import pyarrow as pa
import pytest
from effort import effort, report
from raw_flight import action, connected, get_document, get_table, put_batches, put_document

CLIENTS = 64
SECONDS = effort(8, 60)
NAMES = ["Ulm", "Bonn", 'a "quoted", one', "line\nbreak", ""]


def table_of(client_number, turn):
    rows = (client_number * 31 + turn * 7) % 900 + 1
    return pa.table(
        {
            "n": pa.array(range(rows), pa.int64()),
            "who": pa.array([f"client {client_number} turn {turn}"] * rows),
            "place": pa.array([NAMES[i % len(NAMES)] for i in range(rows)]),
        }
    )


def csv_of(table):
    lines = ["n,who,place"]
    lines += [f'{row["n"]},{row["who"]},"{row["place"].replace(chr(34), chr(34) * 2)}"' for row in table.to_pylist()]
    return ("\n".join(lines) + "\n").encode()


def one_turn(client, number, turn, generator):
    """Put a dataset natively or as CSV, read it back in one of three ways, and hold it against what was put."""
    table = table_of(number, turn)
    name = f"load/{number}"
    if generator.random() < 0.5:
        put_batches(client, {"dataset": name, "mode": "replace"}, table.to_batches(), commit={"rows": table.num_rows})
    else:
        put_document(client, {"dataset": name, "mode": "replace", "format": "csv"}, csv_of(table))
    how = generator.choice(["native", "arrow_stream", "part"])
    if how == "native":
        assert get_table(client, name).equals(table)
    elif how == "arrow_stream":
        data, _ = get_document(client, {"dataset": name, "format": "arrow_stream"})
        assert pa.ipc.open_stream(data).read_all().equals(table)
    else:
        part = get_table(client, {"dataset": name, "columns": ["place", "n"], "offset": 3, "limit": 10})
        assert part.equals(table.select(["place", "n"]).slice(3, 10))


def threads_and_files(pid):
    """Threads and open descriptors of a process; the allocator's own threads, one a processor, come with the first load."""
    names = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            names.append((task / "comm").read_text())
    ours = [name for name in names if not name.startswith("jemalloc")]
    return len(ours), len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_sixty_four_clients_get_right_answers_and_leave_nothing_behind(own_server):
    with connected(own_server.location) as client:
        one_turn(client, 999, 1, random.Random(1))
    time.sleep(1)
    before = threads_and_files(own_server.pid)
    failures, turns = [], [0] * CLIENTS
    end = time.monotonic() + SECONDS

    def work(number):
        generator = random.Random(number)
        try:
            with connected(own_server.location) as client:
                while time.monotonic() < end and not failures:
                    one_turn(client, number, turns[number], generator)
                    turns[number] += 1
        except BaseException as error:  # noqa: BLE001 - every kind of failure is one
            failures.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures, failures[0]
    assert min(turns) >= 1
    after = settled(own_server.pid, before)
    report(f"{CLIENTS} clients, {SECONDS} s, {sum(turns)} turns, all right; threads and files {before} before, {after} after")
    assert after[0] <= before[0] + 1  # gRPC's server keeps one thread to wait for calls, or two
    assert after[1] <= before[1]


def settled(pid, before):
    """What is left once everything had its time to go."""
    deadline = time.monotonic() + 90  # gRPC keeps threads that it made under load for some time
    while True:
        after = threads_and_files(pid)
        if (after[0] <= before[0] + 1 and after[1] <= before[1]) or time.monotonic() > deadline:
            return after
        time.sleep(0.1)


def test_the_same_put_id_at_the_same_time_is_stored_once(own_server):
    identity, answers = uuid.uuid4().hex, []
    batch = pa.record_batch({"x": pa.array(range(1000))})
    start = threading.Barrier(16)

    def work():
        with connected(own_server.location) as client:
            start.wait()
            answers.append(put_batches(client, {"dataset": "once", "put_id": identity}, [batch]))

    workers = [threading.Thread(target=work) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(answers) == 16
    assert sorted(answer["replayed"] for answer in answers) == [False] + [True] * 15
    assert {answer["version"] for answer in answers} == {1}
    with connected(own_server.location) as client:
        assert get_table(client, "once").num_rows == 1000
        assert len(action(client, "versions", {"dataset": "once"})) == 1
