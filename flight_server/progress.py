"""Word of how far long puts have come, sent while they run: clients see life, and so do the proxies in between."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import flight


class Progress:
    """One thread that tells all running puts of a server their progress."""

    def __init__(self, interval_secs: float) -> None:
        self._interval = interval_secs
        self._puts: set[_Put] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a message that a client does not take is not waited for."""
        self._stopped.set()
        self._thread.join(timeout=1)

    @contextmanager
    def of(self, writer: flight.FlightMetadataWriter, figures: Callable[[], dict[str, int]]) -> Iterator[None]:
        """Tell the put that answers on ``writer`` its ``figures`` until the block ends.

        The writer is never touched after that: it dies with its call, and takes the process along when it is used.
        """
        put = _Put(writer, figures)
        with self._lock:
            self._puts.add(put)
        try:
            yield
        finally:
            with self._lock:
                self._puts.discard(put)
            put.close()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            with self._lock:
                puts = list(self._puts)
            for put in puts:
                put.tell()


class _Put:
    def __init__(self, writer: flight.FlightMetadataWriter, figures: Callable[[], dict[str, int]]) -> None:
        self._writer: flight.FlightMetadataWriter | None = writer
        self._figures = figures
        self._lock = threading.Lock()

    def tell(self) -> None:
        with self._lock:
            if self._writer is None:
                return
            try:
                self._writer.write(pa.py_buffer(json.dumps({"progress": self._figures()}).encode()))
            except (pa.ArrowException, OSError):  # the client has gone, which its put notices itself
                self._writer = None

    def close(self) -> None:
        with self._lock:
            self._writer = None
