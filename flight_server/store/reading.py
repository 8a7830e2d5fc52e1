"""Opening a segment: its bytes, verified and mapped, as Arrow's own reader."""

from __future__ import annotations

import os

import pyarrow as pa

from flight_server.store.catalog import Catalog
from flight_server.store.faults import damaged
from flight_server.store.maps import Maps
from flight_server.store.segments import Segment, SegmentFolder
from flight_server.store.verification import Verifier


class SegmentReaders:
    """Makes readers of segments; what they yield points into the map, or the bytes, of the segment."""

    def __init__(self, catalog: Catalog, folder: SegmentFolder) -> None:
        self.maps = Maps()
        self._catalog = catalog
        self._folder = folder
        self._verifier = Verifier()

    def open(self, segment: Segment, dataset: str) -> pa.RecordBatchReader:
        """Return a reader of one segment. Raises ``Internal`` when its bytes are not those that were written."""
        try:
            return pa.ipc.open_stream(pa.BufferReader(self._buffer(segment)))
        except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
            raise damaged(dataset, error) from error

    def forget(self, segment_ids: list[int]) -> None:
        """Let go of what is remembered of segments that are gone."""
        self._verifier.forget(segment_ids)

    def _buffer(self, segment: Segment) -> pa.Buffer:
        if segment.file is None:
            data = self._catalog.inline(segment.id)
            if data is None:
                raise ValueError(f"segment {segment.id} is not in the catalogue")
            self._verifier.check_bytes(segment.id, data, segment.digest)
            return pa.py_buffer(data)
        descriptor = os.open(self._folder.path(segment.file), os.O_RDONLY)
        try:
            self._verifier.check_file(segment.id, descriptor, segment.size, segment.digest)
            return self.maps.buffer(segment.id, descriptor, segment.size)
        finally:
            os.close(descriptor)
