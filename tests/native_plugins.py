"""Native plugins for tests: built when a test asks for them, loaded in this process."""

import shutil
import subprocess
from pathlib import Path

import pytest

from flight_server.authoring.declared import declaration_in
from format_plugins.conformance import check
from format_plugins.native.library import Callbacks, load
from format_plugins.options import decode
from format_plugins.streams import ByteStream

NATIVE = Path(__file__).resolve().parent.parent / "format_plugins" / "native"
FAULTY = Path(__file__).resolve().parent / "data" / "native" / "faulty.c"
COMPILER = shutil.which("cc")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (cc) here, so NO NATIVE PLUGIN WAS TESTED")


class Builder:
    """Compiles ``faulty.c``, once for each choice of macros."""

    def __init__(self, folder):
        self._folder = folder
        self._built = {}

    def __call__(self, *macros):
        if macros not in self._built:
            target = self._folder / f"{len(self._built)}.so"
            shared = [
                *STRICT,
                "-Wno-unused-function",
                "-fPIC",
                "-shared",
                "-fvisibility=hidden",
                f"-I{NATIVE}",
                *(f"-D{macro}" for macro in macros),
            ]
            run([COMPILER, *shared, "-o", target, FAULTY])
            self._built[macros] = target.read_bytes()
        return self._built[macros]


def run(command, *, secs=300, cwd=None):
    """Run a command that must succeed."""
    words = [str(part) for part in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=secs, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Loaded:
    """A native plugin that is loaded here, and the lines that it has logged."""

    def __init__(self, content, folder, *, cancelled=bool):
        self.lines = []
        callbacks = Callbacks(log=lambda _level, line: self.lines.append(line), cancelled=cancelled)
        self.plugin = load(content, folder / "copies", callbacks=callbacks)

    def codec(self, **options):
        return self.plugin.create_format(decode(self.plugin.config_type, options))

    def reader(self, chunks=(), *, schema=None, **options):
        return self.codec(**options).read_batches_from_stream(schema, ByteStream(chunks))

    def written(self, table, **options):
        return b"".join(self.codec(**options).write_batches(table.to_reader()))

    def releases(self):
        return sorted(line for line in self.lines if line.endswith("released"))


def declared(example, library):
    """What the test of an example declares of its library."""
    (test,) = (example / "tests").glob("test_*.py")
    return declaration_in(test, library)


def table(reader):
    """All that a reader has, checked as the host checks it."""
    read = reader.read_all()
    read.validate(full=True)
    return read


def assert_conforms(plugin, declaration):
    """The conformance kit has nothing against the plugin but what is declared."""
    broken = [f"{found.check}: {found.sentence}\n{found.detail}" for found in check(plugin, declaration) if not found.ok]
    assert not broken, "\n\n".join(broken)
