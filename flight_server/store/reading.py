"""Opening a segment: its bytes, verified, as Arrow's own reader.

Files are read, not mapped: mapped pages count as the server's memory until somebody lets go of them, a file that is cut
short under a map kills the process, and over Flight reading was measured to be no slower.
"""

from __future__ import annotations

import os

import pyarrow as pa

from flight_server.store.catalog import Catalog
from flight_server.store.faults import damaged
from flight_server.store.segments import Segment, SegmentFolder
from flight_server.store.verification import Verifier


class SegmentReaders:
    """Makes readers of segments; a reader goes on to its end even when the segment is deleted meanwhile."""

    def __init__(self, catalog: Catalog, folder: SegmentFolder) -> None:
        self._catalog = catalog
        self._folder = folder
        self._verifier = Verifier()

    def open(self, segment: Segment, dataset: str) -> pa.RecordBatchReader:
        """Return a reader of one segment. Raises ``Internal`` when its bytes are not those that were written."""
        try:
            return pa.ipc.open_stream(self._source(segment))
        except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
            raise damaged(dataset, error) from error

    def forget(self, segment_ids: list[int]) -> None:
        """Let go of what is remembered of segments that are gone."""
        self._verifier.forget(segment_ids)

    def _source(self, segment: Segment) -> pa.NativeFile:
        if segment.file is None:
            data = self._catalog.inline(segment.id)
            if data is None:
                raise ValueError(f"segment {segment.id} is not in the catalogue")
            self._verifier.check_bytes(segment.id, data, segment.digest)
            return pa.BufferReader(data)
        path = self._folder.path(segment.file)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            self._verifier.check_file(segment.id, descriptor, segment.size, segment.digest)
        finally:
            os.close(descriptor)
        return pa.OSFile(str(path), mode="rb")
