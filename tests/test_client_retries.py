"""A server that goes away and comes back: what is made again, what is not, and that nothing is ever stored twice."""

import io
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE

import pyarrow as pa
import pytest
from client_command import start, until
from effort import effort

import flight_client
from flight_client import errors
from flight_client.commands.failures import UNAVAILABLE
from flight_client.retries import NEVER

TABLE = pa.table({"id": [1, 2, 3]})
KILLS = effort(8, 60)
QUICK = flight_client.Retries(attempts=400, seconds=60, first_delay=0.02, longest_delay=0.2)


@pytest.fixture
def fixed_server(server_factory):
    """A server that comes back at the same address."""
    return server_factory(**{"server.location": f"grpc://127.0.0.1:{free_port()}"})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def back(server, seconds=0.0):
    """Start a server that was killed, in another thread."""

    def work():
        time.sleep(seconds)
        server.start()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_question_is_answered_after_a_restart(fixed_server):
    with flight_client.connect(fixed_server.location) as client:
        client.put("a", TABLE)
        fixed_server.kill()
        starting = back(fixed_server, 0.3)
        assert client.info("a").rows == 3
        assert [item.dataset for item in client.list()] == ["a"]
        starting.join()


def test_a_drop_is_not_made_again_by_itself(fixed_server):
    with flight_client.connect(fixed_server.location, retries=QUICK) as client:
        client.put("a", TABLE)
        fixed_server.kill()
        with pytest.raises(errors.Unavailable):
            client.drop("a")
        fixed_server.start()
        assert client.info("a").rows == 3


def test_a_get_that_breaks_off_is_taken_up_where_it_did(fixed_server):
    with flight_client.connect(fixed_server.location, retries=QUICK) as client:
        table = pa.table({"x": pa.array(range(4_000_000))})
        client.put("a", table)
        for arguments in ({"resume": True}, {"version": 1, "offset": 5, "limit": 3_900_000}):
            stream = client.get("a", **arguments)
            first = [next(stream) for _ in range(3)]
            fixed_server.kill()
            starting = back(fixed_server)
            got = pa.Table.from_batches([*first, *stream])
            starting.join()
            wanted = table if "offset" not in arguments else table.slice(5, 3_900_000)
            assert got.equals(wanted)
            client.put("a", TABLE.rename_columns(["x"]))  # another version changes nothing


def test_a_get_without_a_version_is_not_taken_up(fixed_server):
    with flight_client.connect(fixed_server.location, retries=QUICK) as client:
        client.put("a", pa.table({"x": pa.array(range(4_000_000))}))
        stream = client.get("a")
        next(stream)
        fixed_server.kill()
        starting = back(fixed_server)
        with pytest.raises(errors.Unavailable):
            stream.read_all()
        starting.join()


def test_a_get_of_a_server_that_stays_away_raises_the_last_error(fixed_server):
    retries = flight_client.Retries(attempts=3, first_delay=0.01)
    with flight_client.connect(fixed_server.location, retries=retries) as client:
        client.put("a", pa.table({"x": pa.array(range(4_000_000))}))
        stream = client.get("a", version=1)
        next(stream)
        fixed_server.kill()
        with pytest.raises(errors.Unavailable):
            stream.read_all()
        fixed_server.start()


def test_a_file_that_breaks_off_is_written_again_whole(fixed_server, tmp_path):
    with flight_client.connect(fixed_server.location, retries=QUICK) as client:
        client.put("a", pa.table({"x": pa.array(range(5_000_000))}))
        path = tmp_path / "a.csv"
        with ThreadPoolExecutor(1) as pool:
            got = pool.submit(client.get_file, "a", path)
            deadline = time.monotonic() + 20
            while not any(part.stat().st_size for part in tmp_path.iterdir()):
                assert time.monotonic() < deadline
                time.sleep(0.001)
            fixed_server.kill()
            fixed_server.start()
            assert got.result(60) == path.stat().st_size
        assert path.read_bytes().count(b"\n") == 5_000_001
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("output", ["a.csv", "-"])
def test_the_command_writes_a_file_that_breaks_off_again_and_a_pipe_never(fixed_server, tmp_path, output):
    with flight_client.connect(fixed_server.location) as client:
        client.put("a", pa.table({"x": pa.array(range(20_000_000))}))
    command = start(fixed_server, "get", "a", "-q", "-o", output, cwd=tmp_path, stdout=PIPE, stderr=PIPE)
    if output == "-":
        command.stdout.read(1000)
    else:
        until(lambda: any(part.stat().st_size for part in tmp_path.iterdir()))
    fixed_server.kill()
    fixed_server.start()
    shown, told = command.communicate(timeout=60)
    if output == "-":
        assert (command.returncode, told.count(b"\n")) == (UNAVAILABLE, 1)
    else:
        assert (command.returncode, shown, told) == (0, b"", b"")
        assert (tmp_path / output).read_bytes().count(b"\n") == 20_000_001
        assert len(list(tmp_path.iterdir())) == 1


def test_a_put_whose_server_is_killed_in_the_middle_is_stored_once(fixed_server):
    killed = []

    class Deadly(io.BytesIO):
        """A file whose reading kills the server, once."""

        def read(self, size=-1):
            if self.tell() > 40_000_000 and not killed:
                killed.append(True)
                fixed_server.kill()
                fixed_server.start()
            return super().read(size)

    with flight_client.connect(fixed_server.location, retries=QUICK) as client:
        result = client.put("a", Deadly(b"x\n" + b"1\n" * 40_000_000), format="csv")
        assert (result.rows, result.replayed, bool(killed)) == (40_000_000, False, True)
        assert client.info("a").rows == 40_000_000


def test_a_put_of_what_can_be_read_once_is_not_sent_again(fixed_server):
    reads = []

    def source():
        yield b"x\n"
        for number in range(200):
            if number == 5:
                fixed_server.kill()
                fixed_server.start()
            reads.append(number)
            yield b"1\n" * 500_000

    with flight_client.connect(fixed_server.location, retries=QUICK) as client:
        with pytest.raises(errors.Unavailable):
            client.put("a", source(), format="csv")
        assert reads == sorted(set(reads))
        assert client.list() == []


class Putter:
    """Puts one kind of source again and again, each with a number of its own: what is stored is counted, not believed."""

    def __init__(self, kind, base, client, folder):
        self.kind = kind
        self.stored = {}
        self.failed = []
        self._base = base
        self._client = client
        self._folder = folder

    def run(self, stop):
        for number in range(self._base, self._base + 1_000_000):
            if stop.is_set():
                return
            rows = 1 if number % 3 else 200_000
            try:
                getattr(self, self.kind)(number, rows)
                self.stored[number] = rows
            except errors.NoAnswer:
                self.failed.append((number, rows))

    def table(self, number, rows):
        self._client.put(self.kind, table_of(number, rows))

    def document(self, number, rows):
        self._client.put(self.kind, b"id\n" + b"%d\n" % number * rows, format="csv")

    def file(self, number, rows):
        path = self._folder / f"{number}.csv"
        path.write_bytes(b"id\n" + b"%d\n" % number * rows)
        self._client.put(self.kind, path)

    def stream(self, number, rows):
        self._client.put(self.kind, table_of(number, rows).to_reader(), put_id=f"stream-{number}")

    def settle(self):
        """Ask what became of the puts that failed."""
        self.stored.update((number, rows) for number, rows in self.failed if self._client.put_status(f"stream-{number}"))


def table_of(number, rows):
    return pa.table({"id": pa.array([number] * rows, pa.int64())})


@pytest.mark.slow
def test_puts_survive_a_server_that_is_killed_again_and_again_each_exactly_once(fixed_server, tmp_path):
    stop = threading.Event()
    with flight_client.connect(fixed_server.location, retries=QUICK) as client, ThreadPoolExecutor(8) as pool:
        kinds = ["table", "document", "file", "stream"] * 2
        for kind in set(kinds):
            client.put(kind, table_of(-1, 1))
        putters = [Putter(kind, place * 1_000_000, client, tmp_path) for place, kind in enumerate(kinds)]
        jobs = [pool.submit(putter.run, stop) for putter in putters]
        try:
            for number in range(KILLS):
                time.sleep(0.2 + 0.11 * (number % 9))
                fixed_server.kill()
                fixed_server.start()
        finally:
            stop.set()
        for job in jobs:
            job.result(90)
        assert {putter.kind for putter in putters if putter.failed} <= {"stream"}, "only what can be read once may fail"
        for kind in set(kinds):
            check_stored(client, kind, [putter for putter in putters if putter.kind == kind])


def check_stored(client, kind, putters):
    wanted = {-1: 1}
    for putter in putters:
        putter.settle()
        wanted |= putter.stored
    counts = client.get(kind).read_all().group_by("id").aggregate([("id", "count")])
    assert dict(zip(counts["id"].to_pylist(), counts["id_count"].to_pylist(), strict=True)) == wanted
    assert len(wanted) > 8


@pytest.mark.parametrize("source", [lambda: TABLE, TABLE.to_reader], ids=["a table", "a reader"])
@pytest.mark.parametrize(
    ("failpoint", "stored"),
    [
        ("store.segment.written", False),
        ("store.commit.taken", False),
        ("store.commit.commit", False),
        ("store.commit.committed", True),
    ],
)
def test_a_put_whose_server_dies_at_the_commit_is_stored_once(server_factory, monkeypatch, source, failpoint, stored):
    """When it was durable, it is not sent again nor called a failure; when not, it is sent again if it can be."""
    monkeypatch.setenv("FLIGHT_FAILPOINTS", f"{failpoint}=kill")
    server = server_factory(**{"server.location": f"grpc://127.0.0.1:{free_port()}"})
    monkeypatch.delenv("FLIGHT_FAILPOINTS")

    def revive():
        server.process.wait()
        server.start()

    with flight_client.connect(server.location, retries=QUICK) as client, ThreadPoolExecutor(1) as pool:
        reviving = pool.submit(revive)
        if source() is TABLE or stored:
            result = client.put("a", source())
            assert (result.rows, result.replayed, client.info("a").rows) == (3, False, 3)
        else:
            with pytest.raises(errors.Unavailable):
                client.put("a", source())
            assert client.list() == []
        reviving.result()


def test_a_client_can_be_told_to_make_every_call_once(fixed_server):
    with flight_client.connect(fixed_server.location, retries=NEVER) as client:
        client.health()
        fixed_server.kill()
        with pytest.raises(errors.Unavailable):
            client.put("a", TABLE)
        fixed_server.start()
