"""`plugin why`: which content encoding and which plugin a file's name selects, step by step, or why none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flight_server.plugins.deployment import Deployment
from flight_server.plugins.ledger import Ledger
from flight_server.wire import short_form
from format_plugins.content_encodings import ENCODINGS, SUFFIXES
from format_plugins.contract import PluginMetadata
from format_plugins.spelling import nearest


@dataclass(frozen=True, slots=True)
class Selection:
    """What the name ``file`` selects, None for nothing; ``steps`` say why, a sentence each."""

    file: str
    format: str | None
    content_encoding: str | None
    plugin: Mapping[str, Any] | None
    steps: tuple[str, ...]


def explained(path: str, ledger: Ledger) -> Selection:
    """Say what the last part of ``path`` selects among the plugins of ``ledger``."""
    file = path.rstrip("/").rpartition("/")[2]
    plain, suffix = _unpacked(file)
    steps = [_packing(suffix)]
    extensions = list(_extensions(plain))
    _, name, encoding = short_form([file], ledger.snapshot.extensions)
    if name is None:
        steps += _nothing(plain, extensions, ledger)
        return Selection(file, None, None, None, tuple(steps))
    chosen = next(each for each in extensions if ledger.snapshot.extensions.get(each) == name)
    steps += [f"{each} is the extension of no format that is loaded." for each in extensions[: extensions.index(chosen)]]
    key = next(key for key in ledger.serving if ledger.deployments[key].name == name)
    served = ledger.deployments[key]
    steps.append(f"{chosen} selects the format {name!r}: {_owner(served)}.")
    steps += _rivals(chosen, key, ledger)
    if encoding is not None and encoding not in ENCODINGS:
        steps.append(f"A request for it is refused, for {encoding} is not served: pack it with one of {', '.join(ENCODINGS)}.")
    return Selection(file, name, encoding, _told(served), tuple(steps))


def _unpacked(file: str) -> tuple[str, str]:
    head, dot, suffix = file.rpartition(".")
    suffix = dot + suffix.lower()
    return (head, suffix) if head and suffix in SUFFIXES else (file, "")


def _packing(suffix: str) -> str:
    if not suffix:
        return "Its last suffix is of no content encoding: the plugin gets the bytes as they are."
    encoding = SUFFIXES[suffix]
    if encoding not in ENCODINGS:
        return f"{suffix} is the suffix of the content encoding {encoding}, which is known and not served."
    return f"{suffix} is the suffix of the content encoding {encoding}: the host unpacks it, and the plugin gets plain bytes."


def _extensions(plain: str) -> Iterator[str]:
    """Yield what may be the extension, the longest first."""
    yield from (plain[at:].lower() for at, letter in enumerate(plain) if letter == "." and at)


def _nothing(plain: str, extensions: list[str], ledger: Ledger) -> Iterator[str]:
    if not extensions:
        yield f"{plain!r:.120} has no extension, so no format is selected."
    for each in extensions:
        yield f"{each} is the extension of no format that is loaded."
        yield from _rivals(each, None, ledger)
    near = nearest(extensions[-1], ledger.snapshot.extensions) if extensions else None
    if near is not None:
        yield f"The nearest extension is {near}, of the format {ledger.snapshot.extensions[near]!r}."
    yield "A request can name the format itself (flight-client: --format), whatever the file is called."


def _rivals(extension: str, winner: str | None, ledger: Ledger) -> Iterator[str]:
    """Say of each other plugin that would have the extension why it has it not."""
    for key, deployment in sorted(ledger.deployments.items(), key=lambda item: (item[1].file, item[0])):
        if key == winner or not _would_have(deployment, extension):
            continue
        who = f"{deployment.file} ({deployment.origin})"
        if deployment.failure is not None and deployment.active is None:
            yield f"{who} would have it, and was rejected: {deployment.failure.sentence}."
            continue
        for sentence in ledger.conflicts.get(key, ()):
            yield f"{who} would have it, too, but {sentence}."


def _would_have(deployment: Deployment, extension: str) -> bool:
    metadata = _metadata(deployment)
    if metadata is None:  # it could not say: its name is the best guess
        return extension == f".{deployment.claimed}"
    return extension in metadata.extensions


def _metadata(deployment: Deployment) -> PluginMetadata | None:
    if deployment.active is not None:
        return deployment.active.metadata
    return deployment.failure.metadata if deployment.failure is not None else None


_ORIGINS = {"builtin": "which ships", "folder": "from the plugin folder", "installed": "which is installed"}


def _owner(deployment: Deployment) -> str:
    metadata = _metadata(deployment)
    if metadata is None:
        return deployment.file
    can = metadata.capabilities
    does = " and ".join(verb for verb, is_able in (("reads", can.read), ("writes", can.write)) if is_able)
    return f"{deployment.file}, version {metadata.version}, {_ORIGINS[deployment.origin]}, {does} it"


def _told(deployment: Deployment) -> dict[str, Any]:
    metadata = _metadata(deployment)
    return {
        "name": deployment.name,
        "version": metadata.version if metadata else None,
        "origin": deployment.origin,
        "file": deployment.file,
    }
