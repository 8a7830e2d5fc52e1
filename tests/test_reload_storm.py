"""Plugins are replaced twenty times a second, some by broken ones, and no stream notices; `make reloads` prints the figures."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from effort import FULL, effort, report
from plugin_samples import eventually
from raw_flight import action, connected
from reload_storm import FILES, Deployer, first_of, hash_of, name_of, planned, storm

RELOADS = effort(60, 2000)  # ten a second, and twenty: see reload_storm
STREAMS = effort(4, 16)
#: The memory in use is the median over the streams' ups and downs: so many reloads long, after the first so many, and last.
WINDOW = effort(20, 100)
WARM_UP = effort(20, 300)
SAMPLE_SECS = 0.2
GROWTH_MB = 10
#: So many may be overtaken by the next before they are loaded: other tests run at the same time as a short storm.
MOST_SUPERSEDED = RELOADS // effort(5, 100)
SERVING_SECS = effort(1.0, 0.5)
#: Those of plugins.max_children, those that try plugins, those that make them, and some that are ending.
MOST_CHILDREN = 48
NAMES = [name_of(number) for number in range(FILES)]
ROOT = Path(__file__).resolve().parent.parent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def descendants(pid):
    """All processes that a process is an ancestor of."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def processor_time():
    """How much of it nobody used, and how much there was."""
    times = [int(each) for each in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return times[3] + times[4], sum(times)


class Samples:
    """The server's own memory and the number of its children, several times a second."""

    def __init__(self, pid):
        self._pid = pid
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._taken = []
        self._busy = []

    def __enter__(self):
        self._busy.append(processor_time())
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()
        self._busy.append(processor_time())

    @property
    def busy(self):
        """What part of the processors' time was used, by whomever."""
        (idle, passed), (idle_then, passed_then) = self._busy[1], self._busy[0]
        return 1 - (idle - idle_then) / (passed - passed_then)

    def _run(self):
        while not self._ending.wait(SAMPLE_SECS):
            status = Path(f"/proc/{self._pid}/status").read_text()
            resident_mb = int(status.split("VmRSS:")[1].split()[0]) / 1024
            self._taken.append((time.time(), resident_mb, len(descendants(self._pid))))

    def resident_mb(self, begun, ended):
        """The median over a time."""
        return statistics.median(mb for at, mb, _ in self._taken if begun <= at <= ended)

    @property
    def most_children(self):
        return max(children for _, _, children in self._taken)


class Outcome:
    """What became of the deployments, as the audit log says: when each began to serve, or was rejected."""

    def __init__(self, audit_log, deployments):
        numbers = {each.hash: each.number for each in deployments}
        steps = [json.loads(line) for line in audit_log.read_text().splitlines()]
        whole = numbers.keys() | {hash_of(first_of(number)) for number in range(FILES)}
        self.torn = {step["sha256"] for step in steps if step["event"] == "discovered"} - whole
        self.served = {}
        self.rejected = {}
        self._history = {name: [] for name in NAMES}
        for step in steps:
            number, at = numbers.get(step["sha256"]), datetime.fromisoformat(step["time"]).timestamp()
            if step["event"] == "active" and number is not None:
                self.served[number] = at
                self._history[step["plugin"]].append((at, number))
            elif step["event"] == "rejected" and number is not None:
                self.rejected[number] = at

    def newest(self, name, at):
        """The number of the deployment that served ``name`` at that time; 0 is what it began with."""
        history = self._history[name]
        index = bisect_left(history, (at, 0))
        return history[index - 1][1] if index else 0


@dataclass(frozen=True)
class Storm:
    """All that is known of one when it is over."""

    deployments: list
    outcome: Outcome
    streams: list
    samples: Samples
    took_secs: float
    converged: bool

    def latencies(self, kinds, times):
        """How long each of these kinds took from its last byte on, in order."""
        return sorted(times[each.number] - each.at for each in self.deployments if each.kind in kinds and each.number in times)

    @property
    def superseded(self):
        """Those that were overtaken by the next before anything became of them."""
        seen = self.outcome.served.keys() | self.outcome.rejected.keys()
        return [each for each in self.deployments if each.number not in seen]

    @property
    def wrong(self):
        """Those that began to serve and are broken, or were rejected and are not."""
        wrongs = {"good": self.outcome.rejected, "half": self.outcome.rejected, "broken": self.outcome.served}
        return [each for each in self.deployments if each.number in wrongs[each.kind]]

    def behind(self, when):
        """The streams whose generation was not the newest any more when they had ``begun`` or ``ended``."""
        return [each for each in self.streams if self._is_behind(each["marks"], each[when])]

    def _is_behind(self, marks, at):
        at -= 0.001  # the audit log gives the millisecond before
        return any(int(mark) < self.outcome.newest(name, at) for name, mark in marks.items())

    @property
    def growth_mb(self):
        at = [each.at for each in self.deployments]
        warm = self.samples.resident_mb(at[WARM_UP - 1], at[WARM_UP + WINDOW - 1])
        return self.samples.resident_mb(at[-WINDOW], at[-1]) - warm

    def figures(self):
        kinds = Counter(each.kind for each in self.deployments)
        ways = Counter(each.way for each in self.deployments)
        streams = Counter(each["kind"] for each in self.streams)
        good, bad = self.latencies(("good", "half"), self.outcome.served), self.latencies(("broken",), self.outcome.rejected)
        failed = [each for each in self.streams if each["error"]]
        yield f"{len(self.deployments)} deployments in {self.took_secs:.1f} s of {FILES} files: {told(kinds)}; by {told(ways)}"
        yield f"served {len(good)}, rejected {len(bad)}, superseded {len(self.superseded)}"
        yield f"from the last byte to serving: {spread(good)}; to being rejected: {spread(bad)}"
        yield (
            f"streams, {STREAMS} at a time: {told(streams)}; across a reload of their own plugin {len(self.behind('ended'))};"
            f" failed {len(failed)}, of which mixed {sum(each['mixed'] for each in failed)}"
        )
        yield (
            f"the server grew by {self.growth_mb:.1f} MB from reloads {WARM_UP} to {WARM_UP + WINDOW} to the last {WINDOW}"
            f" (medians of VmRSS); at most {self.samples.most_children} child processes"
        )
        yield f"the machine was {self.samples.busy:.0%} busy, with this and whatever else ran"


def told(counts):
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def spread(latencies):
    return f"p50 {median(latencies) * 1000:.0f} ms, p99 {p99(latencies) * 1000:.0f} ms, max {latencies[-1] * 1000:.0f} ms"


def median(latencies):
    return latencies[len(latencies) // 2]


def p99(latencies):
    return latencies[min(len(latencies) * 99 // 100, len(latencies) - 1)]


def carried(location):
    """A process that runs streams until its input ends."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "clients" / "python")))
    command = [sys.executable, str(Path(__file__).with_name("reload_streams.py")), location, str(STREAMS), *NAMES]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def follows(client, deployments):
    """Whether the newest bytes of each file were tried, and serve if they are good."""
    newest = {each.name: each for each in deployments}

    def is_so():
        shown = {each["name"]: each for each in action(client, "plugins")}
        return all(
            shown[name]["file_sha256"] == each.hash and (shown[name]["sha256"] == each.hash) == (each.kind != "broken")
            for name, each in newest.items()
        )

    with suppress(AssertionError):
        return eventually(is_so)
    return False


@pytest.fixture(scope="module")
def over(module_server, tmp_path_factory):
    """A storm, when it is over."""
    deployments = planned(RELOADS)
    deployer = Deployer(module_server.plugin_dir, tmp_path_factory.mktemp("outside"), deployments)
    with connected(module_server.location) as client:
        eventually(lambda: set(NAMES) <= {each["name"] for each in action(client, "formats")})
        with carried(module_server.location) as process, Samples(module_server.pid) as samples:
            took_secs = storm(deployer, deployments)
            converged = follows(client, deployments)
            streams = json.loads(process.communicate(timeout=60)[0])
    audit_log = module_server.store_dir / "plugins" / "audit.jsonl"
    result = Storm(deployments, Outcome(audit_log, deployments), streams, samples, took_secs, converged)
    for line in result.figures():
        report(line)
    return result


def test_no_stream_fails_and_each_is_of_one_generation(over):
    assert not [each["error"] for each in over.streams if each["error"]]


def test_streams_run_across_reloads_of_their_own_plugin(over):
    assert len(over.behind("ended")) >= len(over.streams) // 10 > 0


def test_a_stream_that_begins_gets_the_newest_generation(over):
    assert not over.behind("begun")


def test_what_is_good_serves_and_what_is_broken_is_rejected(over):
    assert not over.wrong
    assert len(over.superseded) <= MOST_SUPERSEDED


def test_no_file_is_tried_before_it_is_whole(over):
    assert not over.outcome.torn


def test_what_serves_in_the_end_is_what_lies_in_the_folder(over):
    assert over.converged


def test_a_deployment_serves_soon_after_its_last_byte(over):
    latencies = over.latencies(("good", "half"), over.outcome.served)
    assert (p99 if FULL else median)(latencies) < SERVING_SECS


def test_the_server_does_not_grow_and_its_children_are_few(over):
    assert over.samples.most_children <= MOST_CHILDREN
    assert over.growth_mb < GROWTH_MB or not FULL  # a few seconds say nothing of growth
