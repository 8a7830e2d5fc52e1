"""A put, from its descriptor to its answer: checked, decoded, staged, made durable, acknowledged."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

import pyarrow as pa
from pyarrow import flight

from flight_server import payload, wire
from flight_server.address import address_of
from flight_server.errors import BadRequest, IncompletePut
from flight_server.host import Host
from flight_server.incoming import Incoming
from flight_server.inputs import Input
from flight_server.store.store import PutTarget, Receipt
from flight_server.wire import NATIVE, PutRequest, Side


def put(
    host: Host,
    context: flight.ServerCallContext,
    descriptor: flight.FlightDescriptor,
    reader: flight.MetadataRecordBatchReader,
    writer: flight.FlightMetadataWriter,
) -> None:
    """Carry out do_put; raises what is wrong, and then nothing has been stored."""
    request = wire.put_request(address_of(descriptor), host.extensions)
    with ExitStack() as leases:
        side = _side(request)
        lease = None if side.format == NATIVE else leases.enter_context(host.registry.lease(side.format))
        source = Input(host, side, lease)
        target = host.store.check_put(request.dataset, request.mode, request.put_id)
        incoming = Incoming(reader, host.limits)
        if target.replay is not None:
            incoming.drain()
            receipt = target.replay
        else:
            _refuse_unnamed_document(host, request, incoming.schema)
            receipt = _Put(host, request, target).store(context, source, incoming, writer)
        writer.write(pa.py_buffer(wire.text(answer(receipt))))


class _Put:
    def __init__(self, host: Host, request: PutRequest, target: PutTarget) -> None:
        self._host = host
        self._request = request
        self._target = target

    def store(
        self, context: flight.ServerCallContext, source: Input, incoming: Incoming, writer: flight.FlightMetadataWriter
    ) -> Receipt:
        request = self._request
        with closing(source.open(incoming, self._target.schema)) as rows:
            staging = self._host.store.stage(
                request.dataset, rows.schema, mode=request.mode, put_id=request.put_id, target=self._target
            )
            with staging as staged, self._host.progress.of(writer, lambda: {"rows": staged.rows, "bytes": incoming.bytes}):
                for batch in rows:
                    staged.write(batch)
                self._check_complete(context, incoming, rows.rows, document=source.of_document)
                return staged.commit({"bytes": incoming.bytes, **source.describe()})

    def _check_complete(self, context: flight.ServerCallContext, incoming: Incoming, rows: int, *, document: bool) -> None:
        """Tell a stream that was ended from one that broke off; only the former may be committed."""
        if context.is_cancelled():
            raise IncompletePut("the call was cancelled before its end; nothing was stored")
        if incoming.commit is None and self._request.commit == "explicit":
            raise IncompletePut("the stream ended without the commit message that the request announced; nothing was stored")
        incoming.check_figures(rows=rows, document=document)


def answer(receipt: Receipt) -> dict[str, Any]:
    """Return what a client is told of a put that is durable."""
    details = dict(receipt.details)
    return {
        "dataset": receipt.dataset,
        "version": receipt.version,
        "rows": receipt.rows,
        "bytes": details.pop("bytes", receipt.bytes),
        "put_id": receipt.put_id,
        **details,
        "replayed": receipt.replayed,
    }


def _side(request: PutRequest) -> Side:
    """Return a put's stream as one side of a conversion; a format that is not named is the native one."""
    named = {"format": request.format} if request.format is not None else {}
    return Side(**named, options=request.options, content_encoding=request.content_encoding, schema=request.schema)


def _refuse_unnamed_document(host: Host, request: PutRequest, schema: pa.Schema) -> None:
    if request.format is None and payload.is_payload(schema):
        formats = ", ".join(sorted(host.registry.snapshot.formats))
        raise BadRequest(
            f"the stream has the payload schema, and no format was named to decode it: name one ({formats}) in JSON or by an "
            'extension; or say "format": "arrow" in JSON to store the column as it is'
        )
