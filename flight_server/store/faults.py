"""What a failure of the disk or of the catalogue means to the client."""

from __future__ import annotations

import errno
import sqlite3

from flight_server.errors import Internal, ServerError, StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


def translated(error: BaseException) -> ServerError:
    """Return the error that a client may see; the cause, with its paths, stays behind it for the log."""
    if isinstance(error, ServerError):
        return error
    if is_full(error):
        answer: ServerError = StorageFull("the disk of the store is full: nothing of this put was stored")
    else:
        answer = Internal(f"the store could not write ({type(error).__name__}): nothing of this change was acknowledged")
    answer.__cause__ = error
    return answer


def damaged(dataset: str, cause: BaseException | str) -> Internal:
    """Return the error of stored bytes that are not those that were written."""
    answer = Internal(f"the stored data of {dataset!r} is damaged: it cannot be read", dataset=dataset)
    answer.__cause__ = cause if isinstance(cause, BaseException) else OSError(cause)
    return answer


def is_full(error: BaseException) -> bool:
    """Whether the disk, or the quota, has no room left."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) in _SQLITE_FULL
