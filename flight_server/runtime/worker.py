"""The child's side of the runtime: one plugin, loaded once, that serves one stream after the other."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from flight_server.caller import Caller
from flight_server.errors import LimitExceeded, PluginFailed
from flight_server.plugins.candidate import Question
from flight_server.plugins.failure import Failure, explained
from flight_server.plugins.generation import Generation
from flight_server.plugins.loader import Rules, attempt
from flight_server.plugins.source import Source
from flight_server.runtime.failing import told
from flight_server.runtime.frames import Ended, Failed, Loaded, Open, Opened, Read, Setup
from flight_server.runtime.port import Document, Gathered, Port
from flight_server.runtime.ring import Ring
from flight_server.runtime.units import UnitReader, UnitWriter, unit_bytes
from flight_server.transcode import reader_of, reading
from format_plugins.contract import DataFormat
from format_plugins.slicing import data_bytes

#: Who has had nothing to do for so long gives back memory that it may not need again.
_IDLE_SECS = 0.3


def serve(connection: socket.socket) -> None:
    """Load the plugin that the server hands over and serve its streams until the server hangs up: the task of a child."""
    _, (ring,), _, _ = socket.recv_fds(connection, 1, 1)
    port = Port(connection, Ring(ring))
    os.close(ring)
    setup = port.setup()
    generation = _loaded(setup.question, setup.options)
    if isinstance(generation, Failure):
        port.send(Loaded(generation))
        return
    port.send(Loaded())
    _Worker(port, generation, setup).run()


def _loaded(question: Question, options: Mapping[str, Any] | None) -> Generation | Failure:
    source = Source(Path(question.path), question.files, question.sha256, question.is_package)
    rules = Rules(compatibility=question.compatibility, options_of=lambda _name: options)
    return attempt(source, question.number, rules)


class _Worker:
    def __init__(self, port: Port, generation: Generation, setup: Setup) -> None:
        self._port = port
        self._generation = generation
        self._own = generation.shown_as
        self._batch_bytes = setup.batch_bytes
        self._is_tidy = False
        # In words, made while there is memory for them.
        self._out_of_memory = explained(MemoryError())

    def run(self) -> None:
        """Serve until the server hangs up, which ends the process."""
        codec = None
        while True:
            order = self._port.order(_IDLE_SECS)
            if order is None:
                self._tidy()
                continue
            self._is_tidy = False
            try:
                if isinstance(order, Open):
                    codec = self._generation.code.create_format(json.loads(order.options), Caller.nobody())
                    answer: Opened | Ended | Failed = Opened()
                elif codec is None:
                    return  # the server does not do that
                else:
                    made, codec = codec, None
                    answer = Ended(self._read(made, order) if isinstance(order, Read) else self._write(made, order.schema))
                    del made
            except MemoryError:
                # The way to an answer may need more of what there is none of.
                codec = None
                answer = Failed("plugin", self._out_of_memory)
            except BaseException as error:  # noqa: BLE001 - told to the server
                codec = None
                answer = told(error, self._own)
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            self._port.send(answer)

    def _read(self, codec: DataFormat, order: Read) -> bool:
        """Decode a document; return whether it goes on behind its end."""
        schema = None if order.schema is None else pa.ipc.read_schema(pa.py_buffer(order.schema))
        spool_dir = tempfile.gettempdir()
        stream = Document(self._port, name=order.name, spool_dir=spool_dir, spool_limit_bytes=order.spool_bytes)
        reader = reader_of(reading(codec, schema, stream), schema)
        writer = UnitWriter(reader.schema)
        self._port.put(writer.schema)
        for batch in reader:
            self._check(batch, reader.schema)
            if self._port.place(partial(writer.into, batch=batch)):
                continue
            unit = writer.unit(batch)
            self._check_size(unit.size, unit_bytes(self._batch_bytes))
            self._port.put(unit)
            del unit
        return bool(stream.read(1))

    def _check(self, batch: pa.RecordBatch, schema: pa.Schema) -> None:
        """Refuse what cannot be sent; whether it is right is for the server to say, which believes nothing."""
        if not batch.schema.equals(schema):
            raise PluginFailed(f"the plugin changed the schema while it was reading: {batch.schema} after {schema}")
        try:
            batch.validate()  # what is out of its buffers' range would be memory of this process
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise PluginFailed(f"the plugin made a record batch that is not valid Arrow data: {error}") from None
        self._check_size(data_bytes(batch), self._batch_bytes)

    def _check_size(self, size: int, limit: int) -> None:
        if size > limit:
            raise LimitExceeded(f"the document decodes to a record batch of {size:,} bytes; limits.batch_bytes allows less")

    def _write(self, codec: DataFormat, schema: bytes) -> bool:
        """Encode the batches that the server hands out; there is never a rest."""
        reader = UnitReader(pa.py_buffer(schema))
        gathered = Gathered(self._port)

        def batches() -> Iterator[pa.RecordBatch]:
            gathered.flush()
            while (unit := self._port.ask_unit()) is not None:
                yield reader.batch(unit)
                del unit
                gathered.flush()

        pieces = iter(codec.write_batches(pa.RecordBatchReader.from_batches(reader.schema, batches())))
        for piece in pieces:
            gathered.add(memoryview(piece).cast("B"))
        gathered.flush()
        return False

    def _tidy(self) -> None:
        """Give back what earlier streams needed."""
        if self._is_tidy:
            return
        self._is_tidy = True
        gc.collect()
        pa.default_memory_pool().release_unused()
        _trim()


def _trim() -> Any:  # noqa: ANN401 - what malloc_trim returns
    with suppress(AttributeError):  # another C library
        return ctypes.CDLL(None).malloc_trim(0)
