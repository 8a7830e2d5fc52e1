"""The client for asyncio: the same verbs, many at once, and tasks that can be cancelled."""

import asyncio
import contextlib
import inspect
import itertools
import threading
import time

import pyarrow as pa
import pytest

import flight_client
from flight_client import aio, errors

TABLE = pa.table({"id": [1, 2, 3], "name": ["Ada", "Grace", None]})
CSV = b"id,name\n1,Ada\n2,Grace\n3,\n"
BIG = pa.table({"x": pa.repeat(7, 5_000_000)})


@pytest.fixture
def run(server):
    """Runs what takes a client, in a loop of its own."""

    def run(work, **arguments):
        async def main():
            async with aio.connect(server.location, **arguments) as client:
                return await work(client)

        return asyncio.run(main())

    return run


async def until(true, seconds=20):
    deadline = time.monotonic() + seconds
    while not await true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def idle(client):
    health = await client.health()
    return health["calls"] == 1 and health["store"]["open_snapshots"] == 0


def test_every_verb_of_the_client_is_there():
    assert {name for name in vars(flight_client.Client) | vars(flight_client.Client.__base__) if name[0] != "_"} == {
        name for name in vars(aio.AsyncClient) if name[0] != "_"
    }


def test_what_is_put_is_got(run, dataset, tmp_path):
    async def work(client):
        assert (await client.put(dataset, TABLE)).rows == 3
        assert (await client.put(f"{dataset}-text", CSV, format="csv")).rows == 3
        assert [batch.num_rows async for batch in client.get(dataset)] == [3]
        assert (await client.get(dataset, limit=1, offset=1, columns=["id"]).read_all()).to_pydict() == {"id": [2]}
        assert (await client.get(dataset, version=1).to_table()).equals(TABLE)
        assert (await client.get(dataset, resume=True).schema()).equals(TABLE.schema)
        assert await client.get_bytes(dataset, format="csv", columns=["id"]).read_all() == b"id\n1\n2\n3\n"
        assert b"".join([bytes(chunk) async for chunk in client.get_bytes(dataset, format="csv")]).startswith(b"id,name\n")
        assert await client.get_file(dataset, tmp_path / "a.parquet") == (tmp_path / "a.parquet").stat().st_size
        assert await client.convert(TABLE, to_format="csv", limit=1, columns=["id"]).read_all() == b"id\n1\n"
        await client.convert_file(tmp_path / "a.parquet", tmp_path / "a.csv")
        assert (tmp_path / "a.csv").read_bytes().startswith(b"id,name\n")

    run(work)


def test_what_is_asked_is_answered(run, dataset):
    async def work(client):
        stored = await client.put(dataset, TABLE, put_id=f"{dataset}-1")
        assert (await client.put_status(f"{dataset}-1")).version == stored.version
        assert (await client.info(dataset, version=1)).rows == 3
        assert [item.dataset for item in await client.list(dataset)] == [dataset]
        assert [item["version"] for item in await client.versions(dataset)] == [1]
        assert "csv" in {item["name"] for item in await client.formats()} & {item["name"] for item in await client.plugins()}
        assert (await client.action("plugin", {"name": "csv"}))[0]["name"] == "csv"
        assert isinstance(await client.reload(), list)
        assert (await client.drop(dataset))["dataset"] == dataset
        with pytest.raises(errors.UnknownDataset):
            await client.info(dataset)

    run(work)


def test_an_asynchronous_source_is_put_and_converted(run, dataset):
    async def document():
        yield b"x\n"
        for _ in range(20):
            await asyncio.sleep(0)
            yield b"1\n" * 100_000

    async def work(client):
        assert (await client.put(dataset, document(), format="csv")).rows == 2_000_000
        converted = await client.convert(document(), from_format="csv", to_format="csv").read_all()
        assert len(converted) == 2 + 20 * 200_000
        copied = await client.put(f"{dataset}-copy", client.get_bytes(dataset, format="csv"), format="csv")
        assert copied.rows == 2_000_000

    run(work)


def test_an_exception_of_an_asynchronous_source_comes_out(run, dataset):
    async def broken():
        yield b"x\n1\n"
        raise ZeroDivisionError

    async def work(client):
        with pytest.raises(ZeroDivisionError):
            await client.put(dataset, broken(), format="csv")
        with pytest.raises(ZeroDivisionError):
            await client.convert(broken(), from_format="csv", to_format="csv").read_all()
        assert await client.list(dataset) == []

    run(work)


def test_many_tasks_work_at_once_on_few_threads(run, dataset):
    async def one(client, number):
        name = f"{dataset}/{number}"
        table = pa.table({"x": [number] * 1000})
        await client.put(name, table)
        assert (await client.get(name).read_all()).equals(table)
        async with client.get_bytes(name, format="csv") as document:
            text = await document.read_all()
        # Each of these puts waits for a source that itself waits for steps of the same client.
        assert (await client.put(f"{name}-copy", client.get_bytes(name, format="csv"), format="csv")).rows == 1000
        return text

    async def work(client):
        async with asyncio.timeout(60):
            texts = await asyncio.gather(*(one(client, number) for number in range(40)))
        assert texts == [b"x\n" + b"%d\n" % number * 1000 for number in range(40)]
        assert len([thread for thread in threading.enumerate() if thread.name.startswith("flight step")]) <= 3

    run(work, threads=3)


def test_the_loop_never_waits(own_server):
    """It goes on ticking while the server does not answer at all."""

    async def main():
        async with aio.connect(own_server.location, timeout=6, idle_timeout=2) as client:
            await client.put("a", TABLE)
            stopped.enter_context(own_server.frozen())
            ticks = []

            async def tick():
                while True:
                    ticks.append(time.monotonic())
                    await asyncio.sleep(0.01)

            ticking = asyncio.create_task(tick())
            calls = [client.get("a").read_all(), client.get_bytes("a", format="csv").read_all(), client.put("b", TABLE)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            stopped.close()
            ticking.cancel()
            assert {type(outcome) for outcome in outcomes} == {errors.DeadlineExceeded}
            assert max(after - before for before, after in itertools.pairwise(ticks)) < 1

    with contextlib.ExitStack() as stopped:
        asyncio.run(main())


async def endless():
    yield b"x\n"
    while True:
        yield b"12345\n" * 100_000


async def read_slowly(stream):
    async for _ in stream:
        await asyncio.sleep(0.01)


CANCELLED = {
    "put": lambda client: client.put("b", endless(), format="csv"),
    "get": lambda client: read_slowly(client.get("a")),
    "read_all": lambda client: client.get_bytes("a", format="csv").read_all(),
    "conversion": lambda client: read_slowly(client.convert(endless(), from_format="csv", to_format="csv")),
    "file": lambda client: client.get_file("a", "/dev/null", format="csv"),
}


@pytest.mark.parametrize("call", CANCELLED.values(), ids=CANCELLED)
def test_a_task_that_is_cancelled_ends_the_work_of_the_server(own_server, call):
    async def main():
        async with aio.connect(own_server.location) as client:
            await client.put("a", BIG)

            async def begun():
                return (await client.health())["calls"] > 1

            task = asyncio.ensure_future(call(client))
            await until(begun)
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 4
            await until(lambda: idle(client))
            assert [item.dataset for item in await client.list()] == ["a"]

    asyncio.run(main())


def test_a_stream_that_is_left_early_ends_the_work_of_the_server(own_server):
    async def main():
        async with aio.connect(own_server.location) as client:
            await client.put("a", BIG)
            async with client.get("a") as stream:
                assert (await anext(stream)).num_rows
            await until(lambda: idle(client))
            with pytest.raises(errors.Cancelled, match="closed before its end"):
                await anext(stream)

    asyncio.run(main())


def test_a_stream_that_is_closed_before_it_is_read_is_not_opened_any_more(own_server):
    async def main():
        async with aio.connect(own_server.location) as client:
            await client.put("a", pa.table({"x": [1]}))
            for stream in (client.get("a"), client.get_bytes("a", format="csv")):
                await stream.close()
                with pytest.raises(errors.Cancelled, match="closed before it was opened"):
                    await stream.read_all()

    asyncio.run(main())


def test_a_stream_that_is_closed_while_it_is_opened_gives_nothing(own_server):
    async def main():
        async with aio.connect(own_server.location) as client:
            await client.put("a", BIG)
            stream = client.get("a")
            with own_server.frozen():
                first = asyncio.create_task(anext(stream))
                await asyncio.sleep(0.2)
                await stream.close()
            with pytest.raises(errors.Cancelled):
                await first
            await until(lambda: idle(client))

    asyncio.run(main())


def test_a_handle_ends_the_calls_that_have_it_and_no_others(own_server):
    async def main():
        async with aio.connect(own_server.location) as client:
            await client.put("a", BIG)
            cancel = flight_client.Cancel()
            first, second = client.get("a", cancel=cancel), client.get("a", cancel=cancel)
            other = client.get("a")
            rows = (await anext(other)).num_rows
            await anext(first)
            await anext(second)
            cancel.cancel()
            for stream in (first, second):
                with pytest.raises(errors.Cancelled):
                    await stream.read_all()
            assert rows + (await other.read_all()).num_rows == BIG.num_rows

    asyncio.run(main())


def test_a_time_limit_of_asyncio_holds(own_server):
    async def main():
        async with aio.connect(own_server.location) as client:
            await client.put("a", BIG)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.put("b", endless(), format="csv")
            await until(lambda: idle(client))
            assert [item.dataset for item in await client.list()] == ["a"]

    asyncio.run(main())


def test_progress_is_told_in_the_loop(server_factory):
    server = server_factory(**{"server.progress_interval_secs": 0.05})
    told = []

    async def source():
        yield b"x\n"
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            yield b"1\n" * 100_000
            await asyncio.sleep(0.01)

    async def main():
        async with aio.connect(server.location) as client:
            here = threading.get_ident()
            await client.put(
                "a", source(), format="csv", on_progress=lambda progress: told.append((progress, threading.get_ident() == here))
            )

    asyncio.run(main())
    assert told
    assert all(in_loop and progress.bytes for progress, in_loop in told)


def test_no_thread_is_left_behind(run, dataset):
    async def work(client):
        await client.put(dataset, TABLE)
        await client.get(dataset).read_all()

    run(work)
    deadline = time.monotonic() + 10
    while [thread for thread in threading.enumerate() if thread.name.startswith(("flight step", "flight put"))]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_arguments_of_both_faces_are_the_same():
    both = [inspect.signature(connect).parameters for connect in (flight_client.connect, aio.connect)]
    assert dict(both[1]) == {**both[0], "threads": both[1]["threads"]}
