"""What an ELF file says of itself, read from its bytes: whether this machine can load it, what it exports, its sections."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

_MAGIC = b"\x7fELF"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_ENTRY = struct.Struct("<qQ")

_LOAD, _DYNAMIC = 1, 2
_SYMTAB, _STRTAB, _HASH, _GNU_HASH, _FLAGS_1 = 6, 5, 4, 0x6FFFFEF5, 0x6FFFFFFB
_PIE = 0x08000000
_NOBITS = 8
_FUNCTIONS = {2, 10}  # STT_FUNC, STT_GNU_IFUNC
_BINDINGS = {1, 2}  # STB_GLOBAL, STB_WEAK
_VISIBLE = {0, 3}  # STV_DEFAULT, STV_PROTECTED
#: What reading at a place that is outside of the file raises.
_DAMAGE = (struct.error, ValueError, IndexError, OverflowError)
#: A damaged hash table may lead in circles, or very far.
_MOST_SYMBOLS = 1 << 20

_MACHINES = {
    3: "i386",
    8: "mips",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv",
    258: "loongarch",
}
_TYPES = {1: "an object file: link it with -shared", 2: "a program, not a shared library", 4: "a core dump"}
_OTHERS = {
    b"MZ": "a Windows file (PE)",
    b"\xcf\xfa\xed\xfe": "a macOS file (Mach-O)",
    b"\xca\xfe\xba\xbe": "a macOS file (Mach-O) or a Java class",
    b"!<arch>": "a static library: link it with -shared",
    b"\0asm": "WebAssembly",
    b"\x1f\x8b": "packed with gzip",
    b"PK": "a zip archive",
}


class LibraryError(Exception):
    """A file is no native plugin for this machine; the message says why, and goes behind its name: "it is empty"."""


class _Segment(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int


class Elf:
    """A shared library of this machine's kind, whole. Raises ``LibraryError`` when ``content`` is anything else."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        _check_kind(content)
        try:
            self._header = _HEADER.unpack_from(content)
            self._segments = tuple(self._read_segments())
            self._check_whole()
            self._check_library()
        except _DAMAGE:
            raise LibraryError("it is damaged or incomplete: its headers lead out of the file") from None

    @cached_property
    def exports(self) -> tuple[str, ...]:
        """The functions that it exports, by name, in order."""
        try:
            return tuple(sorted(set(self._read_exports())))
        except _DAMAGE:
            raise LibraryError("it is damaged: its table of symbols leads out of the file") from None

    def section(self, name: str) -> bytes | None:
        """Return what lies in a section; None when there is no such section."""
        offset, size, count, names = self._header[6], self._header[11], self._header[12], self._header[13]
        try:
            headers = [_SECTION.unpack_from(self._content, offset + size * index) for index in range(count)]
            texts = headers[names][4] if count else 0
            for header in headers:
                if self._text(texts + header[0]) == name and header[1] != _NOBITS:
                    return self._content[header[4] : header[4] + header[5]]
        except _DAMAGE:
            raise LibraryError("it is damaged: its table of sections leads out of the file") from None
        return None

    def _read_segments(self) -> Iterator[_Segment]:
        offset, size, count = self._header[5], self._header[9], self._header[10]
        for index in range(count):
            kind, _, start, address, _, in_file, _, _ = _SEGMENT.unpack_from(self._content, offset + size * index)
            yield _Segment(kind, start, address, in_file)

    def _check_whole(self) -> None:
        _, _, _, _, _, _, sections, _, _, _, _, size, count, _ = self._header
        ends = [segment.offset + segment.size for segment in self._segments if segment.kind == _LOAD]
        needed = max([*ends, sections + size * count if sections else 0])
        if needed > len(self._content):
            raise LibraryError(f"it is incomplete: it needs {needed:,} bytes and has {len(self._content):,}")

    def _check_library(self) -> None:
        if self._dynamic.get(_FLAGS_1, 0) & _PIE:
            raise LibraryError(f"it is {_TYPES[2]}")
        if not {_SYMTAB, _STRTAB} <= self._dynamic.keys():
            raise LibraryError("it has no table of dynamic symbols: it is no shared library")

    @cached_property
    def _dynamic(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for segment in self._segments:
            if segment.kind == _DYNAMIC:
                block = self._content[segment.offset : segment.offset + segment.size // _ENTRY.size * _ENTRY.size]
                found.update(reversed(list(_ENTRY.iter_unpack(block))))
        return found

    def _read_exports(self) -> Iterator[str]:
        symbols, texts = self._place(self._dynamic[_SYMTAB]), self._place(self._dynamic[_STRTAB])
        for index in range(self._symbol_count()):
            name, info, other, section, _, _ = _SYMBOL.unpack_from(self._content, symbols + index * _SYMBOL.size)
            if section and info & 15 in _FUNCTIONS and info >> 4 in _BINDINGS and other & 3 in _VISIBLE:
                yield self._text(texts + name)

    def _symbol_count(self) -> int:
        """Count the dynamic symbols as the loader finds them: sections may have been stripped."""
        if _HASH in self._dynamic:
            count: int = struct.unpack_from("<I", self._content, self._place(self._dynamic[_HASH]) + 4)[0]
        elif _GNU_HASH in self._dynamic:
            count = self._gnu_count(self._place(self._dynamic[_GNU_HASH]))
        else:
            return 0
        return min(count, _MOST_SYMBOLS)

    def _gnu_count(self, table: int) -> int:
        buckets, first, blooms, _ = struct.unpack_from("<4I", self._content, table)
        start = table + 16 + blooms * 8
        last = max(struct.unpack_from(f"<{buckets}I", self._content, start), default=0)
        if last < first:
            return int(first)
        chain = start + buckets * 4
        for index in range(last, last + _MOST_SYMBOLS):
            if struct.unpack_from("<I", self._content, chain + (index - first) * 4)[0] & 1:
                return index + 1
        raise ValueError(last)

    def _place(self, address: int) -> int:
        for segment in self._segments:
            if segment.kind == _LOAD and segment.address <= address < segment.address + segment.size:
                return segment.offset + address - segment.address
        raise ValueError(address)

    def _text(self, start: int) -> str:
        return self._content[start : self._content.index(b"\0", start)].decode("utf-8", "replace")


def _check_kind(content: bytes) -> None:
    """See that the file is a shared library of the interpreter's own class, byte order and machine."""
    if not content.startswith(_MAGIC):
        raise LibraryError(_told(content))
    with Path("/proc/self/exe").open("rb") as interpreter:
        mine = interpreter.read(_HEADER.size)
    if len(content) < len(mine):
        raise LibraryError(f"it is incomplete: it has {len(content)} bytes, and a library's header alone has {len(mine)}")
    if content[4] != mine[4]:
        raise LibraryError(f"it is built for {32 * content[4]} bits, and this process has {32 * mine[4]}")
    machine, own = (int.from_bytes(head[18:20], "little" if head[5] == 1 else "big") for head in (content, mine))
    if machine != own or content[5] != mine[5]:
        raise LibraryError(f"it is built for {_machine(machine)}, and this machine is {_machine(own)}")
    kind = int.from_bytes(content[16:18], "little")
    if kind in _TYPES:
        raise LibraryError(f"it is {_TYPES[kind]}")


def _machine(number: int) -> str:
    return _MACHINES.get(number, f"machine {number}")


def _told(content: bytes) -> str:
    if not content:
        return "it is empty"
    for magic, kind in _OTHERS.items():
        if content.startswith(magic):
            return f"it is {kind}, not a shared library of Linux (ELF)"
    head = content[:40]
    if head.isascii() and head.decode().replace("\n", "").replace("\t", "").isprintable():
        return f"it is a text file, not a library: it begins with {head.decode().splitlines()[0]!r}"
    return f"it is not a shared library (ELF): it begins with {head[:8].hex(' ')}"
