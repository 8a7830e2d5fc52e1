"""Calls as any Flight client makes them, with nothing of ours between a test and the wire."""

from __future__ import annotations

import contextlib
import json

import pyarrow as pa
from pyarrow import flight

PAYLOAD = pa.schema([("payload", pa.binary())])


@contextlib.contextmanager
def connected(location):
    """A bare Flight client."""
    with flight.connect(location) as client:
        yield client


def descriptor(target):
    """A PATH descriptor of text or of parts, a CMD descriptor of a dict."""
    if isinstance(target, dict):
        return flight.FlightDescriptor.for_command(json.dumps(target).encode())
    return flight.FlightDescriptor.for_path(*([target] if isinstance(target, str) else target))


def ticket(target):
    """A ticket: JSON of a dict, the short form of text, bytes as they are."""
    raw = target if isinstance(target, bytes) else (target if isinstance(target, str) else json.dumps(target)).encode()
    return flight.Ticket(raw)


def put_batches(client, target, batches, schema=None, *, commit=None):
    """Put record batches; return the last PutResult, the progress before it left out."""
    batches = list(batches)
    writer, reader = client.do_put(descriptor(target), schema or batches[0].schema)
    try:
        for batch in batches:
            writer.write_batch(batch)
        if commit is not None:
            writer.write_metadata(json.dumps({"commit": commit}).encode())
    except (flight.FlightError, pa.ArrowException, OSError):
        finish(writer, reader)  # raises why the server let go
        raise
    return finish(writer, reader)


def finish(writer, reader):
    """End a put and return its answer; pyarrow raises what the server has against it when the writer is closed."""
    with contextlib.suppress(flight.FlightError, pa.ArrowException, OSError):
        writer.done_writing()
    answer = last_answer(reader)
    writer.close()
    return answer


def put_document(client, target, data, *, chunk=1 << 20, commit=None):
    """Put a document in chunks of ``chunk`` bytes."""
    return put_batches(client, target, chunked(data, chunk), PAYLOAD, commit=commit)


def chunked(data, chunk=1 << 20):
    """A document as payload batches."""
    for start in range(0, len(data), chunk):
        yield pa.record_batch([pa.array([data[start : start + chunk]], pa.binary())], schema=PAYLOAD)


def last_answer(reader):
    """The PutResult that is the answer."""
    answer = None
    while (buffer := reader.read()) is not None:
        message = json.loads(buffer.to_pybytes())
        if "progress" not in message:
            answer = message
    return answer


def get_table(client, target):
    """Get record batches."""
    return client.do_get(ticket(target)).read_all()


def get_document(client, target):
    """Get a document, and the schema that it came with."""
    reader = client.do_get(ticket(target))
    return b"".join(row.as_py() for chunk in reader for row in chunk.data.column(0)), reader.schema


def action(client, kind, body=None):
    """Carry out an action; return its results."""
    raw = b"" if body is None else json.dumps(body).encode()
    return [json.loads(result.body.to_pybytes()) for result in client.do_action(flight.Action(kind, raw))]


def code_of(error):
    """The code of a refused call: from the extra_info, or from the message where pyarrow hides that (get_schema)."""
    extra = getattr(error, "extra_info", None)
    if extra:
        return json.loads(extra)["code"]
    return str(error).partition("[")[2].partition("]")[0]
