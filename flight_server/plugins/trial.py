"""The trial of a plugin: its bytes are loaded and put to work in a child process first, where they can hurt nobody."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import structlog

from flight_server.config import PluginLimits
from flight_server.errors import Busy
from flight_server.nursery import frames
from flight_server.nursery.child import Child
from flight_server.nursery.ending import Ending
from flight_server.nursery.nursery import Nursery
from flight_server.plugins import metadata as metadatas
from flight_server.plugins.candidate import Answer, Grant, Question, Step, Wish, Word
from flight_server.plugins.failure import SENTENCE_CHARS, TRACEBACK_CHARS, Failure, LoadError
from flight_server.plugins.loader import Rules
from flight_server.plugins.passed import Passed
from flight_server.plugins.source import Source
from format_plugins.contract import PluginMetadata

#: A child says no more than this at once.
_WORD_BYTES = 256 << 10
#: A child that has closed its connection ends soon, or is killed.
_END_SECS = 1.0
#: A trial that ended with the process that it was forked from is held again, so often in all.
_TRIES = 3
#: Who ran out of time with less of it spent on a processor than this was waiting, as on a machine that is busy.
_BUSY = 0.5


class Trial:
    """Tries each plugin in a child of ``nursery``, for at most ``timeout_secs`` and within ``limits``."""

    def __init__(self, nursery: Nursery, *, timeout_secs: float, limits: PluginLimits) -> None:
        self._nursery = nursery
        self._timeout_secs = timeout_secs
        self._limits = limits
        self._words: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)
        self._log = structlog.get_logger("flight_server.plugins")

    def run(self, source: Source, number: int, rules: Rules) -> Failure | None:
        """Try the plugin that would become generation ``number``; None when nothing speaks against it."""
        outcome = self.examine(source, number, rules)
        return outcome if isinstance(outcome, Failure) else None

    def examine(self, source: Source, number: int, rules: Rules) -> Failure | Passed:
        """Try the plugin that would become generation ``number``, and return what it says of itself.

        A failure names what the plugin was doing, carries the author's traceback, and who the plugin would have been as
        far as it could say.
        """
        question = msgspec.msgpack.encode(question_of(source, number, rules))
        ended = ""
        for _ in range(_TRIES):
            try:
                child = self._nursery.child("trial", plugin=source.file, limits=self._limits)
            except Busy as error:
                return Failure(sentence=f"{source.file}: it could not be tried: {error}", again=True)
            with child:
                hearing = _Hearing(child, self._words, rules.options_of)
                outcome = hearing.hold(question, self._timeout_secs)
            if isinstance(outcome, Answer):
                return self._judged(outcome, source)
            if outcome.kind != "lost":
                return self._crash(source, outcome, hearing)
            ended = outcome.sentence
        return Failure(sentence=f"{source.file}: it could not be tried: each time it {ended}")

    def _crash(self, source: Source, ending: Ending, hearing: _Hearing) -> Failure:
        sentence = f"{source.file}: it {ending.sentence} {hearing.last.doing[:SENTENCE_CHARS]}"
        waited = hearing.ran_out and ending.cpu_secs < _BUSY * self._timeout_secs
        if waited:
            sentence += f"; it used the processor for {ending.cpu_secs:.1f} s only"
        return Failure(
            sentence=sentence,
            traceback=last_words(ending.output)[-TRACEBACK_CHARS:],
            metadata=_known(hearing.last.metadata),
            again=waited,
        )

    def _judged(self, answer: Answer, source: Source) -> Failure | Passed:
        if answer.remark is not None:
            self._log.warning("a plugin was tried, with a remark", plugin=source.file, remark=answer.remark[:SENTENCE_CHARS])
        if (failure := answer.failure) is None:
            metadata = _known(answer.metadata)
            options = _options(answer.options)
            if metadata is None or options is None:
                return Failure(sentence=f"{source.file}: it told the server nonsense about itself")
            return Passed(metadata, options)
        return Failure(
            sentence=failure.sentence[: SENTENCE_CHARS + len(source.file) + 2],
            traceback=failure.traceback[-TRACEBACK_CHARS:],
            metadata=_known(failure.metadata),
        )


def question_of(source: Source, number: int, rules: Rules) -> Question:
    """Return what a child has to know to load a plugin."""
    return Question(
        path=str(source.path.absolute()),
        files=source.files,
        sha256=source.sha256,
        is_package=source.is_package,
        number=number,
        compatibility=rules.compatibility,
    )


class _Hearing:
    """One child that is asked the question, and may ask for one plugin's options.

    ``last`` is the last step that it told; ``ran_out`` says that its time was up before it had answered.
    """

    def __init__(self, child: Child, words: msgspec.msgpack.Decoder[Word], options_of: Callable[[str], Any]) -> None:
        self._child = child
        self._words = words
        self._options_of: Callable[[str], Any] | None = options_of
        self.last = Step("before it was imported")
        self.ran_out = False

    def hold(self, question: bytes, timeout_secs: float) -> Answer | Ending:
        """Return the child's answer, or how it ended without one."""
        deadline = time.monotonic() + timeout_secs
        try:
            frames.send(self._child.connection, question, deadline=deadline)
            while (message := frames.receive(self._child.connection, limit_bytes=_WORD_BYTES, deadline=deadline)) is not None:
                word = self._words.decode(message)
                if isinstance(word, Answer):
                    return word
                if isinstance(word, Wish):
                    self._grant(word, deadline)
                else:
                    self.last = word
        except TimeoutError:
            self.ran_out = True
            self._child.kill(f"it took longer than {timeout_secs:g} s (plugins.load_timeout_secs)", with_last_words=True)
        except (frames.FrameError, msgspec.MsgspecError):
            self._child.kill()
            return replace(self._ending(), kind="killed", sentence="wrote on its connection to the server")
        except OSError:  # it has ended
            pass
        return self._ending()

    def _grant(self, wish: Wish, deadline: float) -> None:
        options_of, self._options_of = self._options_of, None
        if options_of is None:
            raise frames.FrameError("a second wish")
        grant = msgspec.msgpack.encode(Grant(options_of(wish.name)))
        frames.send(self._child.connection, grant, deadline=deadline)

    def _ending(self) -> Ending:
        try:
            return self._child.wait(_END_SECS)
        except TimeoutError:
            self._child.kill("it closed its connection to the server")
            return self._child.wait()


def last_words(output: str) -> str:
    """Return what a child that died said last: where its code was, as far as the author's goes, or whatever it printed."""
    _, fatal, rest = output.rpartition("Fatal Python error: ")
    if not fatal:
        return output
    lines = f"{fatal}{rest}".splitlines()
    ours = next((number for number, line in enumerate(lines) if "/flight_server/" in line), len(lines))
    return "\n".join(lines[:ours])


def _known(metadata: PluginMetadata | Any) -> PluginMetadata | None:  # noqa: ANN401 - a child's word for it
    try:
        return None if metadata is None else metadatas.checked(metadata)
    except LoadError:
        return None


def _options(told: bytes) -> list[dict[str, Any]] | None:
    try:
        rows = msgspec.json.decode(told, type=list[_Option])
    except msgspec.MsgspecError:
        return None
    return [msgspec.structs.asdict(row) for row in rows]


class _Option(msgspec.Struct, frozen=True):
    name: str
    type: str
    default: Any
    unit: str
    doc: str
