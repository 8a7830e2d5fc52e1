"""A new plugin's files: made from templates, or from the examples of native plugins, and written where nothing is yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from types import MappingProxyType

_PYTHON = {
    "$name.py": "plugin.py.template",
    "sample.$name": "sample.template",
    "tests/test_$name.py": "test.py.template",
    "README.md": "README.md.template",
}
#: What builds leave in a folder.
_BUILT = ("target", "Cargo.lock", "__pycache__")
_BUILT_SUFFIXES = (".o", ".so", ".pyc")


@dataclass(frozen=True, slots=True)
class Language:
    """How a plugin of one language is begun: its files by their places, given its name; and the command that is next."""

    files: Callable[[str], Mapping[str, str]]
    following: str


def write(name: str, folder: Path, language: str) -> list[Path]:
    """Write the plugin ``name`` into the new folder ``folder / name``, and return its files.

    Raises ``FileExistsError`` when that folder is there and holds anything, and another ``OSError`` when it cannot be made.
    """
    home = folder / name
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise FileExistsError(f"{home} is there already, and nothing of it is overwritten: take another name, or another --dir")
    written = []
    for place, text in LANGUAGES[language].files(name).items():
        path = home / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        written.append(path)
    return written


def _python(name: str) -> dict[str, str]:
    templates = files("flight_server.authoring").joinpath("templates", "python")
    found = {place: templates.joinpath(template).read_text(encoding="utf-8") for place, template in _PYTHON.items()}
    return {Template(place).substitute(name=name): Template(text).substitute(name=name) for place, text in found.items()}


def _c(name: str) -> dict[str, str]:
    """Return the example in C, which goes by the name npy, under another name; the host's header beside it."""
    native = files("format_plugins.native")
    found = {place: _renamed(text, r"npy", name) for place, text in _files(native.joinpath("examples", "c"))}
    found["Makefile"] = found["Makefile"].replace("INTERFACE ?= ../..", "INTERFACE ?= .")
    found["format_plugin.h"] = native.joinpath("format_plugin.h").read_text(encoding="utf-8")
    return {_renamed(place, r"npy", name): text for place, text in found.items()}


def _rust(name: str) -> dict[str, str]:
    """Return the example in Rust, a package called my_plugin with the format logfmt, under another name."""
    found = dict(_files(files("format_plugins.native").joinpath("examples", "rust")))
    found["src/manifest.json"] = _renamed(found["src/manifest.json"], r"logfmt", name)
    return {_renamed(place, r"my_plugin", name): _renamed(text, r"my_plugin", name) for place, text in found.items()}


def _files(folder: Traversable, place: str = "") -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if entry.name in _BUILT or entry.name.endswith(_BUILT_SUFFIXES):
            continue
        if entry.is_dir():
            yield from _files(entry, f"{place}{entry.name}/")
        else:
            yield f"{place}{entry.name}", entry.read_text(encoding="utf-8")


def _renamed(text: str, old: str, new: str) -> str:
    """Replace the word ``old``; ``test_old`` and ``libold`` hold it, too."""
    return re.sub(rf"(?<![a-zA-Z0-9])(test_|lib)?{old}(?![a-zA-Z0-9])", rf"\g<1>{new}", text)


#: By what ``--lang`` calls it.
LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {
        "python": Language(_python, "flight-server plugin check $home"),
        "c": Language(_c, "make -C $home"),
        "rust": Language(_rust, "cargo build --release --manifest-path $home/Cargo.toml"),
    }
)
