"""The catalogue: a SQLite database of datasets, versions, segments and the receipts of puts; opening and reading it."""

from __future__ import annotations

import contextlib
import json
import queue
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flight_server.errors import ShuttingDown
from flight_server.store.records import DatasetInfo, Receipt, VersionInfo
from flight_server.store.segments import Segment

#: Kept in the database's user_version; a store of a newer one is refused.
SCHEMA_VERSION = 1
#: Connections for readers, shared by all threads: Flight's are not ours, so none can be bound to a thread. Their number is
#: fixed because SQLite keeps the descriptor of a closed connection for as long as another one holds a lock.
_READERS = 4
_CACHED_SCHEMAS = 20_000
_SIMILAR_NAMES = 1000

# A row of `dataset` stays for ever, so that no version number of a name is used twice. A segment belongs to the versions
# added <= v < removed. `live` is 0 after a drop. `created` of a version is when its dataset was first put.
_TABLES = """
CREATE TABLE dataset (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, live INTEGER NOT NULL);
CREATE TABLE schema (id INTEGER PRIMARY KEY AUTOINCREMENT, dataset INTEGER NOT NULL, message BLOB NOT NULL);
CREATE INDEX schema_dataset ON schema (dataset);
CREATE TABLE version (
  dataset INTEGER NOT NULL, version INTEGER NOT NULL, operation TEXT NOT NULL, schema INTEGER NOT NULL, rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL, created REAL NOT NULL, committed REAL NOT NULL, put_id TEXT, superseded REAL,
  PRIMARY KEY (dataset, version)) WITHOUT ROWID;
CREATE INDEX version_superseded ON version (superseded) WHERE superseded IS NOT NULL;
CREATE TABLE segment (
  id INTEGER PRIMARY KEY AUTOINCREMENT, dataset INTEGER NOT NULL, added INTEGER NOT NULL, removed INTEGER,
  position INTEGER NOT NULL, rows INTEGER NOT NULL, size INTEGER NOT NULL, digest BLOB NOT NULL, file TEXT);
CREATE INDEX segment_dataset ON segment (dataset, removed);
CREATE TABLE inline (segment INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE put (
  put_id TEXT PRIMARY KEY, dataset TEXT NOT NULL, version INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
  details TEXT NOT NULL, committed REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX put_committed ON put (committed);
CREATE VIEW known_version AS
  SELECT d.id, d.name, v.version, v.operation, v.schema, s.message, v.rows, v.bytes, v.created, v.committed, v.put_id,
    v.superseded, d.live AND v.version = d.version AS current
  FROM dataset d JOIN version v ON v.dataset = d.id JOIN schema s ON s.id = v.schema;
"""


class CatalogRefused(Exception):
    """The catalogue cannot be used: a newer server made it, or it is damaged."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a dataset as the catalogue has it; ``superseded`` is when it ceased to be the newest."""

    dataset_id: int
    dataset: str
    version: int
    operation: str
    schema_id: int
    schema: pa.Schema
    rows: int
    bytes: int
    created: float
    committed: float
    put_id: str | None
    superseded: float | None


class Catalog:
    """The database, and a few connections to read it. Writing is the committer's, through ``connect``."""

    def __init__(self, path: Path) -> None:
        """Open or make the catalogue. Raises ``CatalogRefused``."""
        self._path = path
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._closed = False
        self._schemas: dict[int, pa.Schema] = {}
        try:
            self._idle.put(self.connect())
            with self.reading() as db:
                _prepare(db)
            for _ in range(_READERS - 1):
                self._idle.put(self.connect())
        except CatalogRefused:
            self.close()
            raise
        except sqlite3.DatabaseError as error:
            self.close()
            raise CatalogRefused(f"the catalogue {path} cannot be read ({error}): restore the folder from a copy") from error

    def connect(self) -> sqlite3.Connection:
        """Return a connection of its own, in autocommit mode."""
        db = sqlite3.connect(self._path, timeout=30.0, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA user_version").fetchone()  # opens the files
        return db

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for a short read."""
        db = self._idle.get()
        try:
            if self._closed:
                raise ShuttingDown("the store is closed")
            try:
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
        finally:
            self._idle.put(db)

    def close(self) -> None:
        """Refuse further reads, and close the connections that are not lent; those that are close with the process."""
        self._closed = True
        idle = []
        with contextlib.suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        for db in idle:
            db.close()
            self._idle.put(db)  # for who waits for one: it is told that the store is closed

    def current(self, name: str, db: sqlite3.Connection | None = None) -> Version | None:
        """Return the newest version of a dataset, None when there is no such dataset (any more)."""
        return self._one("SELECT * FROM known_version WHERE name = ? AND current", (name,), db)

    def version(self, name: str, version: int, db: sqlite3.Connection) -> Version | None:
        """Return one version of a name, readable or about to be swept."""
        if not 0 < version < 1 << 63:
            return None
        return self._one("SELECT * FROM known_version WHERE name = ? AND version = ?", (name, version), db)

    def segments(self, version: Version, db: sqlite3.Connection) -> list[Segment]:
        """Return the segments of a version, in the order of their rows."""
        found = db.execute(
            "SELECT id, rows, size, digest, file, position FROM segment WHERE dataset = ?1 AND removed IS NULL AND added <= ?2 "
            "UNION ALL "
            "SELECT id, rows, size, digest, file, position FROM segment WHERE dataset = ?1 AND removed > ?2 AND added <= ?2 "
            "ORDER BY position",
            (version.dataset_id, version.version),
        )
        return [Segment(*row[:5]) for row in found]

    def inline(self, segment_id: int) -> bytes | None:
        """Return the bytes of a segment that lives here."""
        with self.reading() as db:
            row = db.execute("SELECT data FROM inline WHERE segment = ?", (segment_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def last_number(self, name: str, db: sqlite3.Connection) -> int:
        """Return the highest version number that a name ever had; 0 for none."""
        row = db.execute("SELECT version FROM dataset WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def receipt(self, put_id: str, db: sqlite3.Connection | None = None) -> Receipt | None:
        """Return what a put was answered, marked as replayed."""
        if db is None:
            with self.reading() as lent:
                return self.receipt(put_id, lent)
        row = db.execute(
            "SELECT dataset, version, rows, bytes, details, committed FROM put WHERE put_id = ?", (put_id,)
        ).fetchone()
        if row is None:
            return None
        return Receipt(
            dataset=row[0],
            version=row[1],
            rows=row[2],
            bytes=row[3],
            put_id=put_id,
            details=json.loads(row[4]),
            replayed=True,
            committed=row[5],
        )

    def similar(self, name: str) -> list[str]:
        """Return names of datasets about as long as ``name``, to suggest from."""
        with self.reading() as db:
            found = db.execute(
                "SELECT name FROM dataset WHERE live ORDER BY abs(length(name) - ?), name LIMIT ?", (len(name), _SIMILAR_NAMES)
            )
            return [row[0] for row in found]

    def datasets(self, prefix: str) -> list[DatasetInfo]:
        """Return each dataset whose name begins with ``prefix``, in name order."""
        with self.reading() as db:
            rows = db.execute("SELECT * FROM known_version WHERE current ORDER BY name")
            found = [self._version(row) for row in rows if row[1].startswith(prefix)]
        return [
            DatasetInfo(
                dataset=item.dataset,
                version=item.version,
                schema=item.schema,
                rows=item.rows,
                bytes=item.bytes,
                created=item.created,
                updated=item.committed,
            )
            for item in found
        ]

    def versions(self, name: str, superseded_since: float) -> list[VersionInfo]:
        """Return the versions of a name that are current, or were later than the given time; oldest first."""
        with self.reading() as db:
            found = db.execute(
                "SELECT version, rows, bytes, committed, operation, put_id, current FROM known_version "
                "WHERE name = ? AND (superseded IS NULL OR superseded >= ?) ORDER BY version",
                (name, superseded_since),
            ).fetchall()
        return [
            VersionInfo(
                version=number, rows=rows, bytes=size, created=committed, operation=made, put_id=put_id, current=bool(now)
            )
            for number, rows, size, committed, made, put_id, now in found
        ]

    def fragmented(self, below_bytes: int, min_segments: int) -> Sequence[str]:
        """Return the datasets that have at least so many segments smaller than that."""
        with self.reading() as db:
            found = db.execute(
                "SELECT d.name FROM segment s JOIN dataset d ON d.id = s.dataset WHERE s.removed IS NULL AND s.size < ? "
                "GROUP BY s.dataset HAVING count(*) >= ?",
                (below_bytes, min_segments),
            )
            return [row[0] for row in found]

    def unneeded(self) -> Sequence[tuple[int, str | None]]:
        """Return id and file of the segments that no version has any more."""
        with self.reading() as db:
            return db.execute(
                "SELECT id, file FROM segment s WHERE removed IS NOT NULL AND NOT EXISTS (SELECT 1 FROM version v "
                "WHERE v.dataset = s.dataset AND v.version >= s.added AND v.version < s.removed)"
            ).fetchall()

    def totals(self) -> dict[str, int]:
        """Return how many datasets and segments there are, and the bytes of the segments."""
        with self.reading() as db:
            datasets = db.execute("SELECT count(*) FROM dataset WHERE live").fetchone()[0]
            segments, size = db.execute("SELECT count(*), coalesce(sum(size), 0) FROM segment").fetchone()
        return {"datasets": datasets, "segments": segments, "bytes": size}

    def files(self) -> set[str]:
        """Return the name of every segment's file that the catalogue knows."""
        with self.reading() as db:
            return {row[0] for row in db.execute("SELECT file FROM segment WHERE file IS NOT NULL")}

    def _one(self, query: str, values: tuple[object, ...], db: sqlite3.Connection | None) -> Version | None:
        if db is None:
            with self.reading() as lent:
                return self._one(query, values, lent)
        row = db.execute(query, values).fetchone()
        return None if row is None else self._version(row)

    def _version(self, row: tuple[Any, ...]) -> Version:
        values = [*row[:12]]
        values[5] = self._schema(row[4], row[5])
        return Version(*values)

    def _schema(self, schema_id: int, message: bytes) -> pa.Schema:
        known = self._schemas.get(schema_id)
        if known is None:
            if len(self._schemas) >= _CACHED_SCHEMAS:
                self._schemas.clear()
            known = self._schemas[schema_id] = pa.ipc.read_schema(pa.py_buffer(message))
        return known


def _prepare(db: sqlite3.Connection) -> None:
    """Make the tables of a new catalogue; refuse one that is newer than this server."""
    db.execute("PRAGMA journal_mode = WAL")
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found > SCHEMA_VERSION:
        raise CatalogRefused(
            f"the store was written by a newer server (catalogue version {found}, this one knows {SCHEMA_VERSION}): "
            "upgrade the server"
        )
    if found == 0:
        db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
