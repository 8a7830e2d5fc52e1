"""One plugin and one document, opened as a server does it, in a process of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flight_server.config import LimitsConfig, PluginsConfig
from flight_server.plugins.failure import Failure
from flight_server.plugins.lease import Lease
from flight_server.plugins.loader import Rules, attempt
from flight_server.plugins.source import Unreadable, read
from format_plugins.content_encodings import ENCODINGS, SUFFIXES, decode_chunks

_READ_BYTES = 1 << 20


class Unusable(Exception):
    """The plugin does not load; ``trace`` is for its author."""

    def __init__(self, sentence: str, trace: str = "") -> None:
        super().__init__(sentence)
        self.trace = trace


def plugin_at(path: Path, configs: Mapping[str, Mapping[str, Any]]) -> Lease:
    """Load the plugin at ``path`` with what is configured of it in ``configs``. Raises ``Unusable``."""
    config = PluginsConfig()
    source = read(path, limit_bytes=config.max_plugin_bytes)
    if isinstance(source, Unreadable):
        raise Unusable(source.sentence)
    loaded = attempt(source, 1, Rules(compatibility=config.version_compatibility, options_of=configs.get))
    if isinstance(loaded, Failure):
        raise Unusable(loaded.sentence, loaded.traceback)
    return Lease(loaded, loaded.hold())


def chunks_of(sample: Path) -> Iterator[Any]:
    """Yield the bytes of a file, unpacked where its last suffix says that they are packed. Raises ``OSError``."""
    encoding = SUFFIXES.get(sample.suffix.lower())
    chunks = _read(sample)
    if encoding not in ENCODINGS:
        return chunks
    return iter(decode_chunks(encoding, chunks, max_ratio=LimitsConfig().expansion_ratio))


def _read(sample: Path) -> Iterator[bytes]:
    with sample.open("rb", buffering=0) as file:
        while chunk := file.read(_READ_BYTES):
            yield chunk
