"""What keeps an old generation in memory is found and named; what does not is left alone."""

import contextlib
import copyreg
import gc
import json
import logging
import sys
import threading
import types

import pyarrow as pa
import pytest
from plugin_samples import lines, started
from structlog.testing import capture_logs

from flight_server.plugins import pins


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def manager(folder, clock):
    with started(folder, parts={"clock": clock}, enable_hot_reload=False, default_runtime="in_process") as running:
        yield running


def replaced(folder, manager, clock, text, file="lines.py"):
    """Load ``text``, put a harmless plugin in its place, and let some time go by; return what keeps the first one."""
    (folder / file).write_text(text)
    manager.reload()
    assert manager.status("lines").state == "active", manager.status("lines").last_error
    (folder / file).write_text(lines("2.0.0"))
    manager.reload()
    return looked(manager, clock)


def looked(manager, clock):
    for _ in range(5):
        clock.now += 3
        manager.reload()
    return manager.status("lines").pinned_by


# The trial loads them as well, in a process of its own.
PINS = {
    "thread": (
        """
import threading
STOP = threading.Event()
def poll():
    STOP.wait()
threading.Thread(target=poll, name="poller", daemon=True).start()
""",
        "the thread 'poller'",
    ),
    "pool": (
        """
import concurrent.futures
POOL = concurrent.futures.ThreadPoolExecutor(1, "pool", initializer=lambda: None)
POOL.submit(lambda: None).result()
""",
        "the thread 'pool_0'",
    ),
    "handler": (
        """
import logging
class Mine(logging.Handler):
    def emit(self, record): pass
logging.getLogger("pinned").addHandler(Mine())
""",
        "a handler of the logger 'pinned'",
    ),
    "patch": ("import json\njson.patched = lambda: None\n", "json.patched"),
    "copyreg": (
        "import copyreg\nclass Mine: pass\ncopyreg.pickle(Mine, lambda mine: (Mine, ()))\n",
        "copyreg.dispatch_table",
    ),
    "dispatch": (
        "import pin_host\nclass Mine: pass\npin_host.shown.register(Mine, lambda mine: '')\n",
        "pin_host.shown",
    ),
    "atexit": ("import atexit\natexit.register(lambda: None)\n", "1 function registered with atexit"),
    "arrow": (
        """
import pyarrow as pa
class Mine(pa.ExtensionType):
    def __init__(self): super().__init__(pa.int64(), "tests.pinned")
    def __arrow_ext_serialize__(self): return b""
    @classmethod
    def __arrow_ext_deserialize__(cls, storage, serialized): return cls()
pa.register_extension_type(Mine())
""",
        "pyarrow.lib._python_extension_types_registry",
    ),
    "codecs": (
        "import codecs\ncodecs.register(lambda name: None)\n",
        "something that Python does not show, such as what codecs.register keeps",
    ),
    "object": (
        """
import pin_host
class Mine:
    def method(self): pass
pin_host.HOLDER.kept = Mine()
""",
        "an object of the type pin_host.Holder",
    ),
}


@pytest.fixture
def pin_host(tmp_path, monkeypatch):
    """A module of somebody else's, to be held by."""
    (tmp_path / "pin_host.py").write_text(
        """
import functools
@functools.singledispatch
def shown(thing):
    return ""
class Holder: pass
HOLDER = Holder()
"""
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield
    sys.modules.pop("pin_host", None)


@pytest.fixture
def undo():
    """Takes back what the plugins leave in this process, as far as it can be."""
    yield
    json.__dict__.pop("patched", None)
    logging.getLogger("pinned").handlers.clear()
    for kind in [kind for kind in copyreg.dispatch_table if "@" in kind.__module__]:
        del copyreg.dispatch_table[kind]
    for thread in threading.enumerate():
        if thread.name == "poller":
            thread._target.__globals__["STOP"].set()
            thread.join()
    with contextlib.suppress(pa.ArrowException):
        pa.unregister_extension_type("tests.pinned")


@pytest.mark.usefixtures("pin_host", "undo")
@pytest.mark.parametrize("pin", PINS)
def test_what_keeps_an_old_generation_in_memory_is_named(folder, manager, clock, pin):
    text, named = PINS[pin]
    assert f"generation 1: {named}" in replaced(folder, manager, clock, text + lines(), file=f"{pin}_.py")


@pytest.mark.usefixtures("undo")
def test_it_is_logged_once_and_counted_in_health(folder, manager, clock):
    with capture_logs() as logs:
        replaced(folder, manager, clock, PINS["thread"][0] + lines())
        looked(manager, clock)
    (entry,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert (entry["generation"], entry["pinned_by"]) == (1, ["the thread 'poller'"])
    assert manager.health()["pinned"] == 1


@pytest.mark.usefixtures("undo")
def test_when_it_lets_go_nothing_is_told_any_more(folder, manager, clock):
    text, _ = PINS["thread"]
    assert replaced(folder, manager, clock, text + lines())
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "poller"]
    thread._target.__globals__["STOP"].set()
    thread.join()
    del thread
    clock.now += 60
    assert looked(manager, clock) == ()
    assert manager.health()["pinned"] == 0


@pytest.mark.usefixtures("undo")
def test_a_plugin_that_is_gone_and_pinned_is_shown_as_retired(folder, manager, clock):
    (folder / "lines.py").write_text(PINS["thread"][0] + lines())
    manager.reload()
    (folder / "lines.py").unlink()
    looked_at = looked(manager, clock)
    assert looked_at == ("generation 1: the thread 'poller'",)
    assert manager.status("lines").state == "retired"


def test_what_keeps_several_generations_is_said_once(folder, manager, clock):
    with started(folder, parts={"clock": clock}, enable_hot_reload=False, default_runtime="in_process"):
        pass
    for number in range(1, 4):
        (folder / "patch_.py").write_text(
            f"import json\njson.patched_{number} = json.__dict__.get('patched') or (lambda: 0)\n"
            f"json.patched = json.patched_{number}\n" + lines(f"1.0.{number}")
        )
        manager.reload()
    (folder / "patch_.py").write_text(lines("2.0.0"))
    manager.reload()
    try:
        assert set(looked(manager, clock)) == {
            "generation 1: json.patched_1",
            "generation 1: json.patched",
            "generation 1: json.patched_2",
            "generation 1: json.patched_3",
        }
    finally:
        for name in [name for name in vars(json) if name.startswith("patched")]:
            delattr(json, name)


@pytest.mark.parametrize(
    "harmless",
    [
        "import logging\nLOG = logging.getLogger(__name__)\nlogging.getLogger(__name__ + '.inner.deep')\n",
        "import logging\nLOG = logging.getLogger('plugins.' + __name__)\n",
        "import functools\n@functools.lru_cache\ndef f(): return 1\nf()\n",
        "import dataclasses\n@dataclasses.dataclass(slots=True)\nclass D: x: int = 1\n",
        "import enum, abc\nclass E(enum.Enum): A = 1\nclass B(abc.ABC):\n  def f(self): pass\nisinstance(1, B)\n",
        "import weakref\nclass T: pass\nweakref.finalize(T(), print)\n",
        "import contextvars\nV = contextvars.ContextVar('v')\nV.set(lambda: None)\n",
        "import threading\nthreading.Thread(target=lambda: None).start()\n",
    ],
)
def test_what_holds_nothing_is_not_told_of(folder, manager, clock, harmless):
    assert replaced(folder, manager, clock, harmless + lines()) == ()


def test_a_plugin_that_was_replaced_under_a_stream_is_not_looked_at_until_the_stream_has_ended(folder, manager, clock):
    (folder / "lines.py").write_text(lines())
    manager.reload()
    with manager.registry.lease("lines"):
        (folder / "lines.py").write_text(lines("2.0.0"))
        manager.reload()
        assert looked(manager, clock) == ()
    assert looked(manager, clock) == ()
    assert manager.health()["pinned"] == 0


def test_a_plugin_that_was_loaded_before_the_server_froze_its_objects_is_collected_all_the_same(folder, manager, clock):
    (folder / "lines.py").write_text(lines())
    manager.reload()
    gc.freeze()
    try:
        (folder / "lines.py").write_text(lines("2.0.0"))
        manager.reload()
        assert looked(manager, clock) == ()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_no_logger_of_an_old_generation_stays(folder, manager, clock):
    text = "import logging\n" + "".join(
        f"L{number} = logging.getLogger({name})\n"
        for number, name in enumerate(
            ["__name__ + '.a.b'", "__name__", "'up.on.' + __name__", "'up.on.' + __name__ + '.inner'"]
        )
    )
    replaced(folder, manager, clock, text + lines(), file="logs_.py")
    known = logging.root.manager.loggerDict
    assert not [name for name in known if "logs_@1" in name]
    places = [place for place in known.values() if isinstance(place, logging.PlaceHolder)]
    assert not [logger for place in places for logger in place.loggerMap if "logs_@1" in logger.name]


def test_the_canary_outlives_the_module_while_a_function_of_it_lives():
    module = types.ModuleType("pinned@1")
    exec("def function(): pass", module.__dict__)  # noqa: S102 - as a plugin is run
    sys.modules["pinned@1"] = module
    (canary,) = pins.plant("pinned@1")
    function = module.function
    del sys.modules["pinned@1"], module
    gc.collect()
    assert canary() is not None
    del function
    gc.collect()
    assert canary() is None
