"""A process that runs a plugin for a command, and answers in lines of JSON: what a plugin does there ends nothing else."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

_STDERR_CHARS = 4000
#: How long a process that is killed has to say where it is.
_LAST_WORDS_SECS = 2.0


class WorkerEnded(Exception):
    """The process ended before it was done: ``str()`` says how, ``output`` is what it said last; or it was too slow."""

    def __init__(self, sentence: str, output: str, *, is_late: bool = False) -> None:
        super().__init__(sentence)
        self.output = output
        self.is_late = is_late


def answers(module: str, question: dict[str, Any], *, timeout_secs: float) -> Iterator[dict[str, Any]]:
    """Yield what ``python -m flight_server.authoring.<module>`` answers to ``question``, as it answers.

    Raises ``WorkerEnded`` when it crashes, or is silent for ``timeout_secs``. The process is gone when the iterator is.
    """
    command = [sys.executable, "-P", "-X", "faulthandler", "-m", f"flight_server.authoring.{module}", json.dumps(question)]
    with tempfile.TemporaryFile() as errors:
        # What a test can import the process can: the path is the same.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment)  # noqa: S603 - our own
        try:
            yield from _lines(process, timeout_secs)
        except TimeoutError:
            process.send_signal(signal.SIGABRT)  # faulthandler says where it is
            _wait(process)
            raise WorkerEnded(f"it did not end within {timeout_secs:g} seconds", _tail(errors), is_late=True) from None
        else:
            if (code := process.wait()) != 0:
                raise WorkerEnded(_told(code), _tail(errors))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def question() -> dict[str, Any]:
    """Return what this process was asked."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    return asked


@contextmanager
def answering() -> Iterator[IO[str]]:
    """Yield what to write answers to: what plugins print goes to standard error meanwhile."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as out:
        os.dup2(2, 1)
        yield out


def _lines(process: subprocess.Popen[bytes], timeout_secs: float) -> Iterator[dict[str, Any]]:
    if process.stdout is None:  # it is a pipe: said for the type checker, which cannot know
        return
    descriptor, held = process.stdout.fileno(), b""
    while True:
        deadline = time.monotonic() + timeout_secs
        while b"\n" not in held:
            readable, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
            if not readable:
                raise TimeoutError
            piece = os.read(descriptor, 1 << 16)
            if not piece:
                return
            held += piece
        line, _, held = held.partition(b"\n")
        yield json.loads(line)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_LAST_WORDS_SECS)
    except subprocess.TimeoutExpired:
        process.kill()


def _told(code: int) -> str:
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended the process with the code {code}"


def _tail(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read().decode(errors="replace")[-_STDERR_CHARS:].strip()
