"""Child processes: they do their task within limits, every end is told in words, and none outlives the server."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from effort import within
from nursery_tasks import TASKS, running
from plugin_samples import eventually
from procfs import descriptors, in_use, is_alive
from structlog.testing import capture_logs

from flight_server.config import PluginLimits
from flight_server.errors import Busy
from flight_server.nursery import frames, output
from flight_server.nursery.nursery import Nursery

SMALL = PluginLimits(memory_bytes=256 << 20)


@pytest.fixture(scope="module")
def nursery():
    with running() as shared:
        yield shared


def start(nursery, text, limits=SMALL):
    child = nursery.child("run", plugin="sample.py", limits=limits)
    frames.send(child.connection, text.encode())
    return child


def hear(child, secs=20):
    message = frames.receive(child.connection, limit_bytes=1 << 20, deadline=time.monotonic() + secs)
    return message and message.decode()


def ending(nursery, text, limits=SMALL):
    """How a child ends that runs ``text``."""
    with start(nursery, text, limits) as child:
        return child.wait(20)


def test_a_child_does_its_task_and_answers(nursery):
    with start(nursery, "say(6 * 7)") as child:
        assert hear(child) == "42"
        assert child.wait(20).kind == "ended"


def test_a_child_is_born_within_some_milliseconds(nursery):
    took = []
    for _ in range(20):
        before = time.monotonic()
        with nursery.child("run", plugin="sample.py", limits=SMALL):
            took.append(time.monotonic() - before)
    assert min(took) < within(0.05)


def test_connection_and_child_speak_both_ways(nursery):
    with start(nursery, "say(hear().decode().upper())") as child:
        frames.send(child.connection, b"loud")
        assert hear(child) == "LOUD"


ENDINGS = {
    "segfault": ("import ctypes; ctypes.string_at(0)", "crashed", "was killed by SIGSEGV"),
    "abort": ("import os; os.abort()", "crashed", "was killed by SIGABRT"),
    "killed": (
        "import os; os.kill(os.getpid(), 9)",
        "crashed",
        "was killed by SIGKILL, which the server did not send; perhaps the machine is short of memory",
    ),
    "silence": ("import os; os._exit(0)", "ended", "ended without an answer"),
    "exit": ("import os; os._exit(3)", "ended", "ended with code 3"),
    "sys.exit": ("import sys; sys.exit(4)", "ended", "ended with code 4"),
    "sys.exit with a text": ("import sys; sys.exit('no')", "ended", "ended with code 1"),
    "exception": ("raise ValueError", "ended", "ended with code 1"),
    "python's memory": (
        "x = [bytearray(1 << 20) for _ in range(10_000)]",
        "memory",
        "ran out of memory (plugins.limits.memory_bytes allows 268,435,456 bytes)",
    ),
    "arrow's memory": (
        "import pyarrow as pa; x = [pa.allocate_buffer(16 << 20) for _ in range(100)]",
        "memory",
        "ran out of memory (plugins.limits.memory_bytes allows 268,435,456 bytes)",
    ),
}


@pytest.mark.parametrize(("text", "kind", "sentence"), ENDINGS.values(), ids=ENDINGS.keys())
def test_every_end_is_told_in_words(nursery, text, kind, sentence):
    end = ending(nursery, text)
    assert (end.kind, end.sentence) == (kind, sentence)


def test_a_crash_for_want_of_memory_is_told_as_such(nursery):
    end = ending(nursery, "import os\nx = [b'x' * (1 << 20) for _ in range(195)]\nos.abort()")
    assert end.kind == "memory"
    assert end.sentence.startswith("was killed by SIGABRT, most likely out of memory (plugins.limits.memory_bytes allows")


def test_memory_that_is_given_back_is_had_again_without_the_kernel(nursery):
    text = """
import resource
import pyarrow as pa
for faults in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        pa.FixedSizeBufferWriter(pa.allocate_buffer(1 << 20)).write(bytes(1 << 20))
say(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    with start(nursery, text) as child:
        assert int(hear(child)) < 100 * (1 << 20) / 4096 / 4


def test_memory_that_is_shared_is_bounded_too(nursery):
    with start(nursery, "import mmap\ntry: mmap.mmap(-1, 4 << 30)\nexcept OSError as error: say(error)") as child:
        assert "Cannot allocate memory" in hear(child)


@pytest.mark.parametrize("call", ["memfd_create(b'x', 0)", "prctl(1, 0, 0, 0, 0)", "setfsgid(1)", "setresuid(1, 1, 1)"])
def test_what_limits_and_the_pact_with_the_server_rest_on_is_for_good_without_a_sandbox_too(nursery, call):
    with start(nursery, f"import ctypes; say(ctypes.CDLL(None).{call})") as child:
        assert hear(child) == "-1"


def test_processor_time_is_bounded(nursery):
    end = ending(nursery, "while True: pass", PluginLimits(cpu_secs=1))
    assert (end.kind, end.sentence) == ("cpu", "used up its 1 s of processor time (plugins.limits.cpu_secs)")


def test_open_files_are_bounded(nursery):
    with start(nursery, "try: x = [open('/dev/null') for _ in range(500)]\nexcept OSError as error: say(error)") as child:
        assert "Too many open files" in hear(child)


def test_the_length_of_files_is_bounded(nursery, tmp_path):
    text = f"open({str(tmp_path / 'long')!r}, 'wb', 0).write(bytes(2048)); say('done')"
    with start(nursery, text, PluginLimits(file_bytes=1024)) as child:
        assert hear(child) == "done"
    assert (tmp_path / "long").stat().st_size == 1024


PROCESSES = {
    "os.fork": "import os; os.fork()",
    "subprocess": "import subprocess; subprocess.run(['true'])",
    "os.system": "import os; os.system('true')",
    "os.posix_spawn": "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "multiprocessing": "import multiprocessing as m; m.get_context('fork').Process(target=print).start()",
}


@pytest.mark.parametrize("text", PROCESSES.values(), ids=PROCESSES.keys())
def test_a_child_cannot_start_processes_and_is_told_so(nursery, text):
    with start(nursery, f"try:\n    {text}\nexcept PermissionError as error:\n    say(error)") as child:
        assert hear(child) == "a plugin may not start processes"


@pytest.mark.parametrize("call", ["fork()", "vfork()", "syscall(56, 17, 0, 0, 0, 0)", "syscall(435, 0, 0)"])
def test_native_code_cannot_start_processes_either(nursery, call):
    with start(nursery, f"import ctypes; say(ctypes.CDLL(None).{call})") as child:
        assert hear(child) == "-1"


def test_a_child_can_start_threads(nursery):
    with start(nursery, "import threading; t = threading.Thread(target=say, args=('hi',)); t.start(); t.join()") as child:
        assert hear(child) == "hi"


def test_a_child_that_starts_threads_without_end_is_killed(nursery):
    text = "import threading as t, time\nt.stack_size(32 << 10)\nwhile True: t.Thread(target=time.sleep, args=(99,)).start()"
    end = ending(nursery, text, PluginLimits())
    assert (end.kind, end.sentence) == ("killed", "was killed: it had more than 1,024 threads")


def test_a_child_has_its_own_descriptors_and_no_others(nursery):
    text = "import os; say(sorted(os.readlink(f'/proc/self/fd/{n}').partition(':')[0] for n in range(4)));"
    with start(nursery, text + "say([n for n in range(4, 256) if os.path.exists(f'/proc/self/fd/{n}')])") as child:
        assert hear(child) == "['/dev/null', 'pipe', 'pipe', 'socket']"
        assert hear(child) == "[]"


def test_a_child_leaves_no_core_and_is_the_first_that_the_machine_gives_up(nursery):
    text = "import resource; say((resource.getrlimit(resource.RLIMIT_CORE), open('/proc/self/oom_score_adj').read().strip()))"
    with start(nursery, text) as child:
        assert hear(child) == "((0, 0), '1000')"


def test_neither_parent_nor_child_knows_grpc(nursery):
    with start(nursery, "say(open('/proc/self/maps').read().count('libarrow_flight'))") as child:
        assert hear(child) == "0"


def test_a_child_survives_the_signal_that_tells_a_server_to_drain(nursery):
    with start(nursery, "say('here'); say(hear())") as child:
        hear(child)
        os.kill(child.pid, signal.SIGTERM)
        os.kill(nursery.pid, signal.SIGTERM)
        frames.send(child.connection, b"still")
        assert hear(child) == "b'still'"


def test_what_is_killed_says_why_and_where_it_was(nursery):
    with start(nursery, "import time\ndef dream(): say('asleep'); time.sleep(100)\ndream()") as child:
        hear(child)
        child.kill("it took longer than 1 s", with_last_words=True)
        end = child.wait(20)
    assert (end.kind, end.sentence) == ("killed", "was killed: it took longer than 1 s")
    assert "line 2 in dream" in end.output


def test_a_child_that_ended_before_it_is_killed_ended_as_it_did(nursery):
    with start(nursery, "import os; os._exit(7)") as child:
        child.wait(20)
        child.kill("too late")
        assert child.wait(0).sentence == "ended with code 7"


def test_a_child_that_is_closed_is_killed(nursery):
    with start(nursery, "import time; say('here'); time.sleep(100)") as child:
        hear(child)
        pid = child.pid
        assert is_alive(pid)
    assert child.wait(20).kind == "killed"
    assert not is_alive(pid)


def test_waiting_for_a_child_may_take_too_long(nursery):
    with start(nursery, "hear()") as child, pytest.raises(TimeoutError):
        child.wait(0.05)


def test_children_run_side_by_side_from_any_thread(nursery):
    def double(number):
        with start(nursery, f"import time; time.sleep(0.01); say({number} * 2)") as child:
            return int(hear(child))

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(double, range(64))) == [number * 2 for number in range(64)]


def test_two_hundred_children_leave_no_descriptor_no_thread_and_no_zombie(nursery):
    ending(nursery, "pass")
    eventually(lambda: nursery.children == 0)
    before, parents_before = in_use(), descriptors(nursery.pid)
    for number in range(200):
        text = ("say('x')", "import os; os.abort()", "print('x')", "raise ValueError")[number % 4]
        with start(nursery, text):
            pass
    eventually(lambda: nursery.children == 0)
    eventually(lambda: in_use() <= before)
    eventually(lambda: descriptors(nursery.pid) == parents_before)
    assert Path(f"/proc/{nursery.pid}/task/{nursery.pid}/children").read_text() == ""


def test_what_a_child_prints_is_logged_line_by_line_under_its_name(nursery):
    with capture_logs() as logs:
        ending(nursery, "import sys; print('one\\ntwo'); sys.stderr.write('three'); print('\\x1b[31mred\\x00')")
    said = [(log["plugin"], log["task"], log["stream"], log["text"]) for log in logs if "text" in log]
    assert [line for line in said if line[2] == "stdout"] == [
        ("sample.py", "run", "stdout", text) for text in ("one", "two", " [31mred ")
    ]
    assert ("sample.py", "run", "stderr", "three") in said


def test_a_flood_of_output_is_bounded_and_counted(nursery):
    with capture_logs() as logs:
        ending(nursery, "for n in range(50_000): print(n)\nprint('y' * 100_000)")
    assert len([log for log in logs if "text" in log]) < output.BURST_LINES + 100
    assert max(len(log.get("text", "")) for log in logs) <= output.LINE_CHARS + 1
    assert sum(log.get("lines", 0) for log in logs) > 49_000


def test_a_child_that_floods_its_output_does_not_hold_up_others(nursery):
    with start(nursery, "while True: print('x' * 1000)"):
        for _ in range(5):
            with start(nursery, "say(1)") as child:
                assert hear(child, 5) == "1"


def test_a_parent_that_dies_is_started_again_and_its_children_end_with_it():
    with capture_logs() as logs, running() as nursery, start(nursery, "import time; say('here'); time.sleep(100)") as child:
        hear(child)
        first = nursery.pid
        os.kill(first, signal.SIGKILL)
        end = child.wait(20)
        assert (end.kind, end.sentence) == ("lost", "was killed: the process that it was forked from has ended")
        assert not is_alive(child.pid)
        with start(nursery, "say('again')") as after:
            assert hear(after) == "again"
        assert nursery.pid != first
    assert [log["code"] for log in logs if log["log_level"] == "error"] == [-9]


def test_a_child_that_kills_its_parent_only_ends_itself():
    with running() as nursery:
        assert ending(nursery, "import os; os.kill(os.getppid(), 9); hear()").kind == "lost"
        with start(nursery, "say('again')") as after:
            assert hear(after) == "again"


def test_stopping_ends_all_and_leaves_nothing():
    before = in_use()
    with running() as nursery:
        parent = nursery.pid
        child = start(nursery, "import time; say('here'); time.sleep(100)")
        hear(child)
    assert child.wait(0).sentence == "was killed: the server stops"
    assert not is_alive(child.pid)
    assert not is_alive(parent)
    child.close()
    assert in_use() <= before


def test_a_nursery_starts_again_after_it_was_stopped():
    with running() as nursery:
        nursery.stop()
        nursery.start()
        with start(nursery, "say(1)") as child:
            assert hear(child) == "1"


def test_a_stopped_nursery_says_so():
    nursery = Nursery(TASKS)
    with pytest.raises(Busy, match="no child process can be had: the nursery is not running"):
        nursery.child("run", plugin="sample.py", limits=SMALL)


def test_a_parent_that_cannot_start_is_tried_again_and_does_not_hold_up_the_server():
    before = in_use()
    with capture_logs() as logs:
        nursery = Nursery({"run": "no_such_module:run"})
        nursery.start()
        eventually(lambda: sum("it is started again" in log["event"] for log in logs) >= 2)
        nursery.stop()
    assert any("No module named 'no_such_module'" in log.get("text", "") for log in logs)
    assert in_use() <= before


def test_an_unknown_task_is_refused(nursery):
    with pytest.raises(Busy, match="nothing of the kind"):
        nursery.child("nothing of the kind", plugin="sample.py", limits=SMALL)


HOST = """
import sys, time
sys.path[:0] = {path!r}
from nursery_tasks import TASKS
from flight_server.nursery import frames
from flight_server.nursery.nursery import Nursery
from flight_server.config import PluginLimits
nursery = Nursery(TASKS)
nursery.start()
pids = [nursery.pid]
for text in ("say(1)\\nwhile True: pass", "import time; say(1); time.sleep(600)", "say(1); hear()"):
    child = nursery.child("run", plugin="x", limits=PluginLimits())
    frames.send(child.connection, text.encode())
    frames.receive(child.connection, limit_bytes=100)
    pids.append(child.pid)
print(*pids, flush=True)
time.sleep(600)
"""


def test_no_process_is_left_when_its_host_is_killed():
    host = subprocess.Popen([sys.executable, "-c", HOST.format(path=sys.path)], stdout=subprocess.PIPE)
    with host, host.stdout:
        pids = [int(pid) for pid in host.stdout.readline().split()]
        assert len(pids) == 4
        assert all(map(is_alive, pids))
        host.kill()
    eventually(lambda: not any(map(is_alive, pids)))
