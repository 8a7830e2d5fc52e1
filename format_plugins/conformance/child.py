"""Checks in a child process, which may crash, hang and grow: the parent's side, and the child's."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO, Any

from format_plugins.conformance.finding import Finding
from format_plugins.conformance.subject import Subject

# The parent's path is the child's: what a test can import, its plugin can.
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from format_plugins.conformance.child import main; main()"
_STDERR_CHARS = 4000
_STOP_SECS = 5


class Child:
    """A process that runs checks of one plugin, one after the other, and is started again when it has ended."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._job = pickle.dumps((subject.origin, subject.declared))
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: int = -1
        self._errors: IO[bytes] | None = None

    def ask(self, name: str, timeout_secs: float) -> Finding:
        """Have the check ``name`` run, and return what it finds."""
        process = self._started()
        try:
            _send(process, name.encode())
            answer = self._line(time.monotonic() + timeout_secs)
        except BrokenPipeError:
            answer = b""
        if answer:
            return Finding(**json.loads(answer))
        if answer is None:
            sentence = f"It does not end within {timeout_secs:g} seconds."
            process.send_signal(signal.SIGABRT)  # faulthandler says where it is
        else:
            sentence = "It ends the process: {}."
        code = _ended(process)
        detail = self._stderr()
        fix = _FIX.format(": the detail says where it was" if detail else "")
        finding = Finding(check=name, ok=False, sentence=sentence.format(_said(code)), fix=fix, detail=detail)
        self.close()
        return finding

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        os.close(self._answers)
        if self._errors is not None:
            self._errors.close()
        self._process = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        self._answers, writing = os.pipe()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        command = [sys.executable, "-X", "faulthandler", "-c", _START, json.dumps(sys.path), str(writing)]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            pass_fds=(writing,),
            env=self._subject.environment,
            cwd=self._subject.folder,
        )
        os.close(writing)
        _send(self._process, self._job)
        return self._process

    def _line(self, deadline: float) -> bytes | None:
        """Return the child's next line, nothing when it has ended, None when time is up."""
        found = b""
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        while not found.endswith(b"\n"):
            if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
                return None
            piece = os.read(self._answers, 1 << 16)
            if not piece:
                return b""
            found += piece
        return found

    def _stderr(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-_STDERR_CHARS:]


_FIX = "A plugin must never end the process, nor hang{}. Bound what native code is given."


def _send(process: subprocess.Popen[bytes], message: bytes) -> None:
    if process.stdin is None:
        raise BrokenPipeError
    process.stdin.write(len(message).to_bytes(8, "little") + message)
    process.stdin.flush()


def _ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_STOP_SECS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _said(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def main() -> None:
    """Run the checks that the parent names, until it has no more; the child's side."""
    from format_plugins.conformance.catalogue import check_named  # noqa: PLC0415 - the checks know of children
    from format_plugins.conformance.judging import verdict  # noqa: PLC0415 - as above

    answers = int(sys.argv[2])
    origin, declaration = pickle.loads(_received())  # noqa: S301 - from the process that started this one
    subject = Subject(origin, declaration)
    while name := _received():
        finding = verdict(subject, check_named(name.decode()))
        _answer(answers, dataclasses.asdict(finding))


def _received() -> bytes:
    length = sys.stdin.buffer.read(8)
    return sys.stdin.buffer.read(int.from_bytes(length, "little")) if length else b""


def _answer(descriptor: int, finding: dict[str, Any]) -> None:
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(json.dumps(finding).encode() + b"\n")
