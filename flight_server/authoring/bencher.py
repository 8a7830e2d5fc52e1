"""The process of `plugin bench`: one measurement of a plugin with one document, cold for memory, then warm for time."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from flight_server.authoring.loading import Unusable, chunks_of, plugin_at
from flight_server.authoring.worker import answering, question
from flight_server.config import LimitsConfig
from flight_server.errors import ServerError
from flight_server.plugins.failure import explained
from flight_server.transcode import Decoded, encoded
from format_plugins.contract import DataFormat, FormatError
from format_plugins.slicing import data_bytes
from format_plugins.streams import ByteStream

#: A step is done again until it has taken so long: a short document says nothing in one go.
_LEAST_SECS = 0.1
#: So many bytes of rows are written, the first ones of the document: they are kept in memory.
_KEPT_BYTES = 64 << 20


def main() -> None:
    """Answer with one line of figures, or with what went wrong."""
    asked = question()
    plugin, sample = Path(asked["plugin"]), Path(asked["sample"])
    with answering() as out:
        try:
            answer = _measured(plugin, sample)
        except Unusable as error:
            answer = {"error": str(error), "detail": error.trace}
        except (ServerError, FormatError) as error:
            answer = {"error": f"{sample.name}: {error}"}
        except OSError as error:
            answer = {"error": f"{sample} cannot be read: {error.strerror or error}"}
        except Exception as error:  # noqa: BLE001 - of the plugin, read without the server's guard around it
            answer = {"error": f"the plugin failed: {explained(error)}"}
        out.write(f"{json.dumps(answer)}\n")


def _measured(plugin: Path, sample: Path) -> dict[str, Any]:
    lease = plugin_at(plugin, {})
    name = lease.metadata.name
    size = sum(len(memoryview(chunk)) for chunk in chunks_of(sample))
    if not size:
        raise Unusable(f"{sample.name} holds no bytes: there is nothing to measure")

    def served() -> Iterator[pa.RecordBatch]:
        decoded = Decoded(lease.create_format({}), chunks_of(sample), plugin=name, schema=None, limits=LimitsConfig())
        with closing(decoded):
            yield from decoded

    before = _memory("VmRSS")
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now
    rows = sum(batch.num_rows for batch in served())
    peak = max(_memory("VmHWM") - before, 0)
    first_secs = _first(served)
    figures: dict[str, Any] = {
        "bytes": size,
        "rows": rows,
        "peak_bytes": peak,
        "first_rows_secs": first_secs,
        "reading": _rate(size, lambda: _spent(chunks_of(sample))),
        "decoding": _rate(size, lambda: _spent(_alone(lease.create_format({}), sample))),
        "serving": _rate(size, lambda: _spent(served())),
    }
    if lease.metadata.capabilities.write:
        figures["encoding"] = _encoding(lambda: lease.create_format({}), served(), name)
    return figures


def _alone(codec: DataFormat, sample: Path) -> Iterable[Any]:
    """Decode without the server's checks."""
    stream = ByteStream(chunks_of(sample))
    whole = not hasattr(codec, "read_batches_from_stream")
    batches = codec.read_batches(stream.read()) if whole else codec.read_batches_from_stream(None, stream)
    if hasattr(batches, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(batches)
    found: Iterable[Any] = batches
    return found


def _encoding(codec: Callable[[], DataFormat], batches: Iterator[pa.RecordBatch], name: str) -> float | None:
    """Return the rate of what is written, in bytes a second; None when there is nothing to write."""
    kept: list[pa.RecordBatch] = []
    size = 0
    with closing(batches):  # type: ignore[type-var] # a generator
        while size < _KEPT_BYTES and (batch := next(batches, None)) is not None:
            kept.append(batch)
            size += data_bytes(batch)
    if not kept:
        return None

    def written() -> Iterator[Any]:
        return encoded(codec(), iter(kept), kept[0].schema, plugin=name)

    return _rate(sum(len(piece) for piece in written()), lambda: _spent(written()))


def _first(batches: Callable[[], Iterator[pa.RecordBatch]]) -> float:
    """Return how long the first batch that has rows takes, in seconds."""
    began = time.perf_counter()
    with closing(batches()) as stream:  # type: ignore[type-var] # a generator
        next((batch for batch in stream if batch.num_rows), None)
        return time.perf_counter() - began


def _rate(size: int, step: Callable[[], None]) -> float:
    """Return how many bytes a second ``step`` gets done, which is ``size`` each time."""
    times, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < _LEAST_SECS:
        step()
        times += 1
    return size * times / took


def _spent(items: Iterable[Any]) -> None:
    for _ in items:
        pass


def _memory(name: str) -> int:
    """Return a figure of this process, in bytes."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) << 10 if found else 0


if __name__ == "__main__":
    main()
