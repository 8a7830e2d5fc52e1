"""What a new plugin may be called, so that its file, its format and its extension all work."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Mapping

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
#: On the wire it means record batches, and no format.
_NATIVE = "arrow"


class NameRefused(ValueError):
    """A plugin cannot be called so; the message says why, and suggests what it could be called."""


def check_name(name: str, formats: Mapping[str, str], extensions: Mapping[str, str]) -> None:
    """Raise ``NameRefused`` unless ``name`` will do for a module, a format and a file extension.

    ``formats`` maps the names of the formats that ship to their files, ``extensions`` what they own to their names.
    """
    if not _NAME.fullmatch(name):
        raise NameRefused(
            f"{name!r:.80} is no name for a plugin: it names a module and a format, so it is a lower-case letter and up to"
            f" 31 of a-z 0-9 _{_suggestion(_spelled(name), formats, extensions)}"
        )
    if (why := _taken(name, formats, extensions)) is not None:
        raise NameRefused(f"{why}{_suggestion(f'{name}_format', formats, extensions)}")


def _taken(name: str, formats: Mapping[str, str], extensions: Mapping[str, str]) -> str | None:
    """Return why ``name`` cannot be had, None when it can."""
    is_word = keyword.iskeyword(name) or keyword.issoftkeyword(name)
    reasons = {
        f"{name!r} is the name of a format that ships ({formats.get(name)}), and taken over only where plugins.override lists"
        " it": name in formats,
        f"{name!r} is what record batches are called on the wire, and no format": name == _NATIVE,
        f"files named .{name} are of the format {extensions.get(f'.{name}')!r}, which ships": f".{name}" in extensions,
        f"{name!r} is one of Python's own modules, which imports would mistake the file for": name in sys.stdlib_module_names,
        f"{name!r} is a word of Python's own grammar": is_word,
        f"{name}.py would be taken for a test": name in {"test", "tests"} or name.startswith("test_"),
    }
    return next((why for why, is_so in reasons.items() if is_so), None)


def _spelled(name: str) -> str:
    """Return the letters of ``name`` as they would do."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return plain if plain[:1].isalpha() else f"format_{plain}"


def _suggestion(name: str, formats: Mapping[str, str], extensions: Mapping[str, str]) -> str:
    name = name[:32].rstrip("_")
    fits = _NAME.fullmatch(name) and name != "format" and _taken(name, formats, extensions) is None
    return f"; did you mean {name!r}?" if fits else ""
