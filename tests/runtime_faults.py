"""A plugin that does to its process what it is told to, and what is to be seen of processes; no test is in here."""

from pathlib import Path

from nursery_tasks import is_alive

#: Serves well where ``do`` is empty. What it does when its code is imported is for the file that it looks for.
PLUGIN = """
import ctypes, dataclasses, os, struct, sys, time
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
def bomb():
    while True: os.fork()
def native_bomb():
    while ctypes.CDLL(None).fork() >= 0: pass
    raise OSError("refused")
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
def speak(): print("a word from", os.getpid())

def at_import():
    try:
        with open(FLAG) as flag: what = flag.read()
    except OSError:
        return
    globals()[what]()

def bad_batch():
    offsets = pa.py_buffer(struct.pack("=3i", 0, 5000, 7))
    return pa.RecordBatch.from_arrays([pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"abcdefg"))], ["line"])

@dataclasses.dataclass(frozen=True)
class Evil:
    do: str = ""
    at: str = ""

    def meet(self, at):
        if self.do and self.at == at:
            globals()[self.do]()

    def read_batches_from_stream(self, schema, stream):
        for chunk in stream:
            yield pa.record_batch({"line": [str(len(chunk))]})
            self.meet("read")
            if self.do == "offsets":
                yield bad_batch()
        yield pa.record_batch({"line": pa.array([], pa.string())})

    def write_batches(self, batches):
        for batch in batches:
            yield b"%d rows\\n" % len(batch)
            self.meet("write")
        yield b"end\\n"

def create(options):
    options.meet("create")
    return options

def create_plugin():
    return SimpleNamespace(
        config_type=Evil, metadata=lambda: PluginMetadata(name="evil", version="1.0.0"), create_format=create
    )

at_import()
"""


def evil(flag):
    """The text of the plugin; what the file ``flag`` names is done when it is imported."""
    return f"FLAG = {str(flag)!r}\n{PLUGIN}"


def processes(server_pid):
    """The pids of the processes that run plugins for a server."""
    names = [place.name for place in Path("/proc").iterdir() if place.name.isdigit() and _name(place) == "flight-plugin"]
    return [int(name) for name in names if server_pid in _ancestors(int(name)) and is_alive(int(name))]


def rings(pid):
    """How many rings of shared memory a process maps."""
    return sum("flight-ring" in line for line in Path(f"/proc/{pid}/maps").read_text().splitlines())


def descriptors(pid):
    """How many descriptors a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _name(place):
    try:
        return (place / "comm").read_text().strip()
    except OSError:
        return ""


def _ancestors(pid):
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            return
        yield pid
