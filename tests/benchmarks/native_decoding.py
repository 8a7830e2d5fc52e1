"""How fast a native plugin decodes through the server: a column of npy by the example in C, against the same as Arrow IPC.

    make bench-native
    make bench-native ARGS="--rows 1000000 --pairs 3"

Arrow IPC is read by pyarrow in the server's own process, the plugin runs in one of its own. Exits with 1 when a target is
missed.
"""

import argparse
import functools
import io
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyarrow as pa
import report
from pairs import Case, Target, compare
from processes import ours, settle
from pyarrow import flight

EXAMPLE = Path(__file__).resolve().parents[2] / "format_plugins" / "native" / "examples" / "c"
AGAINST = "arrow_stream: pyarrow's reader, in the server's own process"
PAYLOAD = pa.schema([("payload", pa.binary())])
CHUNK_BYTES = 1 << 20
BATCH_ROWS = 1 << 17
DEPLOYED_SECS = 20
LEAST = 0.7


def main():
    """Measure, print, and say whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=16_000_000, help="how many numbers of 8 bytes a document has")
    parser.add_argument("--pairs", type=int, default=7, help="how often each is measured")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        found = list(rows(arguments.rows, folder, arguments.pairs))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report.show(found)
    sys.exit(any(row.met is False for row in found))


def rows(count, folder, pairs):
    """Yield a row for a put of a column of ``count`` numbers, and one for its conversion to record batches."""
    build(folder)
    values = pa.array(range(count), pa.float64())
    documents = {"npy": npy(values), "arrow_stream": arrow_stream(values)}
    case = functools.partial(Case, part="native plugins", against=AGAINST, amount=values.nbytes / 1e6)
    target = Target(of="ratio", least=LEAST)
    with ours(folder) as server:
        client = flight.connect(server.location)
        wait_for(client, "npy")
        for name, action in (("put of a column by the plugin in C", put), ("its conversion to record batches", convert)):
            settle()
            do = {name: functools.partial(action, client, name, document) for name, document in documents.items()}
            others = [(case(name=name, target=target), do["arrow_stream"])]
            yield from compare(do["npy"], others, server=server, pairs=pairs)


def build(folder):
    """Build the example as its page says, into the plugin folder of the server that will run."""
    built, plugins = folder / "built", folder / "plugins"
    built.mkdir()
    plugins.mkdir()
    subprocess.run(["make", "--silent", "-C", EXAMPLE, f"BUILD={built}"], check=True)
    shutil.copy(built / "libnpy.so", plugins)


def npy(values):
    """A file of NumPy's: a plain array of doubles, without NumPy."""
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(values)},), }}"
    head = f"{head:<{117}}\n".encode()  # the data begins at a multiple of 64
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + values.buffers()[1].to_pybytes()


def arrow_stream(values):
    """The same numbers as Arrow's own stream."""
    sink = io.BytesIO()
    table = pa.table({"value": values})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=BATCH_ROWS)
    return sink.getvalue()


def wait_for(client, name):
    """Wait until a format is served."""
    deadline = time.monotonic() + DEPLOYED_SECS
    while name not in {json.loads(each.body.to_pybytes())["name"] for each in client.do_action(flight.Action("formats", b""))}:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the format {name} is not served")
        time.sleep(0.01)


def put(client, name, document):
    """Put a document, and return when it is answered."""
    command = json.dumps({"dataset": f"by-{name}", "mode": "replace", "format": name})
    writer, reader = client.do_put(flight.FlightDescriptor.for_command(command), PAYLOAD)
    for chunk in chunks(document):
        writer.write_batch(chunk)
    writer.done_writing()
    while reader.read() is not None:
        pass
    writer.close()


def convert(client, name, document):
    """Have a document decoded, and let go of the record batches."""
    command = json.dumps({"from": {"format": name}, "to": {}})
    writer, reader = client.do_exchange(flight.FlightDescriptor.for_command(command))
    with writer:
        writer.begin(PAYLOAD)
        sending = threading.Thread(target=_send, args=(writer, document))
        sending.start()
        for _ in reader:
            pass
        sending.join()


def _send(writer, document):
    for chunk in chunks(document):
        writer.write_batch(chunk)
    writer.done_writing()


def chunks(document):
    """The document as payload batches, which point into it."""
    view = pa.py_buffer(document)
    for start in range(0, len(document), CHUNK_BYTES):
        piece = view.slice(start, min(CHUNK_BYTES, len(document) - start))
        offsets = pa.array([0, piece.size], pa.int32()).buffers()[1]
        yield pa.record_batch([pa.Array.from_buffers(pa.binary(), 1, [None, offsets, piece])], schema=PAYLOAD)


if __name__ == "__main__":
    main()
