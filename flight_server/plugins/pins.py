"""What keeps the code of a generation in memory after its last lease, found out and named."""

from __future__ import annotations

import functools
import gc
import logging
import signal
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator
from types import FrameType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import pyarrow as pa

_CANARY = "__generation_canary__"
_MAX_NAMED = 8
#: How far the references to a generation are followed, and how many objects are looked at on the way.
_HOPS = 6
_MAX_HOLDERS = 5000
# Things of types that these define are on the way to a holder, and none themselves: dictionaries, closures, descriptors.
_PASSAGES = frozenset({"builtins", "types", "functools", "weakref", "collections", "_collections", "_abc"})


class Canary:
    """Lives in a module's globals for as long as anything can still reach them."""

    __slots__ = ("__weakref__",)


def plant(name: str) -> tuple[weakref.ref[Canary], ...]:
    """Put a canary into every module that is ``name`` or inside it, and return what tells whether they live."""
    canaries = []
    for module in [module for key, module in list(sys.modules.items()) if _is_inside(key, name)]:
        module.__dict__[_CANARY] = canary = Canary()
        canaries.append(weakref.ref(canary))
    return tuple(canaries)


def forget_loggers(name: str) -> None:
    """Remove the loggers that have ``name`` in theirs: ``logging`` keeps them, and their parents know them, for ever."""
    known = logging.root.manager.loggerDict
    for each in [each for each in list(known) if f".{name}." in f".{each}."]:
        logger = known.pop(each, None)
        parents = each.split(".")[:-1]
        for count in range(1, len(parents) + 1):
            place = known.get(".".join(parents[:count]))
            if isinstance(place, logging.PlaceHolder):
                place.loggerMap.pop(logger, None)  # type: ignore[arg-type]  # the stubs know loggers only


def pinned_by(name: str, canaries: Iterable[weakref.ref[Canary]]) -> tuple[str, ...]:
    """Say in words what holds the modules of ``name``, at most eight things; stops the world for some tens of milliseconds."""
    found: dict[str, None] = {}
    for finder in (_threads, _logging, _signals, _modules):
        found.update(dict.fromkeys(finder(name)))
    if not found:
        found.update(dict.fromkeys(_arrow_types(name)))
    if not found:
        held = [canary for each in canaries if (canary := each()) is not None]
        found.update(dict.fromkeys(_holders(held, name)))
    return tuple(found)[:_MAX_NAMED]


def _threads(name: str) -> Iterator[str]:
    frames = sys._current_frames()  # noqa: SLF001 - no other way to see what another thread runs
    for thread in threading.enumerate():
        frame: FrameType | None = frames.get(thread.ident or 0)
        given = (getattr(thread, "_target", None), *getattr(thread, "_args", ()), thread)
        is_held = any(_owned(each, name) for each in given)
        while frame is not None and not is_held:
            is_held = _is_inside(frame.f_globals.get("__name__"), name)
            frame = frame.f_back
        if is_held:
            yield f"the thread {thread.name!r}"


def _logging(name: str) -> Iterator[str]:
    loggers = [
        logging.root,
        *(each for each in list(logging.root.manager.loggerDict.values()) if isinstance(each, logging.Logger)),
    ]
    for logger in loggers:
        for handler in list(logger.handlers):
            if any(_owned(each, name) for each in (handler, handler.formatter, *handler.filters)):
                yield f"a handler of the logger {logger.name!r}"
        if any(_owned(each, name) for each in logger.filters):
            yield f"a filter of the logger {logger.name!r}"


def _signals(name: str) -> Iterator[str]:
    for number in signal.valid_signals():
        if _owned(signal.getsignal(number), name):
            yield f"the handler of {signal.Signals(number).name}"


def _modules(name: str) -> Iterator[str]:
    """Look for what was put into other modules: names, and entries of their dictionaries, lists and dispatch functions."""
    for key, module in list(sys.modules.items()):
        if not isinstance(module, ModuleType) or _is_inside(key, name):
            continue
        for attribute, value in list(vars(module).items()):
            if _owned(value, name) or any(_owned(each, name) for each in _entries(value)):
                yield f"{key}.{attribute}"


def _entries(value: Any) -> list[Any]:  # noqa: ANN401 - whatever a module holds
    if type(value) is FunctionType and type(value.__dict__.get("registry")) is MappingProxyType:  # functools.singledispatch
        value = dict(value.__dict__["registry"])
    if type(value) is dict:
        return [*value.values(), *value]
    return list(value) if type(value) in {list, set, tuple} else []


def _arrow_types(name: str) -> Iterator[str]:
    """Look for classes that Arrow keeps out of Python's sight."""
    left = list(pa.ExtensionType.__subclasses__())
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if _owned(kind, name):
            yield f"the Arrow extension type {kind.__name__} (pyarrow.register_extension_type)"


def _holders(canaries: list[Canary], name: str) -> Iterator[str]:
    """Follow references from the canaries to things that are not the plugin's own, and name them."""
    seen = {id(canaries)}
    frontier: list[Any] = list(canaries)
    for _ in range(_HOPS):
        seen.update((id(frontier), *map(id, frontier)))
        frontier = [each for each in gc.get_referrers(*frontier) if id(each) not in seen and type(each) is not FrameType]
        foreign = [each for each in frontier if not _is_own(each, name)]
        yield from map(_named, foreign)
        if foreign or not frontier or len(frontier) > _MAX_HOLDERS:
            return


def _is_own(thing: Any, name: str) -> bool:  # noqa: ANN401 - anything
    """Say whether ``thing`` is the plugin's, or only on the way: a foreign module or class is a holder."""
    kind = type(thing)
    is_definition = kind is ModuleType or issubclass(kind, type)
    return _owned(thing, name) or (not is_definition and kind.__module__ in _PASSAGES)


def _owned(thing: Any, name: str) -> bool:  # noqa: ANN401 - anything; nothing of it may be run
    """Say whether ``thing`` is a function or class of the generation, or an object of such a class."""
    kind = type(thing)
    if kind is MethodType:
        return _owned(thing.__func__, name)
    if kind is functools.partial:
        return _owned(thing.func, name)
    if kind is FunctionType:
        return _is_inside(thing.__globals__.get("__name__"), name)
    if kind is ModuleType:
        return _is_inside(thing.__dict__.get("__name__"), name)
    owner = thing if issubclass(kind, type) else kind
    return _is_inside(type.__getattribute__(owner, "__dict__").get("__module__"), name)


def _is_inside(module: object, name: str) -> bool:
    return isinstance(module, str) and (module == name or module.startswith(f"{name}."))


def _named(thing: Any) -> str:  # noqa: ANN401 - anything
    if type(thing) is ModuleType:
        return f"the module {thing.__dict__.get('__name__')}"
    if issubclass(type(thing), type):
        return (
            f"the class {type.__getattribute__(thing, '__dict__').get('__module__')}.{type.__getattribute__(thing, '__name__')}"
        )
    return f"an object of the type {_type(thing)}"


def _type(thing: object) -> str:
    kind = type(thing)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
