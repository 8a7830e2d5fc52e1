"""Running a plugin's code: what it raises is a rule broken, unless it is what the contract has it raise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from format_plugins.conformance.finding import NotApplicable, Unmet, told, trace

READING = "Raise FormatError, with the offset, row or column, for data that is wrong: anything else is the plugin's own fault."
WRITING = "Raise UnsupportedError, with the column, for what the format cannot carry: anything else is the plugin's own fault."
LOADING = (
    "Make the module import, and create_plugin() return an object with metadata(), config_type and create_format(options)."
)


@contextmanager
def plugin_code(
    doing: str, fix: str, *, owner: str = "", through: type[BaseException] | tuple[type[BaseException], ...] = ()
) -> Iterator[None]:
    """Run code of the plugin; ``Unmet`` for whatever it raises but for ``through``.

    ``doing`` begins the sentence: "reading an empty document".
    """
    try:
        yield
    except (Unmet, NotApplicable, GeneratorExit):
        raise
    except through:
        raise
    except BaseException as error:
        sentence = f"{doing[:1].upper()}{doing[1:]}, the plugin raises {told(error)}."
        raise Unmet(sentence, fix=fix, detail=trace(error), owner=owner) from error
