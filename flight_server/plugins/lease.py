"""A stream's hold on one generation of a plugin, from its first byte to its last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import structlog

from flight_server.caller import Caller
from flight_server.errors import PluginFailed, ServerError, UnknownOption, Unsupported
from flight_server.plugins.failure import authors_traceback, explained, is_interrupt, said
from flight_server.plugins.generation import Generation
from format_plugins.contract import DataFormat, FormatError, PluginMetadata, UnsupportedError
from format_plugins.options import OptionError


class Lease:
    """Made by ``Registry.lease``; a context manager. May be released by any thread, and more than once."""

    def __init__(self, generation: Generation, token: object) -> None:
        self._generation = generation
        self._token: object | None = token
        self._codecs: list[DataFormat] = []

    @property
    def metadata(self) -> PluginMetadata:
        """Who the plugin is."""
        return self._generation.metadata

    @property
    def generation(self) -> int:
        """The number of the generation that is held."""
        return self._generation.number

    @property
    def describe(self) -> dict[str, Any]:
        """The plugin as answers to clients name it: ``name``, ``version`` and ``generation``."""
        return {"name": self.metadata.name, "version": self.metadata.version, "generation": self.generation}

    @property
    def options(self) -> Sequence[Mapping[str, Any]]:
        """The plugin's options: name, type, default, unit and sentence of each."""
        return self._generation.code.options

    def create_format(self, options: Mapping[str, object] | None, caller: Caller | None = None) -> DataFormat:
        """Make the codec of one stream: the configured options with the request's ``options`` laid over them.

        Raises ``UnknownOption`` for an option that is unknown or cannot have its value, ``Unsupported`` when the plugin
        says so of their combination, and ``PluginFault`` for whatever else the plugin does; and ``Busy`` when no process
        can be had for it. A codec may be closed when the lease is released.
        """
        if self._token is None:
            raise RuntimeError("a format was asked for after the lease had been released")
        try:
            codec = self._generation.code.create_format(options, caller or Caller.nobody())
        except ServerError:
            raise
        except OptionError as error:
            raise self._unknown_option(str(error), error.key) from None
        except UnsupportedError as error:
            raise Unsupported(said(error), format=self.metadata.name, option=error.option) from None
        except FormatError as error:  # no data has been seen yet: it is about the options
            raise self._unknown_option(said(error), error.option) from None
        except BaseException as error:
            if is_interrupt(error):
                raise
            raise self._failed(error) from None
        self._codecs.append(codec)
        return codec

    def release(self) -> None:
        """Let the generation go; when it has been replaced and this was its last lease, it is retired."""
        token, self._token = self._token, None
        while self._codecs:
            self._generation.code.let_go(self._codecs.pop())
        if token is not None:
            self._generation.free(token)

    def _unknown_option(self, message: str, option: str | None) -> UnknownOption:
        known = [option["name"] for option in self.options]
        return UnknownOption(message, format=self.metadata.name, option=option, known=known)

    def _failed(self, error: BaseException) -> PluginFailed:
        name = self.metadata.name
        trace = authors_traceback(error, self._generation.shown_as)
        structlog.get_logger("flight_server.plugins").error(
            "a plugin could not make a format", plugin=name, generation=self.generation, exception=trace
        )
        return PluginFailed(f"the plugin {name!r} could not make a format: {explained(error)}", format=name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def __del__(self) -> None:
        # A stream that was forgotten, not closed, must not pin its plugin for ever.
        self.release()
