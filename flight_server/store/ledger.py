"""The changes of the catalogue, each inside the committer's transaction.

A method refuses before it writes: what it raises as a ``ServerError`` leaves the transaction as it was, for the other
changes in it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flight_server.errors import BadRequest, DatasetExists, SchemaMismatch, UnknownDataset
from flight_server.store.catalog import Catalog, Version
from flight_server.store.records import DropReceipt, Mode, Receipt
from flight_server.store.segments import Sealed, Segment

#: Rows that one change deletes at most: puts wait behind it.
BATCH_ROWS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A put whose data is complete: ``sealed`` is None when it has no rows; ``bytes`` are Arrow bytes."""

    dataset: str
    mode: Mode
    put_id: str | None
    schema: pa.Schema
    sealed: Sealed | None
    bytes: int
    details: Mapping[str, Any]


class Ledger:
    """Writes to the catalogue; used by the committer's thread only."""

    def __init__(self, db: sqlite3.Connection, catalog: Catalog) -> None:
        self._db = db
        self._catalog = catalog

    def put(self, put: Put, now: float) -> Receipt:
        """Add a version; or return the receipt of an earlier put of the same id, marked as replayed."""
        if put.put_id is not None:
            first = self._catalog.receipt(put.put_id, self._db)
            if first is not None:
                return of_dataset(first, put.dataset)
        current = self._catalog.current(put.dataset, self._db)
        check_mode(put.mode, current, put.dataset)
        if put.mode == "append" and current is not None and not put.schema.equals(current.schema):
            raise SchemaMismatch(f"the schema of {put.dataset!r} changed while this put was under way: send it again")
        dataset_id, number = self._next_version(put.dataset, now)
        self._add_version(put, current, dataset_id, number, now)
        if put.mode == "replace":
            self._db.execute("UPDATE segment SET removed = ? WHERE dataset = ? AND removed IS NULL", (number, dataset_id))
        if put.sealed is not None:
            self._add_segment(put.sealed, dataset_id, number)
        return self._remember(put, number, now)

    def drop(self, name: str, now: float) -> DropReceipt:
        """End a dataset; its versions stay until they expire."""
        current = self._catalog.current(name, self._db)
        if current is None:
            raise UnknownDataset(f"there is no dataset {name!r}")
        key = (current.dataset_id, current.version)
        self._db.execute("UPDATE dataset SET live = 0 WHERE id = ?", key[:1])
        self._db.execute("UPDATE version SET superseded = ? WHERE dataset = ? AND version = ?", (now, *key))
        self._db.execute(
            "UPDATE segment SET removed = ? WHERE dataset = ? AND removed IS NULL", (current.version + 1, current.dataset_id)
        )
        return DropReceipt(dataset=name, version=current.version)

    def merge(self, name: str, old: Sequence[Segment], sealed: Sealed) -> bool:
        """Put one segment in the place of several that lie side by side; False when they are not all there any more.

        The rows of every version stay as they are: older versions keep the old segments, the newest has the new one.
        """
        current = self._catalog.current(name, self._db)
        if current is None:
            return False
        now_there = [segment.id for segment in self._catalog.segments(current, self._db)]
        wanted = [segment.id for segment in old]
        start = now_there.index(wanted[0]) if wanted[0] in now_there else -1
        if start < 0 or now_there[start : start + len(wanted)] != wanted:
            return False
        position = self._db.execute("SELECT position FROM segment WHERE id = ?", (wanted[0],)).fetchone()[0]
        self._db.executemany("UPDATE segment SET removed = ? WHERE id = ?", [(current.version, each) for each in wanted])
        self._add_segment(sealed, current.dataset_id, current.version, position)
        return True

    def expire(self, superseded_before: float, put_ids_before: float) -> int:
        """Forget versions and put_ids that were kept long enough; return how many, at most ``BATCH_ROWS`` of each."""
        found = self._db.execute(
            "SELECT dataset, version FROM version WHERE superseded < ? LIMIT ?", (superseded_before, BATCH_ROWS)
        ).fetchall()
        self._db.executemany("DELETE FROM version WHERE dataset = ? AND version = ?", found)
        self._db.executemany(
            "DELETE FROM schema WHERE dataset = ?1 AND id NOT IN (SELECT schema FROM version WHERE dataset = ?1)",
            sorted({row[:1] for row in found}),
        )
        puts = self._db.execute(
            "DELETE FROM put WHERE put_id IN (SELECT put_id FROM put WHERE committed < ? LIMIT ?)", (put_ids_before, BATCH_ROWS)
        ).rowcount
        return len(found) + puts

    def forget(self, segments: Collection[int]) -> None:
        """Delete segments that no version needs."""
        ids = [(each,) for each in segments]
        self._db.executemany("DELETE FROM segment WHERE id = ?", ids)
        self._db.executemany("DELETE FROM inline WHERE segment = ?", ids)

    def _next_version(self, name: str, now: float) -> tuple[int, int]:
        """Take the next number of a name, and end the version that was the newest."""
        row = self._db.execute(
            "INSERT INTO dataset (name, version, live) VALUES (?, 1, 1) "
            "ON CONFLICT (name) DO UPDATE SET version = version + 1, live = 1 RETURNING id, version",
            (name,),
        ).fetchone()
        self._db.execute(
            "UPDATE version SET superseded = ? WHERE dataset = ? AND version = ? AND superseded IS NULL",
            (now, row[0], row[1] - 1),
        )
        return row[0], row[1]

    def _add_version(self, put: Put, current: Version | None, dataset_id: int, number: int, now: float) -> None:
        rows = put.sealed.rows if put.sealed else 0
        size = put.bytes
        schema_id = self._schema(put, current, dataset_id)
        if put.mode == "append" and current is not None:
            rows, size = rows + current.rows, size + current.bytes
        operation = "create" if current is None else put.mode
        created = now if current is None else current.created
        self._db.execute(
            "INSERT INTO version (dataset, version, operation, schema, rows, bytes, created, committed, put_id) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (dataset_id, number, operation, schema_id, rows, size, created, now, put.put_id),
        )

    def _schema(self, put: Put, current: Version | None, dataset_id: int) -> int:
        if current is not None and (put.mode == "append" or put.schema.equals(current.schema, check_metadata=True)):
            return current.schema_id
        message = put.schema.serialize().to_pybytes()
        return int(
            self._db.execute("INSERT INTO schema (dataset, message) VALUES (?, ?)", (dataset_id, message)).lastrowid or 0
        )

    def _add_segment(self, sealed: Sealed, dataset_id: int, added: int, position: int | None = None) -> None:
        row = self._db.execute(
            "INSERT INTO segment (dataset, added, position, rows, size, digest, file) VALUES (?, ?, "
            "coalesce(?, (SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'segment')), ?, ?, ?, ?)",
            (dataset_id, added, position, sealed.rows, sealed.size, sealed.digest, sealed.file),
        )
        if sealed.data is not None:
            self._db.execute("INSERT INTO inline (segment, data) VALUES (?, ?)", (row.lastrowid, sealed.data))

    def _remember(self, put: Put, number: int, now: float) -> Receipt:
        rows = put.sealed.rows if put.sealed else 0
        if put.put_id is not None:
            self._db.execute(
                "INSERT INTO put (put_id, dataset, version, rows, bytes, details, committed) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (put.put_id, put.dataset, number, rows, put.bytes, json.dumps(dict(put.details)), now),
            )
        return Receipt(
            dataset=put.dataset,
            version=number,
            rows=rows,
            bytes=put.bytes,
            put_id=put.put_id,
            details=dict(put.details),
            replayed=False,
            committed=now,
        )


def of_dataset(receipt: Receipt, dataset: str) -> Receipt:
    """Return the receipt of an earlier put, if it was one to the same dataset."""
    if receipt.dataset != dataset:
        raise BadRequest(
            f"the put_id {receipt.put_id!r} was used for the dataset {receipt.dataset!r} already: every put takes a new one"
        )
    return receipt


def check_mode(mode: Mode, current: Version | None, dataset: str) -> None:
    """Refuse to create a dataset that exists."""
    if mode == "create" and current is not None:
        raise DatasetExists(f"the dataset {dataset!r} exists: use mode 'append' or 'replace'", dataset=dataset)
