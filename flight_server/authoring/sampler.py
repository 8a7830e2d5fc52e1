"""The process that decodes the sample of `plugin dev`, as far as it gets in a moment: the first rows of it are told."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from flight_server.authoring.loading import Unusable, chunks_of, plugin_at
from flight_server.authoring.worker import answering, question
from flight_server.config import LimitsConfig
from flight_server.errors import ServerError
from flight_server.transcode import Decoded

_CELL_CHARS = 60
#: Who saves a plugin waits for no more than this of a huge document.
_ENOUGH_SECS = 10.0


def main() -> None:
    """Answer with one line: the schema, the first rows as text, how many there are, and what went wrong."""
    asked = question()
    with answering() as out:
        out.write(f"{json.dumps(_decoded(Path(asked['plugin']), Path(asked['sample']), asked['rows'], asked['configs']))}\n")


def _decoded(plugin: Path, sample: Path, wanted: int, configs: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"schema": [], "rows": [], "count": 0, "is_cut": False}
    until = time.monotonic() + _ENOUGH_SECS
    try:
        lease = plugin_at(plugin, configs)
        codec = lease.create_format({})
        decoded = Decoded(codec, chunks_of(sample), plugin=lease.metadata.name, schema=None, limits=LimitsConfig())
        with closing(decoded):
            answer["schema"] = [[field.name, _type(field)] for field in decoded.schema]
            for batch in decoded:
                answer["rows"] += _rows(batch.slice(0, wanted - len(answer["rows"])))
                answer["count"] += batch.num_rows
                if time.monotonic() > until:
                    answer["is_cut"] = True
                    break
    except (Unusable, ServerError) as error:
        answer["error"] = str(error)
    except OSError as error:
        answer["error"] = f"{sample} cannot be read: {error.strerror or error}"
    return answer


def _type(field: pa.Field[Any]) -> str:
    return f"{field.type}{'' if field.nullable else ' not null'}"


def _rows(batch: pa.RecordBatch) -> list[list[str]]:
    return [[_cell(column[row]) for column in batch.columns] for row in range(batch.num_rows)]


def _cell(value: pa.Scalar[Any]) -> str:
    try:
        text = "null" if not value.is_valid else str(value)
    except (ValueError, OverflowError, pa.ArrowException):  # a date that Python's calendar has not
        text = f"a {value.type}"
    return text if len(text) <= _CELL_CHARS else f"{text[: _CELL_CHARS - 3]}..."


if __name__ == "__main__":
    main()
