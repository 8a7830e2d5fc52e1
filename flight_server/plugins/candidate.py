"""A plugin on trial, as seen from inside the child process: loaded as the server would load it, and made to read and write.

What the child says on its connection is a message a step, then its answer. Whatever is asked of the plugin goes through
the loader's own code, so that what fails here would have failed there, and in the same words.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from flight_server.nursery import frames
from flight_server.plugins.compatibility import Mode
from flight_server.plugins.failure import Failure, LoadError
from flight_server.plugins.loader import Rules, attempt
from flight_server.plugins.round_trip import round_trip
from flight_server.plugins.source import Source
from format_plugins.contract import PluginMetadata

#: More than any question: the bytes of a plugin are bounded before.
_QUESTION_BYTES = (1 << 32) - 1


class Question(msgspec.Struct, frozen=True):
    """The plugin's bytes as they were read, the number of the generation that it would be, and how its contract is compared."""

    path: str
    files: Mapping[str, bytes]
    sha256: str
    is_package: bool
    number: int
    compatibility: Mode


class Step(msgspec.Struct, frozen=True, tag=True):
    """What the plugin's code does next, as the end of a sentence; and who the plugin is, once it has said so."""

    doing: str
    metadata: PluginMetadata | None = None


class Wish(msgspec.Struct, frozen=True, tag=True):
    """The options for the plugin of this name are wanted: the next message to the child is a ``Grant``.

    Options may hold secrets: who has not yet said who it is has no business with them, nor with another's.
    """

    name: str


class Grant(msgspec.Struct, frozen=True):
    """What is configured for the plugin of the name, None if nothing is."""

    options: Mapping[str, Any] | None


class Answer(msgspec.Struct, frozen=True, tag=True):
    """Why the plugin cannot be loaded, None if it can; ``remark`` is what its author may want to know nevertheless.

    ``metadata`` and ``options``, JSON of what ``option_table.options_of`` makes, are those of a plugin that can.
    """

    failure: Failure | None = None
    remark: str | None = None
    metadata: PluginMetadata | None = None
    options: bytes = b"[]"


Word: TypeAlias = Step | Wish | Answer


def try_out(connection: socket.socket) -> None:
    """Answer the one question that comes over ``connection``: the task of a child process."""
    message = frames.receive(connection, limit_bytes=_QUESTION_BYTES)
    if message is None:
        return
    question = msgspec.msgpack.decode(message, type=Question)

    def witness(doing: str, metadata: PluginMetadata | None) -> None:
        frames.send(connection, msgspec.msgpack.encode(Step(doing, metadata)))

    def options_of(name: str) -> Mapping[str, Any] | None:
        frames.send(connection, msgspec.msgpack.encode(Wish(name)))
        granted = frames.receive(connection, limit_bytes=_QUESTION_BYTES)
        return None if granted is None else msgspec.msgpack.decode(granted, type=Grant).options

    source = Source(Path(question.path), question.files, question.sha256, question.is_package)
    rules = Rules(compatibility=question.compatibility, options_of=options_of)
    generation = attempt(source, question.number, rules, witness)
    if isinstance(generation, Failure):
        answer = Answer(failure=generation)
    else:
        metadata = generation.metadata
        try:
            remark = round_trip(generation, lambda doing: witness(doing, metadata))
            options = json.dumps(generation.code.options, default=str).encode()
            answer = Answer(remark=remark, metadata=metadata, options=options)
        except LoadError as error:
            failure = Failure(sentence=f"{source.file}: {error}", traceback=error.trace, metadata=metadata)
            answer = Answer(failure=failure)
    frames.send(connection, msgspec.msgpack.encode(answer))
