"""What a plugin says of itself, checked and detached from the plugin's own classes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from flight_server.plugins.failure import LoadError
from flight_server.wire import FORMAT_NAME, NATIVE
from format_plugins.contract import PluginCapabilities, PluginMetadata

DESCRIPTION_CHARS = 1000

_EXTENSION = re.compile(r"(\.[a-z0-9][a-z0-9_+-]{0,31}){1,4}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_SEMVER = re.compile(
    r"(0|[1-9]\d{0,9})\.(0|[1-9]\d{0,9})\.(0|[1-9]\d{0,9})"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)

T = TypeVar("T")


def checked(told: object) -> PluginMetadata:
    """Make the host's own ``PluginMetadata`` of whatever has its attributes; raises ``LoadError``.

    A copy, for two reasons: another class with the same attributes is as good, and an object of the plugin's own
    class would keep the plugin's code alive in every status that shows it.
    """
    values = _attributes(told, PluginMetadata)
    if "capabilities" in values:
        values["capabilities"] = _attributes(values["capabilities"], PluginCapabilities)
    try:
        metadata = msgspec.json.decode(msgspec.json.encode(values), type=PluginMetadata)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise LoadError(f"its metadata is not valid: {error}") from None
    if problems := "; ".join(_problems(metadata)):
        raise LoadError(f"its metadata is not valid: {problems}")
    return metadata


def _attributes(told: object, wanted: type[Any]) -> dict[str, Any]:
    names = [item.name for item in dataclasses.fields(wanted)]
    return {name: getattr(told, name) for name in names if hasattr(told, name)}


def _problems(metadata: PluginMetadata) -> Iterator[str]:
    if not FORMAT_NAME.fullmatch(metadata.name):
        yield f"the name {metadata.name!r:.80} is not of the form {FORMAT_NAME.pattern}"
    if metadata.name == NATIVE:
        yield f"the name {NATIVE!r} means native record batches, which no plugin can serve"
    if not _SEMVER.fullmatch(metadata.version):
        yield f"the version {metadata.version!r:.80} is no semantic version, such as '1.0.0'"
    if len(metadata.description) > DESCRIPTION_CHARS:
        yield f"the description is longer than {DESCRIPTION_CHARS:,} characters"
    for extension in metadata.extensions:
        if not _EXTENSION.fullmatch(extension):
            yield f"the extension {extension!r:.80} is not of the form '.csv': a dot, then lower case letters and digits"
    for media_type in metadata.media_types:
        if not _MEDIA_TYPE.fullmatch(media_type):
            yield f"the media type {media_type!r:.80} is not of the form 'text/csv', in lower case"
    if not (metadata.capabilities.read or metadata.capabilities.write):
        yield "its capabilities are neither read nor write"
