"""Content encodings: a compressed document made plain and a plain one compressed, in streams and in bounded memory.

Reading: members and frames that follow one another are read through, and zero padding after gzip is passed over.
Everything else is a ``FormatError``: a document cut short, bytes after its end, a checksum that does not fit, and no
bytes at all (the smallest document of each encoding has a header, so nothing is a document that was lost).
Writing: gzip, zstd, lz4 (its frame format) and bz2 all carry a checksum of the content, and an empty document is a
valid one.
"""

from __future__ import annotations

import bz2
import struct
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, cast

import pyarrow as pa
import xxhash
from isal import igzip_lib, isal_zlib

from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.pieces import PieceSink
from format_plugins.streams import ByteStream

#: The content encodings that can be read and written.
ENCODINGS = ("gzip", "zstd", "lz4", "bz2")
#: What a file name's last suffix says of its encoding. Those not in ``ENCODINGS`` are known and refused.
SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        ".gz": "gzip",
        ".zst": "zstd",
        ".lz4": "lz4",
        ".bz2": "bz2",
        ".xz": "xz",
        ".br": "brotli",
        ".sz": "snappy",
    }
)
#: A document may grow to this size whatever its ratio: short ones often are very regular.
SLACK_BYTES = 64 << 20

#: What decoders raise. The stubs take isal's error for an instance.
_DAMAGE = (OSError, ValueError, EOFError, cast("type[Exception]", igzip_lib.IsalError))
_STEP_BYTES = 1 << 20  # what one step makes at the most, whatever a bomb promises
_INPUT_BYTES = 64 << 10  # what one step takes: gzip's decoder copies what it leaves
_GZIP_LEVEL = 1
_GZIP_WINDOW = 31  # 15 bits, in a gzip container
_BZ2_LEVEL = 9
_ZSTD_CHECKSUM_FLAG = 0x04  # RFC 8878, 3.1.1.1.1: bit 2 of the frame header descriptor, the byte after the magic
_LZ4_CHECKSUM_FLAG = 0x04  # LZ4 frame format 1.6: bit 2 of FLG, the byte after the magic
_LZ4_HEADER_BYTES = 7  # magic, FLG, BD, header checksum: the encoder writes no content size


class ExpansionLimitError(FormatError):
    """A compressed document grows by more than the host allows."""


def decode_chunks(
    encoding: str, chunks: Iterable[Any], *, max_ratio: int, slack_bytes: int = SLACK_BYTES
) -> Iterator[pa.Buffer | bytes]:
    """Return the plain bytes of ``chunks``, lazily, in pieces of at most about 1 MiB.

    Raises ``UnsupportedError`` at once for an encoding that is not in ``ENCODINGS``; while it is iterated,
    ``FormatError`` for wrong data and ``ExpansionLimitError`` when more than ``slack_bytes`` came out and that is
    more than ``max_ratio`` times what went in. What the source raises passes through. Closing the iterator closes
    the source.
    """
    _check_known(encoding)
    return _decoded(encoding, _Source(chunks), max_ratio, slack_bytes)


def encode_chunks(encoding: str, chunks: Iterable[Any]) -> Iterator[pa.Buffer]:
    """Return ``chunks`` compressed, lazily, in pieces of at least 256 KiB but for the last.

    Raises ``UnsupportedError`` at once for an encoding that is not in ``ENCODINGS``.
    """
    _check_known(encoding)
    return _encoded(encoding, chunks)


def _check_known(encoding: str) -> None:
    if encoding not in ENCODINGS:
        raise UnsupportedError(f"the content encoding {encoding!r} is not supported (there is {', '.join(ENCODINGS)})")


class _Source:
    """The compressed bytes, as the file that decoders read; it counts them and knows its own failures."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self.closed = False
        self.taken = 0
        self.failure: BaseException | None = None
        self._stream = ByteStream(chunks)

    def read(self, n: int) -> bytes:
        try:
            data = self._stream.read(n)
        except BaseException as error:
            self.failure = error
            raise
        self.taken += len(data)
        return data

    def close(self) -> None:
        self.closed = True
        self._stream.close()


def _decoded(encoding: str, source: _Source, max_ratio: int, slack_bytes: int) -> Iterator[pa.Buffer | bytes]:
    made = 0
    try:
        for piece in _DECODERS[encoding](source):
            made += len(piece)
            if made > slack_bytes and made > max_ratio * source.taken:
                raise ExpansionLimitError(
                    f"the {encoding} document grows more than {max_ratio}-fold: "
                    f"{made:,} bytes came of its first {source.taken:,}"
                )
            if len(piece):
                yield piece
        if not source.taken:
            raise FormatError(f"the {encoding} document is empty, not even a header is there", offset=0)
    except _DAMAGE as error:
        if error is source.failure:
            raise
        raise FormatError(f"the {encoding} document is damaged: {error}", offset=source.taken) from error
    finally:
        source.failure = None  # its traceback holds the source
        source.close()


def _decoded_by_arrow(codec: Literal["zstd", "lz4"]) -> Callable[[_Source], Iterator[pa.Buffer]]:
    def pieces(source: _Source) -> Iterator[pa.Buffer]:
        plain = pa.CompressedInputStream(pa.PythonFile(cast("Any", source), mode="r"), codec)
        while (piece := plain.read_buffer(_STEP_BYTES)).size:
            yield piece

    return pieces


def _decoded_by_members(start: Callable[[], Any], magic: bytes, *, padded: bool) -> Callable[[_Source], Iterator[bytes]]:
    """Drive a decompressor that ends with its member, and begin the next one where it ended."""

    def pieces(source: _Source) -> Iterator[bytes]:
        rest = source.read(_INPUT_BYTES)
        first = True
        while rest:
            if not first and padded and not (rest := rest.lstrip(b"\0")):
                rest = source.read(_INPUT_BYTES)
                continue
            if len(rest) < len(magic):
                rest += source.read(_INPUT_BYTES)
            if not rest.startswith(magic):
                raise ValueError("it does not begin as one" if first else "bytes follow its end")
            rest = yield from _member(start(), source, rest)
            first = False

    return pieces


def _member(decompressor: Any, source: _Source, rest: bytes) -> Generator[bytes, None, bytes]:  # noqa: ANN401 - isal's or bz2's
    """Yield one member's content; return the bytes after it."""
    while not decompressor.eof:
        piece = decompressor.decompress(rest, _STEP_BYTES)
        yield piece
        rest = getattr(decompressor, "unconsumed_tail", b"")  # bz2 keeps its own
        if rest or decompressor.eof or len(piece) == _STEP_BYTES:
            continue
        rest = source.read(_INPUT_BYTES)
        if not rest:
            raise EOFError("it ends too early")
    after: bytes = decompressor.unused_data
    return after or source.read(_INPUT_BYTES)


_DECODERS: Mapping[str, Callable[[_Source], Iterator[Any]]] = MappingProxyType(
    {
        "gzip": _decoded_by_members(lambda: isal_zlib.decompressobj(_GZIP_WINDOW), b"\x1f\x8b", padded=True),
        "bz2": _decoded_by_members(bz2.BZ2Decompressor, b"BZh", padded=False),
        "zstd": _decoded_by_arrow("zstd"),
        "lz4": _decoded_by_arrow("lz4"),
    }
)


def _encoded(encoding: str, chunks: Iterable[Any]) -> Iterator[pa.Buffer]:
    source = ByteStream(chunks)
    encoder = _ENCODERS[encoding]()
    try:
        for chunk in source:
            view = memoryview(chunk)
            for start in range(0, len(view), _STEP_BYTES):
                encoder.write(view[start : start + _STEP_BYTES])
                yield from encoder.take()
        encoder.finish()
        yield from encoder.rest()
    finally:
        source.close()


class _MemberEncoder:
    """One member made by a compressor of the ``zlib`` manner; the member has its checksum by itself."""

    def __init__(self, compressor: Any) -> None:  # noqa: ANN401 - isal's or bz2's
        self._compressor = compressor
        self._sink = PieceSink()
        self.take = self._sink.take
        self.rest = self._sink.rest

    def write(self, piece: memoryview) -> None:
        self._sink.write(self._compressor.compress(piece))

    def finish(self) -> None:
        self._sink.write(self._compressor.flush())


class _FrameEncoder:
    """One frame made by Arrow, which writes none of the checksums that zstd and lz4 frames can have: added here."""

    def __init__(self, codec: Literal["zstd", "lz4"], seal: Callable[[bytes], bytes], checksum: Any) -> None:  # noqa: ANN401 - xxhash's
        self._sink = PieceSink()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(cast("Any", self._sink), mode="w"), codec)
        self._seal: Callable[[bytes], bytes] | None = seal
        self._checksum = checksum

    def write(self, piece: memoryview) -> None:
        self._checksum.update(piece)
        self._stream.write(piece)

    def finish(self) -> None:
        self._stream.close()
        self._sink.write(struct.pack("<I", self._checksum.intdigest() & 0xFFFFFFFF))

    def take(self) -> Iterator[pa.Buffer]:
        return self._sealed(self._sink.take())

    def rest(self) -> Iterator[pa.Buffer]:
        return self._sealed(self._sink.rest())

    def _sealed(self, pieces: Iterator[pa.Buffer]) -> Iterator[pa.Buffer]:
        for piece in pieces:
            if self._seal is None:
                yield piece
                continue
            seal, self._seal = self._seal, None
            yield pa.py_buffer(seal(piece.to_pybytes()))  # the first piece holds the frame's header


def _seal_zstd(piece: bytes) -> bytes:
    return piece[:4] + bytes([piece[4] | _ZSTD_CHECKSUM_FLAG]) + piece[5:]


def _seal_lz4(piece: bytes) -> bytes:
    descriptor = bytes([piece[4] | _LZ4_CHECKSUM_FLAG, piece[5]])
    header_checksum = (xxhash.xxh32_intdigest(descriptor) >> 8) & 0xFF
    return piece[:4] + descriptor + bytes([header_checksum]) + piece[_LZ4_HEADER_BYTES:]


_ENCODERS: Mapping[str, Callable[[], _MemberEncoder | _FrameEncoder]] = MappingProxyType(
    {
        "gzip": lambda: _MemberEncoder(isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_WINDOW)),
        "bz2": lambda: _MemberEncoder(bz2.BZ2Compressor(_BZ2_LEVEL)),
        "zstd": lambda: _FrameEncoder("zstd", _seal_zstd, xxhash.xxh64()),
        "lz4": lambda: _FrameEncoder("lz4", _seal_lz4, xxhash.xxh32()),
    }
)
