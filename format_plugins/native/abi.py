"""The structs of ``format_plugin.h`` and of Arrow's C interfaces as ctypes has them, and the room that a plugin fills."""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, c_char, c_char_p, c_int, c_int32, c_int64, c_uint32, c_void_p
from enum import IntEnum
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

ABI_MAJOR, ABI_MINOR = 1, 0
ABI_VERSION = ABI_MAJOR << 16 | ABI_MINOR
ENTRY = "format_plugin_init"
SECTION = ".format_plugin"

#: Bytes behind each struct that a plugin fills: what is found in them was written by one that ignores its room.
_GUARD_BYTES = 512

S = TypeVar("S", bound=ctypes.Structure)
#: What ``Structure._fields_`` holds: a name and a ctypes type.
_Fields: TypeAlias = list[tuple[str, Any]]


class Status(IntEnum):
    """What a native function returns: ``enum FormatPluginStatus``."""

    OK = 0
    BAD_DATA = 1
    UNSUPPORTED = 2
    BAD_OPTION = 3
    FAILED = 4
    SOURCE = 5
    CANCELLED = 6
    NO_MEMORY = 7
    WRONG_ABI = 8


class AbiError(Exception):
    """A plugin breaks a law of the header."""


class Error(ctypes.Structure):
    """``struct FormatPluginError``: lives as long as what it was given to."""

    _fields_: ClassVar[_Fields] = [
        ("struct_size", c_uint32),
        ("code", c_int32),
        ("offset", c_int64),
        ("row", c_int64),
        ("column", c_char * 128),
        ("value", c_char * 64),
        ("option", c_char * 64),
        ("message", c_char * 1024),
    ]


def new_error() -> Error:
    """Make an error that says nothing yet."""
    return Error(struct_size=ctypes.sizeof(Error), offset=-1, row=-1)


LOG = CFUNCTYPE(None, c_void_p, c_int, c_char_p)
CANCELLED = CFUNCTYPE(c_int, c_void_p)


class Host(ctypes.Structure):
    """``struct FormatPluginHost``."""

    _fields_: ClassVar[_Fields] = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("context", c_void_p),
        ("log", LOG),
        ("cancelled", CANCELLED),
    ]


NEXT = CFUNCTYPE(c_int, c_void_p, POINTER(c_void_p), POINTER(c_int64), c_void_p)
# A text that Python returns to C must outlive the call: its address is returned, not a Python object.
LAST_ERROR = CFUNCTYPE(c_void_p, c_void_p)
RELEASE = CFUNCTYPE(None, c_void_p)


class Bytes(ctypes.Structure):
    """``struct FormatPluginBytes``."""

    _fields_: ClassVar[_Fields] = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("next", NEXT),
        ("get_last_error", LAST_ERROR),
        ("release", RELEASE),
        ("private_data", c_void_p),
    ]


class Format(ctypes.Structure):
    """``struct FormatPluginFormat``."""

    _fields_: ClassVar[_Fields] = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("private_data", c_void_p),
        ("open_reader", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)),
        ("open_writer", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_void_p)),
        ("release", RELEASE),
    ]


class Plugin(ctypes.Structure):
    """``struct FormatPlugin``."""

    _fields_: ClassVar[_Fields] = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("private_data", c_void_p),
        ("metadata_json", CFUNCTYPE(c_char_p, c_void_p)),
        ("create_format", CFUNCTYPE(c_int, c_void_p, c_void_p, c_char_p, c_void_p, c_void_p)),
        ("release", RELEASE),
    ]


class ArrowSchema(ctypes.Structure):
    """``struct ArrowSchema``."""

    _fields_: ClassVar[_Fields] = [
        ("format", c_void_p),
        ("name", c_void_p),
        ("metadata", c_void_p),
        ("flags", c_int64),
        ("n_children", c_int64),
        ("children", c_void_p),
        ("dictionary", c_void_p),
        ("release", RELEASE),
        ("private_data", c_void_p),
    ]


class ArrowArray(ctypes.Structure):
    """``struct ArrowArray``."""

    _fields_: ClassVar[_Fields] = [
        ("length", c_int64),
        ("null_count", c_int64),
        ("offset", c_int64),
        ("n_buffers", c_int64),
        ("n_children", c_int64),
        ("buffers", c_void_p),
        ("children", c_void_p),
        ("dictionary", c_void_p),
        ("release", RELEASE),
        ("private_data", c_void_p),
    ]


class ArrowArrayStream(ctypes.Structure):
    """``struct ArrowArrayStream``."""

    _fields_: ClassVar[_Fields] = [
        ("get_schema", c_void_p),
        ("get_next", c_void_p),
        ("get_last_error", c_void_p),
        ("release", RELEASE),
        ("private_data", c_void_p),
    ]


def release(struct: Any) -> None:  # noqa: ANN401 - each struct here has a release of its own
    """Give back what ``struct`` owns, unless it was moved away or given back before."""
    function = struct.release
    if function:
        function(ctypes.addressof(struct))
        struct.release = RELEASE()


class Room(Generic[S]):
    """Zeroed memory for one struct that a plugin fills, and what the plugin has said of it."""

    def __init__(self, kind: type[S]) -> None:
        self._kind = kind
        self._size = ctypes.sizeof(kind)
        self._memory = ctypes.create_string_buffer(self._size + _GUARD_BYTES)
        c_uint32.from_buffer(self._memory).value = self._size

    @property
    def address(self) -> int:
        """Where the struct is to be filled."""
        return ctypes.addressof(self._memory)

    def taken(self) -> S:
        """Move the struct out; what lies beyond the size that the plugin gave it reads as zero.

        Raises ``AbiError`` when the plugin has written further than there was room.
        """
        memory = self._memory.raw
        if any(memory[self._size :]):
            raise AbiError(
                f"it wrote further than the {self._size} bytes of a struct that it was given: see format_plugin_fill()"
            )
        size = c_uint32.from_buffer_copy(memory).value
        return self._kind.from_buffer_copy(memory[: min(size, self._size)].ljust(self._size, b"\0"))
