"""Deployments of plugins, good and bad, quick after each other, in every way that people deploy a file; no test is in here."""

import os
import random
import shutil
import subprocess
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from effort import effort

PLUGIN = (Path(__file__).parent / "data" / "marked.py").read_text()
#: So many files are deployed in turn: each has so many beats to come to rest and to be loaded before its next turn.
FILES = 16
BEAT_SECS = effort(0.1, 0.05)
#: A file that is written by halves is closed this many beats later: longer than a file must be still to be loaded.
HALF_BEATS = 5
#: The order matters: `cp` and editors write through a link, so what comes before them makes a file of its own.
WAYS = ("git", "cp", "editor", "link", "mv", "rsync")
BROKEN = (
    PLUGIN + "\ndef broken(:\n",
    "import a_module_that_is_nowhere\n" + PLUGIN,
    "import os\nos._exit(0)\n" + PLUGIN,
    "import ctypes\nctypes.string_at(0)\n" + PLUGIN,
    PLUGIN.replace("def create_plugin", "def make_plugin"),
    PLUGIN.replace("def create_plugin():", "def create_plugin():\n    raise RuntimeError('broken')"),
    PLUGIN.replace("def write_batches(self, batches)", "def write_batches(self)"),
    PLUGIN.replace(".encode() *", " *"),
)


def name_of(number):
    """The plugin that the deployment of this number is one of."""
    return f"marked{number % FILES:02}"


def text_of(number, template=PLUGIN):
    """A plugin whose bytes no other deployment has."""
    text = template.replace('MARK = "0000000"', f'MARK = "{number:07}"').replace(
        'NAME = "marked"', f'NAME = "{name_of(number)}"'
    )
    return f"{text}# {number}\n"


def first_of(number):
    """What lies in the folder when the storm begins."""
    return PLUGIN.replace('NAME = "marked"', f'NAME = "{name_of(number)}"')


@dataclass
class Deployment:
    """One of them; ``at`` is when its last byte was written, in seconds since 1970."""

    number: int
    kind: str  # good, broken or half: written by halves
    way: str
    text: str
    at: float = 0.0

    @property
    def name(self):
        return name_of(self.number)

    @property
    def hash(self):
        return hash_of(self.text)

    @property
    def half(self):
        return self.text[: len(self.text) // 2]


def hash_of(text):
    return sha256(text.encode()).hexdigest()


def planned(count):
    """The same storm every time: a tenth is broken, a twentieth written by halves."""
    kinds = ["broken"] * (count // 10) + ["half"] * (count // 20)
    kinds += ["good"] * (count - len(kinds))
    chance = random.Random(count)
    chance.shuffle(kinds)
    return [_planned(number, kind, chance) for number, kind in enumerate(kinds, start=1)]


def _planned(number, kind, chance):
    way = "halves" if kind == "half" else WAYS[(number // FILES + number % FILES) % len(WAYS)]
    template = chance.choice(BROKEN) if kind == "broken" else PLUGIN
    return Deployment(number, kind, way, text_of(number, template))


class Deployer:
    """Deploys into ``folder``; what is moved or linked comes from ``outside`` of it."""

    def __init__(self, folder, outside, deployments):
        self._folder = folder
        self._outside = outside
        self._open = []
        for number in range(FILES):
            self._file(number).write_text(first_of(number))
        self._commit(each for each in deployments if each.way == "git")

    def _file(self, number):
        return self._folder / f"{name_of(number)}.py"

    def deploy(self, deployment):
        """Have one lie in the folder as a whole, or its first half, if it is one of those."""
        path = self._file(deployment.number)
        getattr(self, f"_{deployment.way}")(path, deployment)
        if deployment.way != "halves":
            deployment.at = changed_at(path)

    def complete(self, *, before):
        """Write the second halves of deployments whose numbers are below ``before``."""
        while self._open and self._open[0][0].number < before:
            deployment, file = self._open.pop(0)
            with file:
                file.write(deployment.text[len(deployment.half) :])
            deployment.at = changed_at(self._file(deployment.number))

    def _cp(self, path, deployment):
        subprocess.run(["cp", self._prepared(deployment), path], check=True)

    def _mv(self, path, deployment):
        subprocess.run(["mv", self._prepared(deployment), path], check=True)

    def _rsync(self, path, deployment):
        prepared = self._prepared(deployment)
        if shutil.which("rsync"):
            subprocess.run(["rsync", prepared, path], check=True)
            return
        partial = path.with_name(f".{path.name}.Xa81Qz")
        partial.touch(0o600)
        with partial.open("w") as file:
            for start in range(0, len(deployment.text), 700):
                file.write(deployment.text[start : start + 700])
                file.flush()
        partial.chmod(0o644)
        os.utime(partial, ns=(prepared.stat().st_atime_ns, prepared.stat().st_mtime_ns))
        partial.rename(path)

    def _editor(self, path, deployment):
        """As vim saves: it sees whether it can make files there, keeps the old one until the new one is written."""
        probe = path.with_name("4913")
        probe.touch()
        probe.unlink()
        backup = path.with_name(f"{path.name}~")
        path.rename(backup)
        with path.open("w") as file:
            file.write(deployment.text)
            file.flush()
            os.fsync(file.fileno())
        backup.unlink()

    def _link(self, path, deployment):
        fresh = path.with_name(f".{path.name}.link")
        fresh.symlink_to(self._prepared(deployment))
        fresh.rename(path)

    def _git(self, path, deployment):
        self._run_git("checkout", "--quiet", f"storm-{deployment.number}", "--", path.name)

    def _halves(self, path, deployment):
        path.unlink()  # as install(1) does; it may be a link
        file = path.open("w")
        file.write(deployment.half)
        file.flush()
        self._open.append((deployment, file))

    def _prepared(self, deployment):
        path = self._outside / f"{deployment.number}.py"
        path.write_text(deployment.text)
        return path

    def _commit(self, deployments):
        commits = []
        for each in deployments:
            text = each.text.encode()
            head = f"commit refs/heads/storm-{each.number}\ncommitter test <test@example.org> 0 +0000\ndata 0\n"
            commits.append(f"{head}M 644 inline {each.name}.py\ndata {len(text)}\n".encode() + text + b"\n")
        self._run_git("init", "--quiet")
        self._run_git("fast-import", "--quiet", input=b"".join(commits))

    def _run_git(self, *arguments, **how):
        subprocess.run(["git", *arguments], cwd=self._folder, check=True, **how)


def changed_at(path):
    """When the name came to lead to what it leads to now; the clock of file systems runs some milliseconds late."""
    return path.lstat().st_ctime_ns / 1e9


def storm(deployer, deployments):
    """Deploy them, one a beat."""
    began = time.monotonic()
    for turn, deployment in enumerate(deployments):
        time.sleep(max(began + turn * BEAT_SECS - time.monotonic(), 0))
        deployer.complete(before=deployment.number - HALF_BEATS)
        deployer.deploy(deployment)
    time.sleep(HALF_BEATS * BEAT_SECS)
    deployer.complete(before=len(deployments) + 1)
    return time.monotonic() - began
