"""Checks of what loading a plugin leaves behind in a process; each in a process of its own."""

from __future__ import annotations

import atexit
import gc
import importlib
import locale
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from format_plugins.conformance.blame import LOADING, plugin_code
from format_plugins.conformance.finding import NotApplicable, Unmet
from format_plugins.conformance.subject import Subject
from format_plugins.native.filename import library_name

WARM_UPS, LOADS, GROWTH_BYTES = 20, 100, 5 << 20
CODEC_SECS = 0.1
_NOTHING = "At import and in create_plugin() only define things: what is registered somewhere outlives the plugin."


def loading_it_changes_nothing_else(subject: Subject) -> None:
    """Loading starts no thread, registers nothing, prints nothing, and leaves the process as it is."""
    modules = dict(sys.modules)
    with _caught_output() as output:
        before = _settings()
        _load(subject)  # what it imports is in now: from here on all that changes is its own doing
        between, counts = _settings(), _registered()
        _load(subject)
        after, counted = _settings(), _registered()
    for name in before:
        if not before[name] == between[name] == after[name]:
            raise Unmet(f"Loading it changes {name}.", fix=_NOTHING)
    for name, count in counts.items():
        if counted[name] > count:
            raise Unmet(f"Loading it leaves behind {name}.", fix=_NOTHING)
    replaced = [name for name, module in modules.items() if sys.modules.get(name) is not module and "@" not in name]
    foreign = [name for name, module in sys.modules.items() if name not in modules and _is_made_up(module)]
    for name in (*replaced, *foreign):
        raise Unmet(f"Loading it puts {name!r} into sys.modules.", fix=_NOTHING)
    if output:
        raise Unmet(f"Loading it prints {output[0][:80]!r}.", fix="Print nothing: log, and only while a stream runs.")


def _load(subject: Subject) -> object:
    with plugin_code("loading it once more", LOADING):
        if subject.origin.path is None and subject.origin.module in sys.modules:
            module: ModuleType = importlib.reload(sys.modules[subject.origin.module])
        else:
            module = subject.load()
        return module.create_plugin()


def _settings() -> Mapping[str, object]:
    """Return what a process has one of."""
    umask = os.umask(0)
    os.umask(umask)
    return {
        "the working folder": Path.cwd(),
        "the file mode mask": umask,
        "the environment": dict(os.environ),
        "sys.path": list(sys.path),
        "the recursion limit": sys.getrecursionlimit(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "a hook of the interpreter": (sys.excepthook, sys.displayhook, threading.excepthook, __import__),
        "sys.stdout or sys.stderr": (sys.stdout, sys.stderr),
        "the level of the root logger": logging.getLogger().level,
        "a signal handler": {number: signal.getsignal(number) for number in signal.valid_signals()},
    }


def _registered() -> Mapping[str, int]:
    """Return how many there are of what a process collects."""
    return {
        "a thread": threading.active_count(),
        "a function for the end of the process (atexit)": atexit._ncallbacks(),  # noqa: SLF001 - the only way to know
        "a handler of the root logger": len(logging.getLogger().handlers),
        "a callback of the garbage collector": len(gc.callbacks),
        "an import hook": len(sys.path_hooks) + sum("conformance" not in type(each).__module__ for each in sys.meta_path),
        "a child process": len(_children()),
        "an open file": len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0,  # noqa: PTH208 - a count
    }


def _children() -> list[str]:
    try:
        return Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    except OSError:
        return []


def _is_made_up(module: Any) -> bool:  # noqa: ANN401 - anything may be put into sys.modules
    """Say whether ``module`` was made by hand; native packages make parts of themselves so."""
    package = sys.modules.get(getattr(module, "__name__", "").partition(".")[0])
    return getattr(module, "__spec__", None) is None and (package is module or getattr(package, "__spec__", None) is None)


@contextmanager
def _caught_output() -> Iterator[list[str]]:
    """Catch what is written to descriptors 1 and 2, by native code too; the list has it after the block."""
    found: list[str] = []
    with tempfile.TemporaryFile() as file:
        saved = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield found
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, number)
                os.close(copy)
            file.seek(0)
            if text := file.read(1000).decode(errors="replace").strip():
                found.append(text)


def making_a_codec_touches_nothing(subject: Subject) -> None:
    """``create_format`` opens no file, no connection and no process, starts no thread, and is quick."""
    subject.codec()  # what it imports late is in now
    touched: list[str] = []
    watching = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event.startswith(_OUTSIDE):
            touched.append(f"{event}({', '.join(map(repr, arguments))})"[:200])

    sys.addaudithook(hook)
    threads, started = threading.active_count(), time.thread_time()
    try:
        subject.codec()
    finally:
        watching = False
    spent = time.thread_time() - started
    fix = "Do in create_format() nothing but to keep the options: open and start things when a stream is read or written."
    if touched:
        raise Unmet(f"create_format() touches the outside: {touched[0]}.", fix=fix, detail="\n".join(touched))
    if threading.active_count() > threads:
        raise Unmet("create_format() starts a thread.", fix=fix)
    if spent > CODEC_SECS:
        raise Unmet(f"create_format() takes {spent * 1000:.0f} ms.", fix=fix)


_OUTSIDE = ("open", "socket.", "subprocess.", "os.", "shutil.", "tempfile.", "sqlite3.", "urllib.", "glob.", "time.sleep")


def a_hundred_loads_leave_nothing_behind(subject: Subject) -> None:
    """A plugin that is loaded, used and let go of a hundred times takes no memory for it."""
    if subject.origin.path is None:
        raise NotApplicable("the plugin was given as an object; give it as a path to have it loaded again and again")
    if library_name(subject.origin.path.name) is not None:
        raise NotApplicable("a native library is never unloaded: the process that it runs in ends")
    for _ in range(WARM_UPS):
        _use_once(subject)
    gc.collect()
    before = _resident()
    refs = [_use_once(subject) for _ in range(LOADS)]
    gc.collect()
    if alive := sum(ref() is not None for ref in refs):
        holders = {type(holder).__name__ for ref in refs if ref() is not None for holder in gc.get_referrers(ref())}
        raise Unmet(
            f"Of {LOADS} loads that were let go of, {alive} are still there.",
            fix="Register nothing that refers to the plugin: no atexit function, no thread, no callback, no handler.",
            detail="They are held by: " + ", ".join(sorted(holders)),
        )
    if (grown := _resident() - before) > GROWTH_BYTES:
        raise Unmet(
            f"{LOADS} loads take {grown >> 20} MiB of memory.",
            fix="Put nothing of the plugin into a cache, a registry or a list that lives outside of it.",
        )


def _use_once(subject: Subject) -> weakref.ref[Any]:
    once = Subject(subject.origin, subject.declared)
    module = once.load()
    once.plugin = module.create_plugin()
    if once.capabilities.write:
        once.document(once.rows(10))
    elif once.capabilities.read:
        once.reread(once.documents[0])
    once.close()
    return weakref.ref(module.create_plugin)  # a function keeps its globals, though not its module


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
