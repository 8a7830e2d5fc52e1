"""Whether objects of a plugin have the methods that the contract asks for, with arguments that the host can give."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence

from flight_server.plugins.failure import LoadError
from format_plugins.contract import DataFormat, FormatPlugin, PluginCapabilities

READS = ("read_batches", "read_batches_from_stream")
ARGUMENTS = {
    "create_plugin": (),
    "metadata": (),
    "create_format": ("config",),
    "read_batches": ("data",),
    "read_batches_from_stream": ("schema", "stream"),
    "write_batches": ("batches",),
}


def check_entry(module: object) -> None:
    """Raise ``LoadError`` unless ``module`` exports ``create_plugin()``."""
    if getattr(module, "create_plugin", None) is None:
        raise LoadError("it has no function create_plugin(), the one name that a plugin must have")
    _check_method(module, "create_plugin")


def check_plugin(plugin: object) -> None:
    """Raise ``LoadError`` unless ``plugin`` has what a ``FormatPlugin`` has."""
    for name in ("metadata", "create_format"):
        if getattr(plugin, name, None) is None or _is_stub(plugin, name, FormatPlugin):
            raise LoadError(f"what create_plugin() returned, a {type(plugin).__name__}, has no method {_shown(name)}")
        _check_method(plugin, name)
    config_type = getattr(plugin, "config_type", None)
    parameters = getattr(config_type, "__dataclass_params__", None)
    if not isinstance(config_type, type) or not dataclasses.is_dataclass(config_type):
        raise LoadError("its config_type is not a dataclass; a format without options has one without fields")
    if not getattr(parameters, "frozen", False):
        raise LoadError(f"its config_type {config_type.__name__} is not frozen: write @dataclass(frozen=True)")


def check_format(codec: object, capabilities: PluginCapabilities) -> None:
    """Raise ``LoadError`` unless ``codec`` has the methods that the plugin's capabilities promise."""
    kind = type(codec).__name__
    reads = [name for name in READS if getattr(codec, name, None) is not None]
    if capabilities.read and not reads:
        raise LoadError(f"its capabilities say read, but {kind} has neither {_shown(READS[0])} nor {_shown(READS[1])}")
    if capabilities.write and getattr(codec, "write_batches", None) is None:
        raise LoadError(f"its capabilities say write, but {kind} has no {_shown('write_batches')}")
    promised: Sequence[str] = [*(reads if capabilities.read else ()), *(["write_batches"] if capabilities.write else ())]
    for name in promised:
        if _is_stub(codec, name, DataFormat):
            raise LoadError(f"{kind} inherits an empty {_shown(name)} from the contract: write it, or leave the base class out")
        _check_method(codec, name)


def _check_method(owner: object, name: str) -> None:
    method = getattr(owner, name)
    if not callable(method):
        raise LoadError(f"its {name} is a {type(method).__name__}, not a function")
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        raise LoadError(f"its {name} is asynchronous; the host calls it from a thread and wants a plain function")
    try:
        signature = inspect.signature(method)
    except (ValueError, TypeError):  # native code does not always tell
        return
    try:
        signature.bind(*ARGUMENTS[name])
    except TypeError as error:
        raise LoadError(f"its {name}{signature} cannot be called as {_shown(name)}: {error}") from None


def _is_stub(owner: object, name: str, protocol: type) -> bool:
    return getattr(type(owner), name, None) is getattr(protocol, name)


def _shown(name: str) -> str:
    return f"{name}({', '.join(ARGUMENTS[name])})"
