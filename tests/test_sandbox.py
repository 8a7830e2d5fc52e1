"""The sandbox of child processes: what is not theirs is refused, in words, whoever asks; what formats need still works."""

import os
import re
import resource
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from effort import within
from nursery_tasks import TASKS, running
from plugin_samples import eventually, started
from structlog.testing import capture_logs

from flight_server.config import PluginLimits
from flight_server.configfile import ConfigError
from flight_server.nursery import frames, sandbox_files
from flight_server.nursery.environment import environment
from flight_server.nursery.nursery import Nursery
from flight_server.nursery.sandbox import Protection
from flight_server.plugins.loader import Rules
from flight_server.plugins.source import read
from flight_server.plugins.trial import Trial

LIMITS = PluginLimits(memory_bytes=512 << 20)
RULES = Rules(compatibility="semver", options_of=lambda _name: None)
PRESENT = sandbox_files.version()


@pytest.fixture(scope="module")
def nursery():
    with running("require") as shared:
        yield shared


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """What is not a plugin's: a file, and sockets that listen."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_UNIX) as stream, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            stream.bind(str(folder / "stream"))
            stream.listen()
            datagrams.bind(str(folder / "datagrams"))
            yield {
                "tcp": tcp.getsockname()[1],
                "udp": udp.getsockname()[1],
                "folder": str(folder),
                "home": str(Path.home()),
                "server": os.getpid(),
            }


def answer(nursery, text, limits=LIMITS):
    """What a child says that runs ``text``, or the error that it raised."""
    lines = "\n    ".join(text.splitlines())
    with nursery.child("run", plugin="sample.py", limits=limits) as child:
        frames.send(child.connection, f"try:\n    {lines}\nexcept Exception as error:\n    say(repr(error))".encode())
        message = frames.receive(child.connection, limit_bytes=1 << 20, deadline=time.monotonic() + 30)
        return (message or b"").decode() or child.wait(30).sentence


REFUSED = {
    "a file of the machine": "open('/etc/passwd')",
    "a file of the server's user": "open('{folder}/secret')",
    "the same through a link": "os.symlink('{folder}/secret', link := tempfile.mktemp()); open(link)",
    "the same through /proc": "open('/proc/self/root{folder}/secret')",
    "a file for writing": "open('{folder}/secret', 'a')",
    "to cut a file": "os.truncate('{folder}/secret', 0)",
    "a new file": "open('{folder}/new', 'w')",
    "a new folder": "os.mkdir('{folder}/new')",
    "a new file among the interpreter's": "open(os.path.dirname(os.__file__) + '/new_module.py', 'w')",
    "to remove a file": "os.remove('{folder}/secret')",
    "to move a file": "os.rename('{folder}/secret', own + '/secret')",
    "a file's mode": "os.chmod('{folder}/secret', 0o600)",
    "a file's time": "os.utime('{folder}/secret')",
    "a file's attributes": "os.setxattr('{folder}/secret', 'user.x', b'x')",
    "the list of a folder": "os.listdir('{folder}')",
    "the list of the home folder": "os.listdir('{home}')",
    "the list of the root": "os.listdir('/')",
    "the list of others' own folders": "os.listdir(os.path.dirname(own))",
    "the server's memory": "open('/proc/{server}/mem', 'rb')",
    "the server's environment": "open('/proc/{server}/environ', 'rb')",
    "the parent's descriptors": "os.listdir(f'/proc/{{os.getppid()}}/fd')",
    "memory that is shared by name": "import _posixshmem; _posixshmem.shm_open('/x', os.O_CREAT | os.O_RDWR, 0o600)",
    "TCP": "socket.create_connection(('127.0.0.1', {tcp}))",
    "a port": "socket.create_server(('127.0.0.1', 0))",
    "UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {udp}))",
    "a unix socket": "socket.socket(socket.AF_UNIX).connect('{folder}/stream')",
    "datagrams to a unix socket": "socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'x', '{folder}/datagrams')",
    "an address for one of a pair": "socket.socketpair()[0].bind(own + '/socket')",
    "a program": "os.execv('/bin/true', ['true'])",
    "a process": "os.fork()",
    "a signal for the parent": "os.kill(os.getppid(), 0)",
    "a signal for the server": "os.kill({server}, 0)",
    "a signal for its group": "os.killpg(0, 0)",
    "a signal for all": "os.kill(-1, 0)",
    "a signal for the first process": "signal.pidfd_send_signal(os.open('/proc/self', 0), 0)",
    "the parent's priority": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 0)",
    "the parent's processors": "os.sched_setaffinity(os.getppid(), os.sched_getaffinity(0))",
    "the parent's limits": "resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0))",
    "another account": "os.setuid(12345)",
}
FIRST = "import os, resource, signal, socket, tempfile; own = tempfile.gettempdir()"


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_the_childs_is_refused(nursery, outside, text):
    assert answer(nursery, f"{FIRST}\n{text.format(**outside)}\nsay('done')").startswith("PermissionError(")
    assert Path(outside["folder"], "secret").read_text() == "secret"


CALLS = {
    "ptrace": "libc.ptrace(16, os.getppid(), 0, 0)",
    "execve": "libc.execv(b'/bin/true', (ctypes.c_char_p * 2)(b'true'))",
    "fexecve": "libc.fexecve(0, (ctypes.c_char_p * 2)(b'x'), (ctypes.c_char_p * 1)())",
    "fork": "libc.fork()",
    "process_vm_readv": "libc.process_vm_readv(os.getppid(), None, 0, None, 0, 0)",
    "io_uring_setup": "libc.syscall(425, 8, ctypes.create_string_buffer(120))",
    "unshare": "libc.unshare(0x10000000)",
    "mount": "libc.mount(b'none', own.encode(), b'tmpfs', 0, None)",
    "inotify_init": "libc.inotify_init1(0)",
    "shmget": "libc.shmget(0, 4096, 0o600)",
    "keyctl": "libc.syscall({'x86_64': 250, 'aarch64': 219}[os.uname().machine], 0, 0, 0)",
    "F_SETOWN": "libc.fcntl(3, 8, os.getppid())",
    "an end of the pact with the parent": "libc.prctl(1, 0, 0, 0, 0)",
    "setrlimit": "libc.setrlimit(4, (ctypes.c_ulong * 2)(0, 0))",
    "vfork": "libc.vfork()",
    "a process of clone": "libc.syscall({'x86_64': 56, 'aarch64': 220}[os.uname().machine], 17, 0, 0, 0, 0)",
    "userfaultfd": "libc.syscall({'x86_64': 323, 'aarch64': 282}[os.uname().machine], 0)",
    "pidfd_open": "libc.syscall(434, os.getppid(), 0)",
    "an abstract address": "libc.connect(socket.socketpair()[0].fileno(), b'\\1\\0\\0x', 4)",
    "netlink": "libc.socket(16, 3, 0)",
    "AF_ALG": "libc.socket(38, 5, 0)",
    "vsock": "libc.socket(40, 1, 0)",
    "memory in a file without a folder": "libc.memfd_create(b'x', 0)",
    "another group": "libc.setpgid(0, os.getpgid(os.getppid()))",
    "another session": "libc.setsid()",
    "a lease on a file of others": "libc.fcntl(os.open(os.__file__, 0), 1024, 0)",
    "to watch a folder": "libc.fcntl(os.open(os.path.dirname(os.__file__), 0), 1026, 2)",
    "to hold up the disk": "libc.syncfs(0)",
    "its own account again": "libc.setresuid(0, 0, 0)",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_native_code_is_refused_it_too(nursery, call):
    text = f"{FIRST}\nimport ctypes; libc = ctypes.CDLL(None, use_errno=True)\nsay(({call}, ctypes.get_errno()))"
    assert answer(nursery, text) == "(-1, 1)"


def test_a_call_that_nobody_has_looked_at_is_unknown(nursery):
    text = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\nsay((libc.syscall(463, 0, 0), ctypes.get_errno()))"
    assert answer(nursery, text) == "(-1, 38)"


def test_threads_that_libraries_make_are_in_the_sandbox(nursery):
    text = (
        "import threading, pathlib, pyarrow as pa, pyarrow.csv as csv\n"
        "csv.read_csv(pa.py_buffer(b'a,b\\n' + b'1,2\\n' * 500_000))\n"
        "stop = threading.Event(); thread = threading.Thread(target=stop.wait); thread.start()\n"
        "tasks = [task.joinpath('status').read_text() for task in pathlib.Path('/proc/self/task').iterdir()]\n"
        "stop.set()\n"
        "say((len(tasks) > 2, {'Seccomp:\\t2' in task for task in tasks}))"
    )
    assert answer(nursery, text) == "(True, {True})"


WORKS = {
    "csv": "import pyarrow.csv as c; say(c.read_csv(pa.py_buffer(b'a,b\\n' + b'1,x\\n' * 300_000)).num_rows)",
    "parquet": "import pyarrow.parquet as p; p.write_table(table, own + '/x'); say(p.read_table(own + '/x').num_rows)",
    "json": "import pyarrow.json as j; say(j.read_json(pa.py_buffer(b'{\"a\": 1}\\n' * 300_000)).num_rows)",
    "dataset": "import pyarrow.dataset as d; d.write_dataset(table, own, format='parquet'); say(d.dataset(own).count_rows())",
    "sorting": "say(table.sort_by([('a', 'descending')]).num_rows)",
    "a memory map": "pa.OSFile(own + '/m', 'wb').write(bytes(300_000)); say(pa.memory_map(own + '/m').size())",
}


@pytest.mark.parametrize("text", WORKS.values(), ids=WORKS.keys())
def test_arrow_works(nursery, text):
    prelude = "import pyarrow as pa, tempfile; own = tempfile.gettempdir(); table = pa.table({'a': range(300_000)})"
    assert answer(nursery, f"{prelude}\n{text}") == "300000"


ALLOWED = {
    "temporary files": "tempfile.TemporaryFile().write(b'x'); say(1)",
    "named ones": "f = tempfile.NamedTemporaryFile(); f.write(b'x'); f.flush(); say(len(open(f.name).read()))",
    "folders": "d = tempfile.TemporaryDirectory(); os.rename(d.name, d.name + 'x'); os.mkdir(d.name); say(1)",
    "an event loop": "import asyncio; say(asyncio.run(asyncio.sleep(0, 1)))",
    "a pool of threads": "from concurrent.futures import ThreadPoolExecutor as P; say(P(4).submit(int, 1).result())",
    "a signal for itself": "signal.signal(10, lambda *_: say(1)); os.kill(os.getpid(), 10)",
    "time zones": "import datetime, zoneinfo; zoneinfo.ZoneInfo('Europe/Berlin'); say(1)",
    "modules of the interpreter": "import hashlib, mimetypes, sqlite3, ssl, uuid; mimetypes.init(); uuid.uuid4(); say(1)",
    "the database of a library": "import sqlite3; sqlite3.connect(own + '/x').execute('create table t (x)'); say(1)",
    "a library from its own folder": (
        "import _ctypes, ctypes, shutil; ctypes.CDLL(shutil.copyfile(_ctypes.__file__, own + '/x.so')); say(1)"
    ),
    "nothing": "open('/dev/null', 'w').write('x'); say(1)",
    "to know itself": "open('/proc/self/status').read(); os.cpu_count(); say(1)",
    "shared memory without a name": "import mmap; mmap.mmap(-1, 4096); say(1)",
    "functions that C code calls": "import ctypes; say(ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1)())",
    "a module beside those that were imported": "import trips; say(1)",
}


@pytest.mark.parametrize("text", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_libraries_need_works(nursery, text):
    assert answer(nursery, f"{FIRST}\n{text}") == "1"


def test_a_child_still_ends_by_abort(nursery):
    assert answer(nursery, "import os; os.abort()") == "was killed by SIGABRT"


def test_an_own_file_is_no_longer_than_allowed(nursery):
    text = f"{FIRST}\nopen(own + '/x', 'wb', 0).write(bytes(2048)); say(os.stat(own + '/x').st_size)"
    assert answer(nursery, text, replace(LIMITS, file_bytes=1024)) == "1024"


def test_the_own_folder_is_home_and_private_and_gone_at_the_end(nursery):
    with nursery.child("run", plugin="sample.py", limits=LIMITS) as child:
        frames.send(
            child.connection, f"{FIRST}\nopen(own + '/x', 'w'); say(own); say(os.path.expanduser('~')); hear()".encode()
        )
        own, home = (frames.receive(child.connection, limit_bytes=1000).decode() for _ in range(2))
        assert home == own
        assert Path(own).stat().st_mode & 0o777 == Path(own).parent.stat().st_mode & 0o777 == 0o700
    eventually(lambda: not Path(own).exists())


def test_a_child_leaves_nothing_however_deep_it_dug(nursery):
    text = (
        f"{FIRST}\nsay(own); os.chdir(own)\n"
        "for n in range(3000): os.mkdir('d' * 200); open('file', 'w').close(); os.chdir('d' * 200)\n"
        "os.mkdir('closed', 0); say('deep')"
    )
    with nursery.child("run", plugin="sample.py", limits=LIMITS) as child:
        frames.send(child.connection, text.encode())
        own, deep = (frames.receive(child.connection, limit_bytes=1000).decode() for _ in range(2))
        assert deep == "deep"
    eventually(lambda: not Path(own).exists())


def test_what_a_killed_server_left_is_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (left := tmp_path / "flight-spool-left" / "1").mkdir(parents=True)
    (left / "file").touch()
    (young := tmp_path / "flight-spool-young").mkdir()
    os.utime(left.parent, (0, 0))
    with running() as first:
        os.utime(next(tmp_path.glob("flight-spool-*[!gt]")), (0, 0))
        with running():
            assert not left.exists()
            assert young.exists()
        assert answer(first, "say(1)") == "1"
    assert list(tmp_path.iterdir()) == [young]


def test_a_full_disk_keeps_children_from_being_born(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with running() as nursery:
        for folder in tmp_path.iterdir():
            folder.rmdir()
        with pytest.raises(Exception, match="no child process can be had: it can have no folder: No such file or directory"):
            nursery.child("run", plugin="sample.py", limits=LIMITS)


PLUGIN = """
import os, resource, signal, socket, tempfile
from dataclasses import dataclass
from types import SimpleNamespace
import pyarrow as pa
from format_plugins.contract import PluginCapabilities, PluginMetadata

own = tempfile.gettempdir()
IMPORT

@dataclass(frozen=True)
class Options:
    pass

class Codec:
    def read_batches(self, data):
        READ
        return iter([pa.record_batch({'a': pa.array([], 'int64')})])
    def write_batches(self, batches):
        WRITE
        yield from (b'x' for batch in batches)

def create_plugin():
    metadata = PluginMetadata(name="sample", version="1.0.0", capabilities=PluginCapabilities(read=True, write=True))
    return SimpleNamespace(config_type=Options, metadata=lambda: metadata, create_format=lambda options: Codec())
"""
STAGES = {
    "IMPORT": "sample.py: it cannot be imported: ",
    "READ": "sample.py: reading what it had written failed: ",
    "WRITE": "sample.py: writing a small table (a: int64) failed: ",
}
#: These are refused in other words.
PROCESSES = ("a program", "a process")
REMARK = "the sandbox refuses files outside the plugin's own folder, the network, and other processes: plugins.sandbox"


def tried(nursery, folder, text):
    (folder / "sample.py").write_text(text)
    source = read(folder / "sample.py", limit_bytes=1 << 20)
    return Trial(nursery, timeout_secs=30, limits=LIMITS).run(source, 1, RULES)


@pytest.fixture(scope="module")
def trials():
    shared = Nursery(sandbox="require")
    shared.start()
    yield shared
    shared.stop()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("what", REFUSED)
def test_a_plugin_is_refused_it_at_import_in_reading_and_in_writing(trials, outside, tmp_path, stage, what):
    act = REFUSED[what].format(**outside)
    text = PLUGIN.replace(stage, act)
    for other in STAGES:
        text = text.replace(other, "pass")
    failure = tried(trials, tmp_path, text)
    assert failure.sentence.startswith(f"{STAGES[stage]}PermissionError: ")
    assert "PermissionError" in failure.traceback
    assert re.search(r"sample@\d+.py\", line", failure.traceback)
    if what not in PROCESSES:
        assert REMARK in failure.sentence
        assert failure.traceback.endswith(f"{REMARK}\n")


def test_a_plugin_cannot_read_its_own_folder(trials, tmp_path):
    text = PLUGIN.replace("IMPORT", "open(__file__)")
    assert "PermissionError: [Errno 13] Permission denied: 'sample.py'" in tried(trials, tmp_path, text).sentence


def test_a_plugin_that_asks_for_nothing_passes(trials, tmp_path):
    text = PLUGIN.replace("IMPORT", "").replace("READ", "").replace("WRITE", "")
    assert tried(trials, tmp_path, text) is None


def test_the_server_goes_on_after_all_of_it(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    for number, text in enumerate(REFUSED.values()):
        act = text.format(tcp=1, udp=1, folder=tmp_path, home=Path.home(), server=os.getpid())
        plugin = PLUGIN.replace("IMPORT", act).replace('"sample"', f'"sample{number}"')
        (folder / f"sample{number}.py").write_text(plugin)
    plugin = PLUGIN.replace("IMPORT", "").replace("READ", "").replace("WRITE", "").replace('"sample"', '"good"')
    (folder / "good.py").write_text(plugin)
    with started(folder, enable_hot_reload=False) as manager:
        states = {status.file: status.state for status in manager.statuses()}
    assert states.pop("good.py") == "active"
    assert set(states.values()) == {"rejected"}


def test_children_know_none_of_the_servers_secrets(monkeypatch):
    secrets = {"FLIGHT_TOKEN": "hush-1", "AWS_SECRET_ACCESS_KEY": "hush-2", "DATABASE_URL": "hush-3", "HOME": "/hush-4"}
    for name, value in {**secrets, "LC_TIME": "C", "TZ": "UTC"}.items():
        monkeypatch.setenv(name, value)
    with running("auto") as nursery:
        seen = answer(nursery, "import os; say((dict(os.environ), open('/proc/self/environ').read()))")
        assert "hush" not in seen
        assert "'LC_TIME': 'C'" in seen
        assert "'TZ': 'UTC'" in seen
        assert "hush" not in Path(f"/proc/{nursery.pid}/environ").read_text()


def test_the_environment_has_what_is_listed_and_nothing_else():
    own = {
        "PATH": "/bin",
        "LANG": "C",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "0",
        "PYTHONSTARTUP": "x",
        "SECRET": "x",
        "TMPDIR": "x",
    }
    assert environment(own, ["/a", "/b"]) == {
        "PATH": "/bin",
        "LANG": "C",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": "/a:/b",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": "33554432",
        "MALLOC_TRIM_THRESHOLD_": "134217728",
        "MALLOC_TOP_PAD_": "4194304",
    }


def test_a_store_beside_the_modules_that_the_server_runs_from_is_not_readable(tmp_path, monkeypatch):
    for name in ("data", "namespace"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret.py").write_text("")
    (tmp_path / "server.yaml").write_text("")
    (tmp_path / "sample_module.py").write_text("value = 1")
    (tmp_path / "sample_package").mkdir()
    (tmp_path / "sample_package" / "__init__.py").write_text("from sample_package import part")
    (tmp_path / "sample_package" / "part.py").write_text("value = 2")
    monkeypatch.syspath_prepend(str(tmp_path))
    with running("require") as nursery:
        (tmp_path / "changed").touch()  # what was cached of the folder is stale
        assert (
            answer(nursery, "import sample_module, sample_package as p; say((sample_module.value, p.part.value))") == "(1, 2)"
        )
        for name in ("server.yaml", "data/secret.py", "namespace/secret.py"):
            assert answer(nursery, f"open({str(tmp_path / name)!r})").startswith("PermissionError(13")
        assert answer(nursery, f"import os; os.listdir({str(tmp_path)!r})").startswith("PermissionError(13")


@pytest.mark.parametrize("version", range(1, PRESENT + 1))
def test_an_older_landlock_bounds_files_as_well(outside, version):
    nursery = Nursery(TASKS)
    nursery.protection = replace(nursery.protection, landlock=version)
    nursery.start()
    try:
        module = "import sys, shutil; place = shutil.__file__"
        for text in (
            "open('{folder}/secret')",
            "os.truncate('{folder}/secret', 0)",
            "os.open(place, os.O_RDONLY | os.O_TRUNC)",
            "open(place, 'a')",
            "os.kill({server}, 0)",
            "socket.create_connection(('127.0.0.1', {tcp}))",
        ):
            assert answer(nursery, f"{FIRST}\n{module}\n{text.format(**outside)}").startswith("PermissionError("), text
        assert answer(nursery, f"{FIRST}\nopen(own + '/x', 'w').write('x'); open(own + '/x', 'w'); say(1)") == "1"
    finally:
        nursery.stop()


@pytest.mark.parametrize("version", range(1, PRESENT + 1))
def test_landlock_alone_bounds_what_it_can(outside, version):
    nursery = Nursery(TASKS)
    nursery.protection = replace(nursery.protection, landlock=version, filter=False)
    nursery.start()
    try:
        answers = {
            text: answer(nursery, f"{FIRST}\n{text.format(**outside)}\nsay('done')").partition("(")[0]
            for text in ("open('{folder}/secret')", "socket.create_connection(('127.0.0.1', {tcp}))", "os.kill({server}, 0)")
        }
    finally:
        nursery.stop()
    assert list(answers.values()) == [
        "PermissionError",
        "PermissionError" if version >= 4 else "done",
        "PermissionError" if version >= 6 else "done",
    ]


def test_off_bounds_neither_files_nor_network_but_still_processes(outside):
    with running("off") as nursery:
        assert nursery.protection.as_dict() == {"mode": "off", "in_force": [], "missing": []}
        assert answer(nursery, "say(open('{folder}/secret').read())".format(**outside)) == "secret"
        connect = "import socket; socket.create_connection(('127.0.0.1', {tcp})); say(1)"
        assert answer(nursery, connect.format(**outside)) == "1"
        assert answer(nursery, "import ctypes; say(ctypes.CDLL(None).fork())") == "-1"
        assert "FLIGHT_PLUGIN_SANDBOX" not in answer(nursery, "import os; say(dict(os.environ))")


IN_FORCE = {
    (7, True): ("files: Landlock 7", "network: seccomp", "processes: seccomp", "signals: Landlock and seccomp"),
    (3, True): ("files: Landlock 3", "network: seccomp", "processes: seccomp", "signals: seccomp"),
    (0, True): ("network: seccomp", "processes: seccomp", "signals: seccomp"),
    (6, False): ("files: Landlock 6", "TCP: Landlock", "signals: Landlock"),
    (1, False): ("files: Landlock 1",),
    (0, False): (),
}


@pytest.mark.parametrize(("has", "told"), IN_FORCE.items(), ids=str)
def test_what_is_in_force_is_told(has, told):
    assert Protection("auto", has[0], filter=has[1]).in_force == told


def test_what_is_missing_is_told():
    missing = Protection("auto", 0, filter=False).missing
    assert [re.match(r"\w+", each)[0] for each in missing] == ["Landlock", "seccomp"]
    assert Protection("auto", 1, filter=True).missing == ()


def test_a_server_does_not_start_without_what_it_requires(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox_files, "version", lambda: 0)
    with pytest.raises(ConfigError) as refusal, started(tmp_path / "plugins", sandbox="require"):
        pass
    machine = f"Linux {os.uname().release} on {os.uname().machine}"
    assert str(refusal.value) == (
        f"plugins.sandbox is 'require', and this machine ({machine}) lacks Landlock, which bounds files "
        "(in Linux since 5.13, if it is enabled at boot: lsm=landlock)"
    )


@pytest.mark.parametrize(("version", "level"), [(None, "info"), (0, "warning")])
def test_the_log_and_the_status_say_once_what_is_in_force(tmp_path, monkeypatch, version, level):
    if version is not None:
        monkeypatch.setattr(sandbox_files, "version", lambda: version)
    with capture_logs() as logs, started(tmp_path / "plugins") as manager:
        told = manager.health()["sandbox"]
    (line,) = [log for log in logs if log["event"] == "the sandbox of plugins"]
    assert line == {"event": "the sandbox of plugins", "log_level": level, **told}
    assert told["mode"] == "auto"
    assert len(told["missing"]) == (version == 0)


@pytest.mark.slow
def test_the_sandbox_costs_a_child_less_than_five_milliseconds(nursery):
    def used(children):
        spent = []
        for _ in range(10):
            with children.child("run", plugin="sample.py", limits=LIMITS) as child:
                frames.send(child.connection, b"")
                spent.append(child.wait(30).cpu_secs)
        return min(spent)

    with running("off") as unprotected:
        assert used(nursery) - used(unprotected) < within(0.005)


def test_this_process_is_as_free_as_before():
    with running("auto"):
        pass
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > LIMITS.open_files
    assert "NoNewPrivs:\t0" in Path("/proc/self/status").read_text()
    assert Path(sys.executable).exists()
