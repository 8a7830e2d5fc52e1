"""From a plugin's bytes to a generation that can serve: every rule of the contract is held against it on the way."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from flight_server.plugins import metadata as metadatas
from flight_server.plugins import signatures
from flight_server.plugins.codespace import CodeSpace
from flight_server.plugins.compatibility import Mode, is_compatible
from flight_server.plugins.deadline import within
from flight_server.plugins.failure import Failure, LoadError, authors_traceback, explained, plugin_code
from flight_server.plugins.generation import Generation
from flight_server.plugins.source import Source, Unreadable
from format_plugins.contract import API_VERSION, PluginMetadata
from format_plugins.options import OptionError, decode


class Loader:
    """Numbers generations as it makes them. ``configs`` holds the configured options by the plugins' names."""

    def __init__(self, *, timeout_secs: float, compatibility: Mode, configs: Mapping[str, Mapping[str, Any]]) -> None:
        self._timeout_secs = timeout_secs
        self._compatibility = compatibility
        self._configs = configs
        self._numbers = itertools.count(1)

    def load(self, source: Source | Unreadable) -> Generation | Failure:
        """Load a plugin that does not serve yet; nothing that its code does at load comes through but the result."""
        if isinstance(source, Unreadable):
            return Failure(sentence=source.sentence)
        try:
            return within(self._timeout_secs, lambda: self._attempt(source), discard=_discard)
        except TimeoutError:
            secs = f"{self._timeout_secs:g} seconds"
            return Failure(sentence=f"{source.file}: it did not load within the {secs} of plugins.load_timeout_secs")

    def _attempt(self, source: Source) -> Generation | Failure:
        space = CodeSpace(source, number := next(self._numbers))
        attempt = _Attempt(source, space)
        try:
            attempt.create()
            self._check_api(attempt.metadata)
            attempt.configure(self._configs.get(attempt.metadata.name))
        except LoadError as error:
            space.close()
            return Failure(sentence=f"{source.file}: {error}", traceback=error.trace, metadata=attempt.told)
        return Generation(
            number=number, metadata=attempt.metadata, source=source, config=attempt.config, plugin=attempt.plugin, space=space
        )

    def _check_api(self, metadata: PluginMetadata) -> None:
        try:
            fits = is_compatible(metadata.api, API_VERSION, self._compatibility)
        except ValueError as error:
            raise LoadError(f"its metadata is not valid: api {error}") from None
        if not fits:
            version = ".".join(map(str, API_VERSION))
            raise LoadError(
                f"it works with the contract {metadata.api}, and this server has {version}"
                f" (plugins.version_compatibility is {self._compatibility})"
            )


class _Attempt:
    """One load under way: what is known of the plugin so far."""

    plugin: Any
    config: Any

    def __init__(self, source: Source, space: CodeSpace) -> None:
        self._source = source
        self._space = space
        self.told: PluginMetadata | None = None

    @property
    def metadata(self) -> PluginMetadata:
        if self.told is None:
            raise RuntimeError("the plugin has not been asked yet")
        return self.told

    def create(self) -> None:
        """Import the plugin, make it, and ask who it is."""
        stem = self._source.path.stem
        if stem in sys.stdlib_module_names:
            raise LoadError(f"it is named like Python's own module {stem!r}, which its imports would mistake it for; rename it")
        module = self._imported()
        own = self._space.shown_as
        with plugin_code("create_plugin() failed", own=own):
            signatures.check_entry(module)
            self.plugin = module.create_plugin()
            signatures.check_plugin(self.plugin)
        with plugin_code("metadata() failed", own=own):
            self.told = metadatas.checked(self.plugin.metadata())

    def configure(self, values: Mapping[str, Any] | None) -> None:
        """Decode the configured options, and see whether a codec with them has what the plugin promises."""
        where = f"plugins.plugin_configs.{self.metadata.name}"
        own = self._space.shown_as
        with plugin_code("its options could not be made", own=own):
            try:
                self.config = decode(self.plugin.config_type, values, where=where)
            except OptionError as error:
                raise LoadError(f"its configuration is not valid: {error}") from None
        with plugin_code("create_format() failed with the configured options", own=own):
            codec = self.plugin.create_format(self.config)
            signatures.check_format(codec, self.metadata.capabilities)

    def _imported(self) -> ModuleType:
        with plugin_code("it cannot be imported", own=self._space.shown_as):
            try:
                return self._space.run()
            except ModuleNotFoundError as error:
                if not self._source.is_package or (error.name or "").partition(".")[0] != self._source.file:
                    raise
                raise LoadError(
                    f"it imports itself by name: {explained(error)}; write a relative import, such as 'from . import x'",
                    trace=authors_traceback(error, self._space.shown_as),
                ) from None


def _discard(late: Generation | Failure) -> None:
    if isinstance(late, Generation):
        late.discard()
