"""Checks of what a plugin says of itself: how it loads, its metadata and its options."""

from __future__ import annotations

import dataclasses
import re
import sys
import time
from typing import Any

import msgspec

from format_plugins.conformance.blame import LOADING, plugin_code
from format_plugins.conformance.finding import Unmet, told
from format_plugins.conformance.subject import Subject
from format_plugins.contract import PluginMetadata
from format_plugins.options import OptionError, decode

METADATA_CALLS, METADATA_SECS = 100, 0.1
_NAME = re.compile(r"[a-z][a-z0-9_+-]{0,62}")
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.ASCII)
_EXTENSION = re.compile(r"(\.[a-z0-9][a-z0-9_+-]{0,31}){1,4}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
_METADATA = "Return the same PluginMetadata(name=..., version=...) each time, without doing anything for it."


def it_can_be_loaded(subject: Subject) -> None:
    """The module imports, and ``create_plugin()`` returns what a host can ask."""
    path = subject.origin.path
    if path is not None and path.name.removesuffix(".py") in sys.stdlib_module_names:
        raise Unmet(
            f"It is named like Python's own module {path.name.removesuffix('.py')!r}, which its imports would mistake it for.",
            fix="Rename the file; the format's name may stay.",
        )
    plugin = subject.plugin
    for name in ("metadata", "create_format"):
        if not callable(getattr(plugin, name, None)):
            raise Unmet(f"What create_plugin() returned has no method {name}.", fix=LOADING)
    if not isinstance(getattr(plugin, "config_type", None), type):
        raise Unmet("What create_plugin() returned has no config_type.", fix=LOADING)
    capabilities = subject.capabilities
    codec = subject.codec()
    reads = [name for name in ("read_batches", "read_batches_from_stream") if callable(getattr(codec, name, None))]
    if capabilities.read and not reads:
        raise Unmet(
            "Its capabilities say read, and its codec has neither read_batches nor read_batches_from_stream.",
            fix="Write one of the two, or say PluginCapabilities(read=False).",
        )
    if capabilities.write and not callable(getattr(codec, "write_batches", None)):
        raise Unmet(
            "Its capabilities say write, and its codec has no write_batches.",
            fix="Write it, or say PluginCapabilities(write=False).",
        )


def metadata_is_valid_constant_and_cheap(subject: Subject) -> None:
    """What the plugin says of itself can be served, and does not change."""
    first = subject.metadata
    names = [field.name for field in dataclasses.fields(PluginMetadata)]
    values = {name: getattr(first, name) for name in names if hasattr(first, name)}
    try:
        msgspec.json.decode(msgspec.json.encode(values), type=PluginMetadata)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise Unmet(f"Its metadata is not valid: {error}.", fix=_METADATA) from None
    for problem in _problems(first):
        raise Unmet(f"Its metadata is not valid: {problem}.", fix=_METADATA)
    started = time.thread_time()
    for _ in range(METADATA_CALLS):
        if subject.metadata != first:
            raise Unmet("Its metadata is not the same each time that it is asked for.", fix=_METADATA)
    if (spent := time.thread_time() - started) > METADATA_SECS:
        raise Unmet(f"To tell its metadata takes {spent / METADATA_CALLS * 1000:.0f} ms.", fix=_METADATA)


def _problems(metadata: PluginMetadata) -> list[str]:
    found = []
    if not _NAME.fullmatch(metadata.name) or metadata.name == "arrow":
        found.append(
            f"the name {metadata.name!r:.80} is not of the form {_NAME.pattern}, or it is 'arrow', which means no format"
        )
    if not _VERSION.fullmatch(metadata.version):
        found.append(f"the version {metadata.version!r:.80} is no semantic version, such as '1.0.0'")
    for pattern, values in ((_EXTENSION, metadata.extensions), (_MEDIA_TYPE, metadata.media_types)):
        kind, like = ("extension", ".csv") if pattern is _EXTENSION else ("media type", "text/csv")
        found += [
            f"the {kind} {v!r:.80} is not of the form {like!r}, in lower case" for v in values if not pattern.fullmatch(v)
        ]
    if not (metadata.capabilities.read or metadata.capabilities.write):
        found.append("its capabilities are neither read nor write")
    return found


def options_are_strict_and_have_defaults(subject: Subject) -> None:
    """Options are the fields of a frozen dataclass; the defaults are what their types say, and make a codec."""
    config_type: Any = subject.plugin.config_type
    parameters = getattr(config_type, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise Unmet(f"Its config_type {config_type.__name__} is no frozen dataclass.", fix="Write @dataclass(frozen=True).")
    with plugin_code("decoding no options", "Give each option a default, or declare `options` to try it with."):
        config = decode(config_type, subject.declared.options)
    for field in dataclasses.fields(config_type):
        _check_default(config_type, field, getattr(config, field.name))
    try:
        decode(config_type, {**subject.declared.options, "no such option": 1})
    except OptionError as error:
        unnamed = [field.name for field in dataclasses.fields(config_type) if field.name not in str(error)]
    else:
        unnamed = ["no such option"]
    if unnamed:
        raise Unmet(f"An unknown option is not refused with the known ones: {unnamed[0]!r}.", fix="Use a plain dataclass.")
    with plugin_code("making a codec with its defaults", "Let create_format() take every value that the options allow."):
        subject.plugin.create_format(config)


def _check_default(config_type: type[Any], field: dataclasses.Field[Any], default: object) -> None:
    """Decode the default as a configuration would give it."""
    if dataclasses.is_dataclass(default) or not field.init:
        return
    given = msgspec.to_builtins(default)
    options = {item.name: item for item in dataclasses.fields(config_type)}
    required = [
        name
        for name, item in options.items()
        if item.default is item.default_factory is dataclasses.MISSING and name != field.name
    ]
    if required:
        return  # what is left out would be missed, too
    try:
        same = getattr(decode(config_type, {field.name: given}), field.name) == default
    except OptionError as error:
        raise Unmet(
            f"The default of the option {field.name!r} is not of its type: {told(error)}.",
            fix="Make type and default agree.",
        ) from None
    if not same:
        raise Unmet(f"The option {field.name!r} does not take its own default.", fix="Make type and default agree.")
