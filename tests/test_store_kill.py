"""kill -9 at every durable step and at any moment: nothing acknowledged is lost, nothing is torn, nothing is there twice."""

import json
import multiprocessing
import random
import time

import pytest
from effort import within
from store_workload import WRITERS, carry_out, open_store, work

from flight_server.failpoints import NAMES

RANDOM_KILLS = 40
DEADLINE_SECS = 60


@pytest.fixture(scope="module")
def processes():
    """Processes that begin with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["store_workload"])
    return context


def killed(processes, folder, journal, seed, *, failpoints="", after=None):
    """Let a store work until it is killed, by a failpoint or after so many seconds of work."""
    process = processes.Process(target=work, args=(str(folder), str(journal), failpoints, seed))
    process.start()
    if after is not None:
        deadline = time.monotonic() + DEADLINE_SECS
        while not (journal.exists() and str(seed * 1_000_000 + 1) in journal.read_text()) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(after)
        process.kill()
    process.join(DEADLINE_SECS)
    assert process.exitcode == -9
    process.close()


def histories(journal):
    """What was tried, by dataset, and whether the last of it was answered."""
    lines = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    tried = {f"w{number}": [] for number in range(WRITERS)}
    acked = dict.fromkeys(tried, 0)
    for kind, dataset, step in lines:
        if kind == "try":
            tried[dataset].append(step)
        else:
            acked[dataset] += 1
    return {dataset: (steps, acked[dataset] == len(steps)) for dataset, steps in tried.items()}


def expected(steps):
    """The puts that a dataset holds after these steps, each with its rows; None when there is no dataset."""
    held = None
    for step in steps:
        if step["op"] == "drop":
            held = None
        else:
            kept = held if held is not None and step["op"] == "append" else []
            held = [*kept, (step["n"], step["rows"])]
    return held


def found(store, dataset):
    if dataset not in {info.dataset for info in store.list()}:
        return None
    with store.snapshot(dataset) as snapshot:
        rows = snapshot.reader().read_all().to_pydict()
    puts = []
    for number, count in zip(rows["put"], rows["of"], strict=True):
        if not puts or puts[-1][0] != number:
            puts.append([number, 0, count])
        puts[-1][1] += 1
    assert all(there == count for _, there, count in puts), "torn"
    assert len(rows["put"]) == snapshot.rows
    return [(number, count) for number, _, count in puts]


def check(folder, journal, *, resend):
    """Open what a kill left, hold it against the journal, and do again what was not answered."""
    started = time.monotonic()
    store = open_store(folder)
    assert time.monotonic() - started < within(2)
    try:
        with journal.open("a") as log:
            for dataset, (steps, answered) in histories(journal).items():
                state = found(store, dataset)
                if answered:
                    assert state == expected(steps)
                    continue
                assert state in (expected(steps[:-1]), expected(steps))
                if resend and not (steps[-1]["op"] == "drop" and state is None):
                    carry_out(store, dataset, steps[-1])
                    assert found(store, dataset) == expected(steps)
                print(json.dumps(["ack", dataset, steps[-1]]), file=log)
        assert not list((folder / "staging").iterdir())
        assert {path.stem for path in (folder / "segments").rglob("*.arrows")} == store._catalog.files()
    finally:
        store.close()


@pytest.mark.parametrize("turn", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_a_store_killed_at_this_step_has_all_that_was_acknowledged(tmp_path, processes, name, turn):
    folder, journal = tmp_path / "store", tmp_path / "journal"
    killed(processes, folder, journal, 1, failpoints=f"{name}=kill@{1 if name.startswith('store.open') else turn}")
    check(folder, journal, resend=True)
    killed(processes, folder, journal, 2, failpoints=f"{name}=kill")
    check(folder, journal, resend=True)


def test_a_store_killed_again_and_again_at_any_moment_has_all_that_was_acknowledged(tmp_path, processes):
    folder, journal = tmp_path / "store", tmp_path / "journal"
    chance = random.Random(2)
    for seed in range(1, RANDOM_KILLS + 1):
        killed(processes, folder, journal, seed, after=chance.random() * 0.1)
        check(folder, journal, resend=True)
    assert sum(len(steps) for steps, _ in histories(journal).values()) > RANDOM_KILLS * WRITERS
