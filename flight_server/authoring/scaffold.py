"""A new plugin's files, from templates: the plugin, a document to try it with, its test, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from types import MappingProxyType

#: The files of a new plugin by language: where each goes, with ``$name`` for the plugin's, and its template.
LANGUAGES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "python": MappingProxyType(
            {
                "$name.py": "python/plugin.py.template",
                "sample.$name": "python/sample.template",
                "tests/test_$name.py": "python/test.py.template",
                "README.md": "python/README.md.template",
            }
        )
    }
)


def write(name: str, folder: Path, language: str) -> list[Path]:
    """Write the plugin ``name`` into the new folder ``folder / name``, and return its files.

    Raises ``FileExistsError`` when that folder is there and holds anything, and another ``OSError`` when it cannot be made.
    """
    home = folder / name
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise FileExistsError(f"{home} is there already, and nothing of it is overwritten")
    templates = files("flight_server.authoring").joinpath("templates")
    written = []
    for place, template in LANGUAGES[language].items():
        path = home / Template(place).substitute(name=name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template(templates.joinpath(template).read_text(encoding="utf-8")).substitute(name=name)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        written.append(path)
    return written
