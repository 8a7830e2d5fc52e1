"""From a plugin's bytes to a generation that can serve: every rule of the contract is held against it on the way."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeAlias

from flight_server.config import Runtime
from flight_server.plugins import metadata as metadatas
from flight_server.plugins import native, signatures
from flight_server.plugins.codespace import CodeSpace
from flight_server.plugins.compatibility import Mode, is_compatible
from flight_server.plugins.deadline import within
from flight_server.plugins.failure import Failure, LoadError, authors_traceback, explained, plugin_code
from flight_server.plugins.generation import Generation
from flight_server.plugins.passed import Passed
from flight_server.plugins.plugin_code import LoadedCode
from flight_server.plugins.source import Source, Unreadable
from flight_server.plugins.surroundings import Surroundings
from format_plugins.contract import API_VERSION, PluginMetadata
from format_plugins.options import OptionError, decode

#: Told what the plugin's code does next, "while it was imported", and who the plugin is as soon as it has said so.
Witness: TypeAlias = Callable[[str, PluginMetadata | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a load goes by: how the contract's version is compared, and the options configured for the plugin of a name."""

    compatibility: Mode
    options_of: Callable[[str], Mapping[str, Any] | None]


class Trial(Protocol):
    """Finds out whether a plugin can be loaded, at no risk to this process."""

    def examine(self, source: Source, number: int, rules: Rules) -> Failure | Passed:
        """Try the plugin that would become generation ``number``."""
        ...


class Remote(Protocol):
    """Makes generations whose code never enters this process."""

    def generation(self, source: Source, number: int, rules: Rules, passed: Passed) -> Generation:
        """Make the generation of a plugin that has passed its trial."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtimes:
    """Where plugins run: those of ``named`` as it says, others in ``default`` if they were dropped, else in this process.

    ``remote`` is the runtime of child processes.
    """

    remote: Remote
    named: Mapping[str, Runtime]
    default: Runtime

    def remote_of(self, name: str, *, ships: bool) -> Remote | None:
        """Return the runtime of child processes if the plugin ``name`` runs there."""
        runtime = self.named.get(name, "in_process" if ships else self.default)
        return self.remote if runtime == "process" else None

    def check_native(self, name: str) -> None:
        """Raise ``LoadError`` when the native plugin ``name`` is configured to run where native code must not."""
        if self.named.get(name) == "in_process":
            raise LoadError(
                f"plugins.runtime.{name} is in_process, and a native library runs in child processes only: set it to process,"
                " or leave it out"
            )


class Loader:
    """Numbers generations as it makes them. ``configs`` holds the configured options by the plugins' names.

    With a ``trial``, code runs in this process only after it has passed that, and where it runs for good ``runtimes``
    decides. What lies in ``trusted_dir`` ships with the server, and is not tried to run in this process.
    """

    def __init__(
        self,
        *,
        timeout_secs: float,
        compatibility: Mode,
        configs: Mapping[str, Mapping[str, Any]],
        trial: Trial | None = None,
        trusted_dir: Path | None = None,
        runtimes: Runtimes | None = None,
    ) -> None:
        self._timeout_secs = timeout_secs
        self._rules = Rules(compatibility=compatibility, options_of=configs.get)
        self._trial = trial
        self._trusted_dir = trusted_dir
        self._runtimes = runtimes
        self._numbers = itertools.count(1)
        self._loading = threading.Lock()

    def load(self, source: Source | Unreadable) -> Generation | Failure:
        """Load a plugin that does not serve yet; nothing that its code does at load comes through but the result."""
        if isinstance(source, Unreadable):
            return Failure(sentence=source.sentence)
        number = next(self._numbers)
        if source.is_native:
            return self._examined(source, number)
        if self._trial is None:
            return self._loaded(source, number)
        if source.path.parent != self._trusted_dir:
            return self._tried(source, number, self._trial, ships=False)
        loaded = self._loaded(source, number)
        if isinstance(loaded, Failure) or self._remote(loaded.metadata, ships=True) is None:
            return loaded
        # Which formats ship under which names is known only from their code, which hurts nobody.
        loaded.discard()
        return self._tried(source, number, self._trial, ships=True)

    def _examined(self, source: Source, number: int) -> Generation | Failure:
        """Try a library if its file is worth it, and have it run in child processes: no code of it ever runs in this one."""
        if self._trial is None or self._runtimes is None:
            return Failure(sentence=f"{source.file}: it is a native library, and there are no child processes for it here")
        told = None
        try:
            told = native.examined(source)
            if told is not None:
                self._runtimes.check_native(told.name)
            outcome = self._trial.examine(source, number, self._rules)
            if isinstance(outcome, Failure):
                return outcome if outcome.metadata is not None else replace(outcome, metadata=told)
            self._runtimes.check_native(outcome.metadata.name)
        except LoadError as error:
            return Failure(sentence=f"{source.file}: {error}", metadata=told)
        return self._runtimes.remote.generation(source, number, self._rules, outcome)

    def _tried(self, source: Source, number: int, trial: Trial, *, ships: bool) -> Generation | Failure:
        outcome = trial.examine(source, number, self._rules)
        if isinstance(outcome, Failure):
            return outcome
        remote = self._remote(outcome.metadata, ships=ships)
        return remote.generation(source, number, self._rules, outcome) if remote else self._loaded(source, number)

    def _remote(self, metadata: PluginMetadata, *, ships: bool) -> Remote | None:
        return None if self._runtimes is None else self._runtimes.remote_of(metadata.name, ships=ships)

    def _loaded(self, source: Source, number: int) -> Generation | Failure:
        # One at a time: what it leaves in this process is told by a look around before and after.
        with self._loading:
            before = Surroundings.now()
            # What went well in the trial may still hang here, where the world is another one.
            try:
                loaded = within(self._timeout_secs, lambda: attempt(source, number, self._rules), discard=_discard)
            except TimeoutError:
                secs = f"{self._timeout_secs:g} seconds"
                return Failure(sentence=f"{source.file}: it did not load within the {secs} of plugins.load_timeout_secs")
            if isinstance(loaded, Generation):
                loaded.left = tuple(before.left_by(Surroundings.now()))
            return loaded


def attempt(source: Source, number: int, rules: Rules, witness: Witness | None = None) -> Generation | Failure:
    """Load a plugin as generation ``number`` in this thread: it may hang, or end the process."""
    space = CodeSpace(source, number)
    under_way = _Attempt(source, space, witness or _unseen)
    try:
        under_way.create()
        _check_api(under_way.metadata, rules.compatibility)
        under_way.configure(rules.options_of(under_way.metadata.name))
    except LoadError as error:
        space.close()
        return Failure(sentence=f"{source.file}: {error}", traceback=error.trace, metadata=under_way.told)
    code = LoadedCode(under_way.plugin, under_way.config, space)
    return Generation(number=number, metadata=under_way.metadata, source=source, code=code)


def _unseen(_step: str, _metadata: PluginMetadata | None) -> None:
    """Witness nothing."""


def _check_api(metadata: PluginMetadata, compatibility: Mode) -> None:
    try:
        fits = is_compatible(metadata.api, API_VERSION, compatibility)
    except ValueError as error:
        raise LoadError(f"its metadata is not valid: api {error}") from None
    if not fits:
        version = ".".join(map(str, API_VERSION))
        raise LoadError(
            f"it works with the contract {metadata.api}, and this server has {version}"
            f" (plugins.version_compatibility is {compatibility})"
        )


class _Attempt:
    """One load under way: what is known of the plugin so far."""

    plugin: Any
    config: Any

    def __init__(self, source: Source, space: CodeSpace, witness: Witness) -> None:
        self._source = source
        self._space = space
        self._witness = witness
        self.told: PluginMetadata | None = None

    @property
    def metadata(self) -> PluginMetadata:
        if self.told is None:
            raise RuntimeError("the plugin has not been asked yet")
        return self.told

    def create(self) -> None:
        """Make the plugin, and ask who it is."""
        own = self._space.shown_as
        if self._source.is_native:
            with plugin_code("it cannot be loaded", own=own):
                self.plugin = native.opened(self._source, lambda doing: self._witness(doing, None))
        else:
            self._import()
        self._witness("in metadata()", None)
        with plugin_code("metadata() failed", own=own):
            self.told = metadatas.checked(self.plugin.metadata())

    def _import(self) -> None:
        stem = self._source.path.stem
        if stem in sys.stdlib_module_names and not self._source.is_installed:
            raise LoadError(f"it is named like Python's own module {stem!r}, which its imports would mistake it for; rename it")
        self._witness("while it was imported", None)
        module = self._imported()
        own = self._space.shown_as
        self._witness("in create_plugin()", None)
        with plugin_code("create_plugin() failed", own=own):
            signatures.check_entry(module)
            self.plugin = module.create_plugin()
            signatures.check_plugin(self.plugin)

    def configure(self, values: Mapping[str, Any] | None) -> None:
        """Decode the configured options, and see whether a codec with them has what the plugin promises."""
        where = f"plugins.plugin_configs.{self.metadata.name}"
        own = self._space.shown_as
        self._witness("while its options were made", self.told)
        with plugin_code("its options could not be made", own=own):
            try:
                self.config = decode(self.plugin.config_type, values, where=where)
            except OptionError as error:
                raise LoadError(f"its configuration is not valid: {error}") from None
        self._witness("in create_format()", self.told)
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
