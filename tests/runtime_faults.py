"""A plugin that does to its process what it is told to, and what is to be seen of processes; no test is in here."""

from pathlib import Path

import pytest
from raw_flight import get_document, put_document

DOCUMENT = b"tea\n" * 100

#: Serves well where ``do`` is empty. What it does when its code is imported is for the file that it looks for.
PLUGIN = """
import atexit, ctypes, dataclasses, mmap, os, socket, struct, sys, threading, time
from types import SimpleNamespace
import pyarrow as pa
from format_plugins.contract import PluginMetadata

def segfault(): ctypes.string_at(0)
def leave(): os._exit(0)
def abort(): os.abort()
def loop():
    while True: pass
def sleep(): time.sleep(3600)
def flood():
    held = []
    while True: held.append(bytearray(1 << 20))
def arrow_flood():
    held = []
    while True: held.append(pa.allocate_buffer(64 << 20))
def native_loop():
    code = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE, prot=7)
    code.write(bytes.fromhex({"x86_64": "ebfe", "aarch64": "00000014"}[os.uname().machine]))
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
def bomb():
    while True: os.fork()
def native_bomb():
    while ctypes.CDLL(None).fork() >= 0: pass
    raise OSError("refused")
def memfd_flood():
    file = os.memfd_create("flood")
    while True: os.write(file, bytes(1 << 20))
def shared_flood():
    held = []
    while True: held.append(mmap.mmap(-1, 16 << 20))
def thread_bomb():
    threading.stack_size(32 << 10)
    while True: threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
def read_outside(): open("/etc/passwd").read()
def write_outside(): open("/tmp/flight-was-here", "w")
def read_store(): os.listdir(os.path.dirname(os.path.dirname(__file__)))
def connect_out(): socket.create_connection(("127.0.0.1", PORT))
def send_out(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", PORT))
def spam():
    for number in range(20_000): print("spam", number, "x" * 200)
def frame(*body):
    import msgspec
    packed = msgspec.msgpack.encode(list(body))
    os.write(3, struct.pack(">I", len(packed)) + packed)
def wrong_slot(): frame("Part", 99, 10, 10, False); sleep()
def negative_slot(): frame("Part", -1, 10, 10, False); sleep()
def huge_unit(): frame("Part", 0, 10, 1 << 60, False); sleep()
def long_part(): frame("Part", 0, 1 << 40, 100, False); sleep()
def empty_part(): frame("Part", 0, 0, 10, False); sleep()
def unit_in_unit(): frame("Part", 0, 10, 100, False); frame("Part", 0, 10, 100, False); sleep()
def wrong_kind(): frame("Loaded", None); sleep()
def no_kind(): frame("Nonsense", 1); sleep()
def wrong_types(): frame("Part", "a", None, [], 7); sleep()
def credit(): frame("Credit", 3); frame("Credit", 3); sleep()
def greedy():
    while True: frame("Want", 100)
def drips():
    frame("Part", 0, 1, 1_000_000, False)
    while True: time.sleep(0.05); frame("Part", 0, 1, 0, False)
def negative(): frame("Want", -5); sleep()
def early_end(): frame("Part", 0, 10, 100, False); frame("Ended", False); sleep()
def long_frame(): os.write(3, struct.pack(">I", 1 << 31)); sleep()
def noise():
    while True: os.write(3, os.urandom(1000))
def garbage(): frame("Part", 0, 1000, 1000, False); sleep()
def hang_up(): os.dup2(os.open(os.devnull, os.O_RDONLY), 3); sleep()
def offsets(): pass
def nothing(): pass
def speak(): print("a word from", os.getpid())

def serves():  # whether this is a process that serves, and no trial
    frame = sys._getframe()
    while frame and not frame.f_code.co_filename.endswith("/runtime/worker.py"):
        frame = frame.f_back
    return frame is not None

def meet(place):
    try:
        with open(FLAG) as flag: what, _, where = flag.read().partition("@")
    except OSError:
        what, _, where = PLANNED.partition("@")
        if not serves():
            return
    if what and (where or "import") == place:
        begin(what)

def begin(what):  # here, or where the prefix says: in a thread, at the end of an object, at the end of the process
    where, _, name = what.rpartition(":")
    act = globals()[name]
    if where == "thread":
        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        thread.join(0.2)
    elif where == "later":
        threading.Timer(0.05, act).start()
    elif where == "atexit":
        atexit.register(act)
    elif where == "del":
        Dropped(act)
    elif where == "cycle":
        dropped = Dropped(act)
        dropped.itself = dropped
    elif where == "held":
        HELD.append(Dropped(act))
    else:
        act()

HELD = []

class Dropped:
    def __init__(self, act): self.act = act
    def __del__(self): self.act()

def array(kind, *buffers, length=2, children=None):
    made = [None if each is None else pa.py_buffer(each) for each in buffers]
    return pa.Array.from_buffers(kind, length, made, children=children)

INVALID = {
    "offsets": lambda: array(pa.string(), None, struct.pack("=3i", 0, 5000, 7), b"abcdefg"),
    "negative offsets": lambda: array(pa.string(), None, struct.pack("=3i", 0, -9, 7), b"abcdefg"),
    "large offsets": lambda: array(pa.large_binary(), None, struct.pack("=3q", 0, 1 << 60, 7), b"abcdefg"),
    "no text": lambda: array(pa.string(), None, struct.pack("=3i", 0, 3, 7), b"abc\\xff\\xfe\\xfdg"),
    "views": lambda: array(pa.string_view(), None, struct.pack("=i4sii", 100, b"abcd", 0, 1 << 30) * 2, bytes(200)),
    "lists": lambda: array(pa.list_(pa.int8()), None, struct.pack("=3i", 0, 1 << 30, 2), children=[pa.nulls(2, pa.int8())]),
    "indices": lambda: pa.DictionaryArray.from_arrays(pa.array([0, 1 << 30], pa.int32()), ["x"], safe=False),
    "short values": lambda: array(pa.int64(), None, bytes(8), length=1000),
}

def bad_batch():
    offsets = pa.py_buffer(struct.pack("=3i", 0, 5000, 7))
    return pa.RecordBatch.from_arrays([pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"abcdefg"))], ["line"])

@dataclasses.dataclass(frozen=True)
class Evil:
    do: str = ""
    at: str = ""

    def meet(self, at):
        if self.do and self.at == at:
            begin(self.do)

    def read_batches_from_stream(self, schema, stream):
        if self.at == "smuggled":
            import flight_server.runtime.worker as worker
            worker._Worker._check = lambda *_: None
            stream.read()
            yield pa.record_batch({"line": INVALID[self.do]()})
            return
        for chunk in stream:
            yield pa.record_batch({"line": [str(len(chunk))]})
            self.meet("read")
            if self.do == "offsets":
                yield bad_batch()
            while self.do == "nothing":
                yield pa.record_batch({"line": pa.array([], pa.string())})
        yield pa.record_batch({"line": pa.array([], pa.string())})

    def write_batches(self, batches):
        for batch in batches:
            yield b"%d rows\\n" % len(batch)
            self.meet("write")
            while self.do == "nothing":
                yield b""
        yield b"end\\n"

def create(options):
    options.meet("create")
    return options

def metadata():
    meet("metadata")
    return PluginMetadata(name="evil", version="1.0.0")

def create_plugin():
    meet("create_plugin")
    return SimpleNamespace(config_type=Evil, metadata=metadata, create_format=create)

meet("import")
"""


def evil(flag, *, planned="", port=0):
    """The text of the plugin: what the file ``flag`` names is done when it is imported, or at the place behind an @.

    ``planned`` is what it does in processes that serve, and in no trial, when it cannot read such a file; ``port`` is where
    it connects to.
    """
    return f"FLAG, PLANNED, PORT = {str(flag)!r}, {planned!r}, {port}\n{PLUGIN}"


def put(client, do="", at="read"):
    """Have the evil plugin read a document, and do something ``at`` a moment of that."""
    target = {"dataset": "made", "format": "evil", "mode": "replace", "options": {"do": do, "at": at}}
    return put_document(client, target, DOCUMENT)


def get(client, do="", at="write"):
    """Have it write two rows, of the dataset ``rows``."""
    return get_document(client, {"dataset": "rows", "format": "evil", "options": {"do": do, "at": at}})[0]


#: Each way to meet it, and when.
CALLS = [pytest.param(put, "read", id="read"), pytest.param(get, "write", id="write"), pytest.param(get, "create", id="create")]


def rings(pid):
    """How many rings of shared memory a process maps."""
    return sum("flight-ring" in line for line in Path(f"/proc/{pid}/maps").read_text().splitlines())
