"""Ways through a format plugin for its tests: a table to a document, a document to a table."""

import gc
from pathlib import Path

import pyarrow as pa

from format_plugins.options import decode
from format_plugins.streams import ByteStream


def codec(module, options):
    """One stream's codec of a plugin module, its options given as a client gives them."""
    plugin = module.create_plugin()
    return plugin.create_format(decode(plugin.config_type, options))


def written(module, batches, **options):
    """The document of a table, or of a list of record batches."""
    if isinstance(batches, list):
        batches = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
    elif isinstance(batches, pa.Table):
        batches = batches.to_reader()
    return b"".join(codec(module, options).write_batches(batches))


def read(module, document, *, schema=None, size=None, **options):
    """The table of a document that arrives in chunks of ``size`` bytes; each batch is of the announced schema and valid."""
    reader = codec(module, options).read_batches_from_stream(schema, ByteStream(cut(document, size)))
    batches = list(reader)
    for batch in batches:
        batch.validate(full=True)
        assert batch.schema.equals(reader.schema)
    return pa.Table.from_batches(batches, reader.schema)


def cut(document, size=None):
    """The document in chunks, lazily."""
    size = size or max(len(document), 1)
    return (document[start : start + size] for start in range(0, len(document), size))


def same(one, other):
    """Whether two arrays say the same; NaN is NaN."""
    if one.type != other.type:
        return False
    return one.equals(other) or (pa.types.is_floating(one.type) and str(one) == str(other))


class Watched:
    """A source of chunks that knows whether it was closed, and how much was taken from it."""

    def __init__(self, chunks):
        self._chunks = iter(chunks)
        self.taken = 0
        self.closed = False

    def __iter__(self):
        return self

    def __next__(self):
        chunk = next(self._chunks)
        self.taken += len(chunk)
        return chunk

    def close(self):
        self.closed = True


class Memory:
    """The growth of this process's memory, at its highest, in bytes: ``with Memory() as memory: ...; memory.grown``."""

    grown = 0

    def __enter__(self):
        gc.collect()
        pa.default_memory_pool().release_unused()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the high-water mark
        self._before = _status("VmRSS")
        return self

    def __exit__(self, *_):
        self.grown = _status("VmHWM") - self._before


def _status(name):
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) << 10
    raise KeyError(name)
