"""A native plugin in this process: its file checked, copied, opened, and asked who it is.

A crash of native code is the end of its process. The server therefore does this in child processes only; what it checks in its
own, ``checked()``, reads the file and runs none of its code.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import hashlib
import logging
import os
import secrets
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from format_plugins.contract import PluginMetadata
from format_plugins.native import abi, fault, manifest
from format_plugins.native.codec import Cancelling, NativeFormat
from format_plugins.native.elf import Elf, LibraryError
from format_plugins.native.manifest import Manifest

#: Told what a library's code does next, as the end of a sentence: "in format_plugin_init".
Witness: TypeAlias = Callable[[str], None]

#: How many of a library's exports a message names.
_NAMED_EXPORTS = 5


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What native code may ask of its host; called from any thread. Levels are those of ``logging``."""

    log: Callable[[int, str], None] = lambda level, line: logging.getLogger("format_plugins.native").log(level, "%s", line)
    cancelled: Callable[[], bool] = bool


def checked(content: bytes) -> Manifest | None:
    """Check all that can be seen without running code of a library, and return its embedded manifest if it has one.

    Raises ``LibraryError`` when the file is not a whole shared library for this machine, exports no ``format_plugin_init``,
    or has a manifest that is wrong or of another major version.
    """
    library = Elf(content)
    if abi.ENTRY not in library.exports:
        names = [name for name in library.exports if not name.startswith("_")]
        more = f" and {len(names) - _NAMED_EXPORTS} more" if len(names) > _NAMED_EXPORTS else ""
        raise LibraryError(f"it exports no {abi.ENTRY}; it exports {', '.join(names[:_NAMED_EXPORTS]) or 'no function'}{more}")
    return manifest.embedded(library)


def load(content: bytes, folder: Path, *, callbacks: Callbacks | None = None, witness: Witness | None = None) -> NativePlugin:
    """Load a library from its bytes, as a copy under its hash in ``folder``, which nobody else can write to.

    ``folder`` is made if it is missing; its file system must allow programs to run. A library is never unloaded: what it has
    made may still point into it. Raises ``LibraryError``.
    """
    embedded = checked(content)
    path = _copied(content, folder)
    say = witness or _unseen
    say("while its library was opened")
    return NativePlugin(_opened(path), embedded, callbacks or Callbacks(), say)


class NativePlugin:
    """A native library as a ``FormatPlugin``."""

    config_type: type

    def __init__(self, library: ctypes.CDLL, embedded: Manifest | None, callbacks: Callbacks, witness: Witness) -> None:
        self._callbacks = callbacks
        self._host = self._new_host(lambda _: 0)
        witness(f"in {abi.ENTRY}")
        self._struct = self._initialized(library)
        weakref.finalize(self, _ended, self._struct, self._host).atexit = False
        witness("in metadata_json")
        self._manifest = self._asked(embedded)
        self.config_type = self._manifest.config_type

    @property
    def abi_version(self) -> tuple[int, int]:
        """The version of the native interface that both sides speak."""
        return (self._struct.abi_version >> 16, self._struct.abi_version & 0xFFFF)

    def metadata(self) -> PluginMetadata:
        """Return who the plugin is."""
        return self._manifest.metadata

    def create_format(self, config: Any) -> NativeFormat:  # noqa: ANN401 - the plugin's own config_type
        """Make the codec of one stream. Raises ``OptionError`` when the plugin refuses an option's value."""
        cancelling = Cancelling(self._callbacks.cancelled)
        options = {item.name: getattr(config, item.name) for item in dataclasses.fields(config)}
        made = NativeFormat(self._struct, self._new_host(cancelling), options, owner=self, cancelling=cancelling)
        can = self._manifest.metadata.capabilities
        promises = ("read", can.read, made.reads, "open_reader"), ("write", can.write, made.writes, "open_writer")
        for what, promised, has, name in promises:
            if promised and not has:
                raise fault.NativePluginError(f"its capabilities say {what}, but it has no {name}")
        return made

    def _new_host(self, cancelled: Callable[[int], int]) -> abi.Host:
        return abi.Host(
            struct_size=ctypes.sizeof(abi.Host),
            abi_version=abi.ABI_VERSION,
            log=abi.LOG(_Log(self._callbacks.log)),
            cancelled=abi.CANCELLED(cancelled),
        )

    def _initialized(self, library: ctypes.CDLL) -> abi.Plugin:
        entry = library[abi.ENTRY]
        entry.argtypes, entry.restype = [ctypes.c_void_p] * 3, ctypes.c_int
        error, room = abi.new_error(), abi.Room(abi.Plugin)
        status = entry(ctypes.addressof(self._host), room.address, ctypes.addressof(error))
        if status:
            raise LibraryError(str(fault.of_call(abi.ENTRY, status, error)))
        struct = _taken(room)
        _check_version(struct.abi_version)
        if not struct.create_format:
            raise LibraryError("it has no create_format, which every plugin must have")
        return struct

    def _asked(self, embedded: Manifest | None) -> Manifest:
        """Return the manifest; what the library says when it runs must be what stands in its file."""
        text = self._struct.metadata_json(ctypes.addressof(self._struct)) if self._struct.metadata_json else None
        if text is None:
            if embedded is None:
                raise LibraryError("it has no manifest: neither one in its file nor metadata_json")
            return embedded
        told = manifest.parse(text)
        if embedded is not None and embedded != told:
            raise LibraryError("what metadata_json says differs from the manifest in its file")
        return told


class _Log:
    """Passes native code's lines on."""

    def __init__(self, log: Callable[[int, str], None]) -> None:
        self._log = log

    def __call__(self, _: int, level: int, message: bytes | None) -> None:
        """Log a line; native code cannot be told that this failed."""
        with contextlib.suppress(Exception):
            self._log(level, (message or b"").decode("utf-8", "replace"))


def _unseen(_doing: str) -> None:
    """Witness nothing."""


def _taken(room: abi.Room[abi.Plugin]) -> abi.Plugin:
    try:
        return room.taken()
    except abi.AbiError as error:
        raise LibraryError(str(error)) from None


def _check_version(answered: int) -> None:
    major, minor = answered >> 16, answered & 0xFFFF
    if major != abi.ABI_MAJOR or minor > abi.ABI_MINOR:
        offered = f"{abi.ABI_MAJOR}.{abi.ABI_MINOR}"
        raise LibraryError(f"it answered version {major}.{minor} of the native interface to a host that has {offered}")


def _ended(struct: abi.Plugin, _host: abi.Host) -> None:
    abi.release(struct)


def _copied(content: bytes, folder: Path) -> Path:
    """Put the bytes that were checked where nobody changes them: opening a file that is then overwritten kills the process."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise LibraryError("it cannot be loaded: the folder for copies of libraries is not the server's alone (mode 0700)")
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        raise LibraryError("it cannot be loaded: the folder for copies of libraries is on a file system that is mounted noexec")
    target = folder / f"{hashlib.sha256(content).hexdigest()}.so"
    if target.exists() and target.read_bytes() == content:
        return target
    copy = folder / secrets.token_hex(16)
    # Made with its mode: a child process in a sandbox may not change one.
    with open(copy, "xb", opener=partial(os.open, mode=0o500)) as file:
        file.write(content)
    return copy.replace(target)


def _opened(path: Path) -> ctypes.CDLL:
    """Open a library; every symbol that it needs is found now, before any of its code runs, or it is refused."""
    try:
        return ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    except OSError as error:
        reason = str(error).replace(f"{path}: ", "").replace(str(path), "it")
        raise LibraryError(f"the system's loader refuses it: {reason}") from None
