"""A native library is deployed as any plugin is: by copying it. The server runs none of its code."""

import re
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from effort import report
from native_plugins import COMPILER, NATIVE, Builder, needs_compiler, run
from plugin_samples import eventually
from procfs import plugin_processes, used_secs
from pyarrow import flight
from raw_flight import (
    PAYLOAD,
    action,
    chunked,
    code_of,
    connected,
    descriptor,
    finish,
    get_document,
    get_table,
    put_batches,
    put_document,
)

from flight_server.plugins.loader import Loader
from flight_server.plugins.source import read

pytestmark = needs_compiler

EXAMPLE = NATIVE / "examples" / "c"
GOLDEN = Path(__file__).parent / "data" / "npy" / "records.npy"
MACHINE_AT = 18
ARM = 183
CHUNK = pa.record_batch([pa.array([bytes(1 << 20)], pa.binary())], schema=PAYLOAD)
#: The same bytes crash on purpose, again and again.
SETTINGS = {"plugins.quarantine_crashes": 0}
#: Puts, and never ends.
HANGING_CLIENT = """
import sys, time
from pyarrow import flight
import raw_flight
client = flight.connect(sys.argv[1])
request = {"dataset": "left", "format": "numbers", "options": {"fault": "cancel"}}
writer, _ = client.do_put(raw_flight.descriptor(request), raw_flight.PAYLOAD)
for batch in raw_flight.chunked(bytes(1 << 20)):
    writer.write_batch(batch)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return Builder(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def npy(tmp_path_factory):
    """The example in C, built with its one command in a folder of its own, as version 1.0.0 and as 2.0.0."""
    found = {}
    for version in ("1.0.0", "2.0.0"):
        folder = tmp_path_factory.mktemp("npy") / "c"
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("*.o", "*.so"))
        shutil.copy(NATIVE / "format_plugin.h", folder)
        source = folder / "plugin.c"
        source.write_text(source.read_text().replace(r"\"version\": \"1.0.0\"", rf"\"version\": \"{version}\""))
        run(["make", "-C", folder, "INTERFACE=."])
        found[version] = folder / "libnpy.so"
    return found


@pytest.fixture(scope="module")
def client(module_server):
    with connected(module_server.location) as connection:
        yield connection


class Deployment:
    """What is deployed as `libnumbers.so`, and what the server makes of it."""

    def __init__(self, server, client):
        self.file = Path(server.plugin_dir) / "libnumbers.so"
        self.client = client

    def copy(self, content):
        """Overwrite it in place, as cp does."""
        self.file.write_bytes(content)

    @property
    def status(self):
        found = [each for each in action(self.client, "plugins") if each["file"] == self.file.name]
        return found[0] if found else None

    def serves(self, content, version):
        self.copy(content)
        eventually(lambda: (self.status or {}).get("version") == version and self.status["state"] == "active")

    def rejected(self, content):
        """Why the server does not take ``content``."""
        before = (self.status or {}).get("failures", 0)
        self.copy(content)
        eventually(lambda: (self.status or {}).get("failures", 0) > before)
        return self.status["last_error"]


@pytest.fixture
def numbers(module_server, client):
    """The server that the tests of this module share, from which it is gone again at the end."""
    deployment = Deployment(module_server, client)
    yield deployment
    deployment.file.unlink(missing_ok=True)
    eventually(lambda: deployment.status is None)


def version(number):
    """The macros of a build whose every batch tells which it is of."""
    return (f'VERSION="{number}.0.0"', f"FIRST={number}000", f'WRITTEN="{number}\\n"')


def formats(client):
    return {each["name"] for each in action(client, "formats")}


def looked_at_since(client, moment):
    """Wait until the server has looked at the plugin folder at some time after ``moment``."""

    def has_looked():
        asked = time.monotonic()
        return asked - action(client, "health")[0]["plugins"]["last_scan_age_secs"] > moment

    eventually(has_looked)


def put_numbers(client, dataset="n", **options):
    return put_batches(client, {"dataset": dataset, "format": "numbers", "options": options}, [], PAYLOAD)


def get_numbers(client, dataset="n", **options):
    return get_document(client, {"dataset": dataset, "format": "numbers", "options": options})[0]


def written(client):
    """Put a document; return the one build that all its rows and the answer are of."""
    answer = put_numbers(client, f"n{threading.get_ident()}-{time.monotonic_ns()}", batches=50)
    rows = get_table(client, answer["dataset"])["n"].to_pylist()
    number = rows[0] // 1000
    assert rows == list(range(number * 1000, number * 1000 + 100))
    assert answer["plugin"]["version"] == f"{number}.0.0"
    return number


def refused(call, *arguments, **options):
    """The code and the message that a call ends with."""
    with pytest.raises((flight.FlightError, pa.ArrowException)) as caught:
        call(*arguments, **options)
    return code_of(caught.value), str(caught.value)


class TestDeploying:
    def test_the_example_in_c_serves_puts_gets_and_exchanges(self, module_server, client, npy):
        began = time.monotonic()
        run(["cp", npy["1.0.0"], module_server.plugin_dir])
        eventually(lambda: "npy" in formats(client))
        report(f"from cp to serving: {(time.monotonic() - began) * 1000:.0f} ms")
        answer = put_document(client, "grid.npy", GOLDEN.read_bytes())
        assert answer["plugin"] == {"name": "npy", "version": "1.0.0", "generation": answer["plugin"]["generation"]}
        assert get_table(client, "grid").to_pydict() == {"id": [1, -2], "größe": [0.5, 1.5], "it's": [True, False]}
        document, _ = get_document(client, {"dataset": "grid", "format": "npy"})
        put_document(client, {"dataset": "again", "format": "npy"}, document)
        assert get_table(client, "again").equals(get_table(client, "grid"))
        writer, reader = client.do_exchange(descriptor({"from": {"format": "npy"}, "to": {"format": "csv"}}))
        with writer:
            writer.begin(PAYLOAD)
            for batch in chunked(GOLDEN.read_bytes(), 7):
                writer.write_batch(batch)
            writer.done_writing()
            text = b"".join(reader.read_all()["payload"].to_pylist()).decode()
        assert text.splitlines()[1:] == ["1,0.5,true", "-2,1.5,false"]

    def test_its_code_never_enters_the_server(self, module_server, numbers, build):
        numbers.serves(build(*version(1)), "1.0.0")
        put_numbers(numbers.client)
        assert numbers.status["runtime"] == "process"
        maps = Path(f"/proc/{module_server.pid}/maps").read_text()
        assert "libnumbers" not in maps
        assert numbers.status["sha256"] not in maps

    def test_a_library_that_is_still_being_copied_waits(self, numbers, build):
        content = build(*version(1))
        with numbers.file.open("wb") as file:
            file.write(content[:4096])
            file.flush()
            for _ in range(3):
                looked_at_since(numbers.client, time.monotonic())
                assert not (numbers.status or {}).get("failures")
                assert (numbers.status or {}).get("generation") is None
            file.write(content[4096:])
        eventually(lambda: (numbers.status or {}).get("state") == "active")

    def test_removing_it_undeploys_it(self, module_server, numbers, build):
        before = set(plugin_processes(module_server.pid))
        numbers.serves(build(*version(1)), "1.0.0")
        numbers.file.unlink()
        eventually(lambda: "numbers" not in formats(numbers.client))
        assert refused(put_numbers, numbers.client)[0] == "unknown_format"
        eventually(lambda: set(plugin_processes(module_server.pid)) <= before)

    def test_rollback_puts_the_build_before_back(self, numbers, build):
        for number in (1, 2):
            numbers.serves(build(*version(number)), f"{number}.0.0")
        action(numbers.client, "rollback", {"plugin": "numbers"})
        assert put_numbers(numbers.client)["plugin"]["version"] == "1.0.0"

    def test_after_a_restart_with_a_broken_file_the_last_good_bytes_serve(self, own_server, build):
        with connected(own_server.location) as client:
            numbers = Deployment(own_server, client)
            numbers.serves(build(*version(1)), "1.0.0")
        own_server.stop()
        numbers.copy(build(*version(2))[:5000])
        own_server.start()
        with connected(own_server.location) as client:
            assert put_numbers(client)["plugin"]["version"] == "1.0.0"
            (status,) = action(client, "plugin", {"name": "numbers"})
            assert status["state"] == "degraded"
            assert status["last_error"].startswith("libnumbers.so: it is incomplete")

    def test_a_library_larger_than_allowed_is_not_loaded(self, server_factory, build):
        server = server_factory(**{"plugins.max_plugin_bytes": 4096})
        with connected(server.location) as client:
            assert "larger than the 4,096 bytes of plugins.max_plugin_bytes" in Deployment(server, client).rejected(build())

    def test_with_a_list_of_what_is_allowed_nothing_else_runs(self, server_factory, build, tmp_path):
        server = server_factory(**{"plugins.allow": {"numbers": "0" * 64}})
        with connected(server.location) as client:
            said = Deployment(server, client).rejected(build(f'AT_OPEN=fopen("{tmp_path}/mark", "w")'))
            assert said.startswith("libnumbers.so has the sha256 ")
            assert "plugins.allow.numbers" in said
        assert not (tmp_path / "mark").exists()

    def test_its_options_are_strict(self, numbers, build):
        numbers.serves(build(*version(1)), "1.0.0")
        code, said = refused(put_numbers, numbers.client, batch=1)
        assert code == "unknown_option"
        assert "did you mean 'batches'?" in said
        assert refused(put_numbers, numbers.client, batches=-1)[0] == "unknown_option"
        assert refused(put_numbers, numbers.client, fault="option")[0] == "unknown_option"

    def test_what_is_configured_of_it_is_laid_under_the_requests_options(self, server_factory, build):
        server = server_factory(**{"plugins.plugin_configs": {"numbers": {"batches": 7}}})
        with connected(server.location) as client:
            Deployment(server, client).serves(build(*version(1)), "1.0.0")
            assert put_numbers(client)["rows"] == 14
            assert put_numbers(client, batches=1)["rows"] == 2

    @pytest.mark.parametrize("macros", [(), ("NO_MANIFEST",)])
    def test_it_cannot_be_configured_to_run_in_the_server(self, server_factory, build, macros):
        server = server_factory(**{"plugins.runtime": {"numbers": "in_process"}})
        with connected(server.location) as client:
            assert Deployment(server, client).rejected(build(*macros)) == (
                "libnumbers.so: plugins.runtime.numbers is in_process, and a native library runs in child processes only:"
                " set it to process, or leave it out"
            )

    def test_what_it_logs_is_in_the_servers_log_under_its_name(self, module_server, numbers, build):
        numbers.serves(build(*version(1)), "1.0.0")
        put_numbers(numbers.client, words=["heard of"])

        def lines():
            log = module_server.log_file.read_text(errors="replace").splitlines()
            return [line for line in log if "heard of" in line and '"plugin": "numbers"' in line]

        eventually(lines)


class TestReplacing:
    def test_another_build_of_the_example_takes_over(self, module_server, client, npy):
        for number, library in npy.items():
            run(["cp", library, module_server.plugin_dir])
            eventually(lambda number=number: number in {each["version"] for each in action(client, "plugins")})
            assert put_document(client, "g.npy", GOLDEN.read_bytes())["plugin"]["version"] == number

    def test_under_load_no_stream_fails_and_none_is_of_two_builds(self, numbers, module_server, build):
        numbers.serves(build(*version(1)), "1.0.0")
        numbers.client.do_put(descriptor("rows"), pa.schema({"n": pa.int64()}))[0].close()
        rows = pa.record_batch({"n": pa.array(range(1000))})
        put_batches(numbers.client, "rows", [rows] * 20)
        served, failures, done = {"put": set(), "get": set()}, [], threading.Event()

        def work(kind):
            try:
                with connected(module_server.location) as client:
                    while not done.is_set():
                        served[kind].add(written(client) if kind == "put" else self.read(client))
            except BaseException as error:
                failures.append(error)
                raise

        threads = [threading.Thread(target=work, args=(kind,)) for kind in ("put", "get")]
        for thread in threads:
            thread.start()
        for number in (2, 3, 4, 5):
            numbers.serves(build(*version(number)), f"{number}.0.0")
            eventually(lambda number=number: failures or all(number in seen for seen in served.values()), 20)
        done.set()
        for thread in threads:
            thread.join()
        assert not failures
        assert served["put"] | served["get"] == {1, 2, 3, 4, 5}

    def read(self, client):
        """Get a document; return the one build that wrote all of it."""
        lines = get_numbers(client, "rows").splitlines()
        assert len(set(lines)) == 1
        return int(lines[0])

    def test_a_stream_that_runs_ends_on_the_build_that_it_began_with(self, numbers, build):
        numbers.serves(build(*version(1)), "1.0.0")
        request = {"dataset": "held", "format": "numbers", "options": {"fault": "echo"}}
        writer, reader = numbers.client.do_put(descriptor(request), PAYLOAD)
        writer.write_batch(CHUNK)
        numbers.serves(build(*version(2)), "2.0.0")
        writer.write_batch(CHUNK)
        numbers.file.unlink()
        eventually(lambda: "numbers" not in formats(numbers.client))
        writer.write_batch(CHUNK)
        assert finish(writer, reader)["plugin"]["version"] == "1.0.0"
        assert get_table(numbers.client, "held")["n"].to_pylist() == list(range(1000, 1006))


def compiled(folder, source, *arguments):
    (folder / "source.c").write_text(source)
    run([COMPILER, "-shared", "-fPIC", "-o", folder / "made.so", folder / "source.c", *arguments])
    return (folder / "made.so").read_bytes()


def of_another_machine(content):
    changed = bytearray(content)
    struct.pack_into("<H", changed, MACHINE_AT, ARM)
    return bytes(changed)


def needing(folder):
    """A plugin that needs a library which is nowhere."""
    (folder / "needed.c").write_text("int needed(void) { return 0; }")
    run([COMPILER, "-shared", "-fPIC", "-o", folder / "libneeded.so", folder / "needed.c"])
    source = "int needed(void); int format_plugin_init(void) { return needed(); }"
    content = compiled(folder, source, f"-L{folder}", "-lneeded")
    (folder / "libneeded.so").unlink()
    return content


class TestRejecting:
    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda good: good[: len(good) // 2], r"it is incomplete: it needs [0-9,]+ bytes and has [0-9,]+"),
            (lambda _: b"", "it is empty"),
            (of_another_machine, "it is built for aarch64, and this machine is "),
            (lambda _: b"#!/bin/sh\necho\n", "it is a text file, not a library: it begins with '#!/bin/sh'"),
            (lambda good: good.replace(b'"name": "numbers"', b'"nama": "numbers"'), "unknown key 'nama'"),
            (lambda good: good.replace(b'"2.0.0"', b'"x.0.0"'), "no semantic version"),
        ],
    )
    def test_what_is_no_library_for_this_machine_is_told_and_the_old_one_serves(self, numbers, build, spoil, said):
        numbers.serves(build(*version(1)), "1.0.0")
        assert re.search(said, numbers.rejected(spoil(build(*version(2), "NO_METADATA"))))
        assert numbers.status["state"] == "degraded"
        assert put_numbers(numbers.client)["plugin"]["version"] == "1.0.0"

    @pytest.mark.parametrize(
        ("macros", "said"),
        [
            (("AT_INIT=extern void nowhere(void); nowhere()",), "the system's loader refuses it: undefined symbol: nowhere"),
            (("AT_OPEN=abort()",), "it was killed by SIGABRT while its library was opened"),
            (("AT_INIT=*(volatile int *)8 = 1",), "it was killed by SIGSEGV in format_plugin_init"),
            (("AT_METADATA=abort()",), "it was killed by SIGABRT in metadata_json"),
            (("AT_INIT=exit(3)",), "in format_plugin_init"),
            (('METADATA="{\\"name\\": \\"other\\", \\"version\\": \\"1.0.0\\"}"',), "what metadata_json says differs"),
            (("NO_WRITER",), "its capabilities say write, but it has no open_writer"),
            (('ABI="2.0"',), "it was built for version 2 of the native interface, and this host has 1"),
        ],
    )
    def test_what_fails_at_load_is_told_by_name_and_the_old_one_serves(self, numbers, build, macros, said):
        numbers.serves(build(*version(1)), "1.0.0")
        reason = numbers.rejected(build(*version(2), *macros))
        assert reason.startswith("libnumbers.so: ")
        assert said in reason
        assert put_numbers(numbers.client)["plugin"]["version"] == "1.0.0"

    def test_a_library_that_needs_one_which_is_nowhere_is_told(self, numbers, tmp_path):
        assert "libneeded.so: cannot open shared object file" in numbers.rejected(needing(tmp_path))

    @pytest.mark.parametrize("place", ["AT_OPEN", "AT_INIT", "AT_METADATA"])
    def test_one_that_hangs_at_load_is_told_within_its_time(self, server_factory, build, place):
        server = server_factory(**{"plugins.load_timeout_secs": 1.0})
        with connected(server.location) as client:
            said = Deployment(server, client).rejected(build(f"{place}=for (;;) continue"))
            assert "it took longer than 1 s (plugins.load_timeout_secs)" in said
            step = {"AT_OPEN": "opened", "AT_INIT": "format_plugin_init", "AT_METADATA": "metadata_json"}[place]
            assert re.search(rf" {step}(;|$)", said), said  # a machine that is busy is said to be, too
            eventually(lambda: not plugin_processes(server.pid))

    @pytest.mark.parametrize(("fault", "said"), [("segfault", "SIGSEGV"), ("abort", "SIGABRT"), ("offsets", "not valid")])
    def test_one_that_fails_in_its_trial_is_told_with_what_it_was_doing(self, server_factory, build, fault, said):
        server = server_factory(**{"plugins.plugin_configs": {"numbers": {"fault": fault}}})
        with connected(server.location) as client:
            reason = Deployment(server, client).rejected(build())
            assert said in reason
            assert "read" in reason

    def test_the_name_in_its_manifest_is_the_one_that_is_rejected(self, numbers, build):
        numbers.file = numbers.file.with_name("libodd_file.so")
        numbers.rejected(build("AT_INIT=abort()"))
        code, said = refused(put_numbers, numbers.client)
        assert code == "unknown_format"
        assert "its plugin was rejected, because of libodd_file.so: it was killed by SIGABRT" in said


class TestCrashing:
    @pytest.mark.parametrize(("fault", "signal"), [("segfault", "SIGSEGV"), ("abort", "SIGABRT")])
    @pytest.mark.parametrize("direction", ["read", "write"])
    def test_the_one_stream_fails_and_the_others_and_the_server_go_on(self, numbers, build, fault, signal, direction):
        numbers.serves(build(*version(1)), "1.0.0")
        put_batches(numbers.client, "rows", [pa.record_batch({"n": pa.array(range(10))})] * 3)
        writer, reader = numbers.client.do_put(
            descriptor({"dataset": "held", "format": "numbers", "options": {"fault": "echo"}}), PAYLOAD
        )
        writer.write_batch(CHUNK)
        if direction == "read":
            code, said = refused(put_numbers, numbers.client, fault=fault)
        else:
            code, said = refused(get_numbers, numbers.client, "rows", fault=fault)
        assert code == "plugin_crashed"
        assert f"'numbers' was killed by {signal} in {direction}_batches (generation {numbers.status['generation']})" in said
        assert finish(writer, reader)["rows"] == 2
        assert put_numbers(numbers.client)["rows"] == 6
        assert action(numbers.client, "health")[0]["status"] == "ok"

    def test_offsets_that_lead_out_of_their_buffers_are_the_plugins_fault(self, numbers, build):
        numbers.serves(build(*version(1)), "1.0.0")
        code, _ = refused(put_numbers, numbers.client, "offsets", fault="offsets")
        assert code == "plugin_failed"
        assert put_numbers(numbers.client)["rows"] == 6

    def test_wrong_data_is_the_documents_fault_with_its_place(self, numbers, build):
        numbers.serves(build(*version(1)), "1.0.0")
        with pytest.raises(flight.FlightError, match="row 3 is wrong") as caught:
            put_numbers(numbers.client, fault="place")
        assert code_of(caught.value) == "bad_payload"

    def test_when_the_client_goes_the_work_for_it_ends(self, module_server, numbers, build):
        numbers.serves(build(*version(1)), "1.0.0")
        command = [sys.executable, "-c", HANGING_CLIENT, module_server.location]
        with subprocess.Popen(command, cwd=Path(__file__).parent) as caller:
            busy = eventually(lambda: [pid for pid in plugin_processes(module_server.pid) if used_secs(pid) > 0.2])
            caller.kill()
        eventually(lambda: not set(busy) & set(plugin_processes(module_server.pid)))
        eventually(lambda: numbers.status["leases"] == 0)


def test_a_host_without_child_processes_opens_none(build, tmp_path):
    library = tmp_path / "libnumbers.so"
    library.write_bytes(build(f'AT_OPEN=fopen("{tmp_path}/mark", "w")'))
    failure = Loader(timeout_secs=5, compatibility="semver", configs={}).load(read(library, limit_bytes=1 << 20))
    assert failure.sentence == "libnumbers.so: it is a native library, and there are no child processes for it here"
    assert not (tmp_path / "mark").exists()
