"""Streams hold the generation that they began with, and lookups see whole snapshots only."""

import gc
import logging
import sys
import threading
import time
import weakref

import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from plugin_samples import lines, started, version_of

from flight_server.errors import PluginFailed, UnknownFormat, UnknownOption, Unsupported
from flight_server.plugins.generation import Generation
from format_plugins.streams import ByteStream

#: What these tests look at is modules of this process.
IN_PROCESS = {"enable_hot_reload": False, "default_runtime": "in_process"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def manager(folder):
    (folder / "lines.py").write_text(lines())
    with started(folder, **IN_PROCESS) as running:
        yield running


def test_a_lease_makes_a_format_that_works(manager):
    with manager.registry.lease("lines") as lease:
        codec = lease.create_format({"upper": True})
        batches = list(codec.read_batches_from_stream(None, ByteStream([b"one\ntw", b"o\nthree"])))
        reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
        assert b"".join(codec.write_batches(reader)) == b"ONE\nTWO\nTHREE\n"


def test_a_lease_describes_its_plugin(manager):
    with manager.registry.lease("lines") as lease:
        assert lease.describe == {"name": "lines", "version": "1.0.0", "generation": 1}


@pytest.mark.parametrize("options", [{"uper": True}, {"upper": "yes"}, {"upper": None}, {"": 1}])
def test_an_option_that_is_wrong_is_an_error_that_names_the_known_ones(manager, options):
    with manager.registry.lease("lines") as lease, pytest.raises(UnknownOption) as caught:
        lease.create_format(options)
    assert caught.value.detail["known"] == ["upper"]


def test_the_options_of_a_request_lie_over_the_configured_ones(folder):
    (folder / "lines.py").write_text(lines())
    with (
        started(folder, **IN_PROCESS, plugin_configs={"lines": {"upper": True}}) as manager,
        manager.registry.lease("lines") as lease,
    ):
        assert lease.create_format(None).upper is True
        assert lease.create_format({"upper": False}).upper is False
        assert lease.create_format({}).upper is True


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        ("FormatError('no', option='upper')", UnknownOption),
        ("UnsupportedError('no')", Unsupported),
        ("ZeroDivisionError('no')", PluginFailed),
        ("SystemExit(1)", PluginFailed),
    ],
)
def test_what_a_plugin_raises_while_it_makes_a_format_is_laid_to_the_right_door(folder, raised, error):
    text = lines().replace("lambda options: options", "create").replace("import PluginMetadata", "import *")
    (folder / "lines.py").write_text(
        text + f"\n\ndef create(options):\n    if options.upper: raise {raised}\n    return options\n"
    )
    text = (folder / "lines.py").read_text().replace("import *", "import FormatError, PluginMetadata, UnsupportedError")
    (folder / "lines.py").write_text(text)
    with started(folder, **IN_PROCESS) as manager, manager.registry.lease("lines") as lease:
        with pytest.raises(error):
            lease.create_format({"upper": True})
        assert lease.create_format({})


def test_an_unknown_format_is_an_error_that_helps(manager):
    with pytest.raises(UnknownFormat, match=r"unknown format 'line'; did you mean 'lines'\? \(known: arrow, lines\)"):
        manager.registry.lease("line")


def test_a_rejected_plugin_is_named_when_its_format_is_asked_for(folder, manager):
    (folder / "other.py").write_text("import nothing_there")
    manager.reload()
    with pytest.raises(UnknownFormat, match=r"its plugin was rejected, because of other.py: .*'nothing_there'"):
        manager.registry.lease("other")


def test_a_replaced_generation_serves_its_leases_and_is_collected_after_the_last(folder, manager):
    first, second = manager.registry.lease("lines"), manager.registry.lease("lines")
    canary = weakref.ref(sys.modules["lines@1"])
    codec = first.create_format(None)
    (folder / "lines.py").write_text(lines("2.0.0"))
    manager.reload()
    assert version_of(manager) == "2.0.0"
    assert manager.status("lines").draining == (1,)
    first.release()
    first.release()
    assert second.create_format({"upper": True}).upper is True
    assert second.describe["version"] == "1.0.0"
    assert "lines@1" in sys.modules
    second.release()
    assert "lines@1" not in sys.modules
    assert manager.status("lines").draining == ()
    del codec, first, second
    gc.collect()
    assert canary() is None


def test_a_lease_that_was_forgotten_does_not_pin_its_plugin(folder, manager):
    manager.registry.lease("lines")
    gc.collect()
    assert manager.status("lines").leases == 0
    (folder / "lines.py").unlink()
    manager.reload()
    assert "lines@1" not in sys.modules


def test_a_format_cannot_be_made_after_the_end_of_a_retired_lease(folder, manager):
    lease = manager.registry.lease("lines")
    (folder / "lines.py").unlink()
    manager.reload()
    lease.release()
    with pytest.raises(RuntimeError, match="after the lease had been released"):
        lease.create_format(None)


def test_the_loggers_of_a_retired_plugin_are_purged(folder):
    (folder / "lines.py").write_text("import logging\nlogging.getLogger(__name__ + '.deep.er')\n" + lines())
    with started(folder, **IN_PROCESS):
        assert [name for name in logging.Logger.manager.loggerDict if name.startswith("lines@")]
    assert not [name for name in logging.Logger.manager.loggerDict if name.startswith("lines@")]


def test_lookups_during_two_hundred_reloads_see_whole_snapshots_only(folder, manager):
    """Every version of the plugin brings an extension of its own: a torn snapshot would mix two of them."""
    torn, looked, ended = [], [], threading.Event()

    def look():
        while not ended.is_set():
            snapshot = manager.registry.snapshot
            owned = set(snapshot.extensions)
            if owned != set(snapshot.formats["lines"].metadata.extensions):
                torn.append(owned)
            with manager.registry.lease("lines") as lease:
                lease.create_format({"upper": True})
            looked.append(1)
            time.sleep(0.0005)  # else three threads of pure Python starve the one that reloads

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(200):
        (folder / "lines.py").write_text(lines(f"1.0.{number}", extensions=(f".l{number}",)))
        assert manager.reload()[0]["action"] == "replaced"
    ended.set()
    for thread in threads:
        thread.join()
    assert not torn
    assert len(looked) > 200
    assert [name for name in sys.modules if name.startswith("lines@")] == ["lines@201"]


class Space:
    """Stands for a plugin's code and counts how often it is removed."""

    name = "space@1"
    closed = 0

    def supersede(self):
        pass

    def close(self):
        self.closed += 1


class Leases(RuleBasedStateMachine):
    """Whatever the order of holding, freeing and superseding: retired once, and only when nobody holds it."""

    def __init__(self):
        super().__init__()
        self.space = Space()
        self.generation = Generation(number=1, metadata=None, source=None, code=self.space)
        self.tokens = []
        self.superseded = False

    @rule()
    def hold(self):
        token = self.generation.hold()
        assert (token is None) == self.superseded
        if token is not None:
            self.tokens.append(token)

    @rule(index=st.integers(min_value=0, max_value=5), twice=st.booleans())
    def free(self, index, twice):
        if index < len(self.tokens):
            token = self.tokens.pop(index)
            for _ in range(2 if twice else 1):
                self.generation.free(token)

    @rule()
    def supersede(self):
        if not self.superseded:
            self.superseded = True
            self.generation.supersede(lambda _: None)

    @invariant()
    def retired_when_superseded_and_idle(self):
        assert self.space.closed == (self.superseded and not self.tokens)
        assert self.generation.leases == len(self.tokens)


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=50, deadline=None)


def test_leases_taken_and_released_by_many_threads_while_it_is_superseded_retire_it_once():
    for _ in range(200):
        space = Space()
        generation = Generation(number=1, metadata=None, source=None, code=space)
        barrier = threading.Barrier(4)

        def use(generation=generation, barrier=barrier, space=space):
            barrier.wait()
            token = generation.hold()
            if token is not None:
                assert space.closed == 0
                generation.free(token)

        threads = [threading.Thread(target=use) for _ in range(3)]
        for thread in threads:
            thread.start()
        barrier.wait()
        generation.supersede(lambda _: None)
        for thread in threads:
            thread.join()
        assert space.closed == 1


def test_formats_that_are_leased_together_are_of_one_moment(folder):
    with started(folder, **IN_PROCESS) as manager:

        def deploy(number):
            for name in ("one", "two"):
                (folder / f"{name}.py").write_text(lines(f"1.0.{number}", name=name, extensions=()))
            manager.reload()

        deploy(0)
        reloads = threading.Thread(target=lambda: [deploy(number) for number in range(1, 20)])
        reloads.start()
        versions = set()
        while reloads.is_alive():
            leases = manager.registry.lease_together(["one", "two"])
            versions.add(tuple(lease.metadata.version for lease in leases.values()))
            for lease in leases.values():
                lease.release()
        reloads.join()
        assert {one == two for one, two in versions} == {True}
        assert len(versions) > 1


def test_nothing_is_held_when_one_of_those_to_be_leased_together_is_unknown(manager):
    with pytest.raises(UnknownFormat):
        manager.registry.lease_together(["lines", "nothing"])
    assert manager.status("lines").leases == 0
