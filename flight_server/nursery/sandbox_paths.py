"""Which files a child in the sandbox may read: what the interpreter and its libraries are made of."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from importlib.abc import PathEntryFinder
from importlib.machinery import ModuleSpec, all_suffixes
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from flight_server.nursery.sandbox_files import READ, USE, Grant

#: Shared libraries, time zones, and what the machine has for processors.
_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo", "/sys/devices/system/cpu")
#: What libraries read when they start; anybody may know it.
_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/etc/ssl/openssl.cnf", "/dev/random", "/dev/urandom")
_DEVICES = ("/dev/null", "/dev/zero")
#: What the interpreter's prefix has for it. The prefix itself may be a folder that has a store in it as well.
_OF_A_PREFIX = ("lib", "lib64", "share/zoneinfo")
_PARTS = ("stdlib", "platstdlib", "purelib", "platlib")
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def readable() -> tuple[list[Grant], list[Listed]]:
    """Return what is granted, as this interpreter is set up now, and finders for the folders that cannot be listed.

    A folder of ``sys.path`` that the interpreter does not own, as a checkout is, or the present folder, may have anything
    in it: a store, the configuration. Of those only the packages and the modules are granted.
    """
    whole = _outermost(_folders())
    entries = {each: Path(each).resolve() for each in sys.path}
    foreign = [each for each, place in entries.items() if place.is_dir() and not _is_in(place, whole)]
    listed = [Listed.of(each) for each in foreign]
    archives = [place for place in entries.values() if place.is_file()]
    # Native plugins are held against the interpreter's own file: the class and the machine that it was built for.
    interpreter = Path("/proc/self/exe").resolve()
    places = [*whole, *map(Path, _FILES), interpreter, *archives, *(place for each in listed for place in each.places)]
    grants = [Grant(str(place), READ) for place in places] + [Grant(each, USE) for each in _DEVICES]
    return grants, listed


class Listed(PathEntryFinder):
    """Finds the modules and packages of one folder of ``sys.path`` as it was: ``modules`` are their places by their names."""

    def __init__(self, folder: str, modules: Mapping[str, Path]) -> None:
        self.folder = folder
        self._modules = modules

    @classmethod
    def of(cls, folder: str) -> Listed:
        """List ``folder``; one that cannot be listed has nothing."""
        try:
            places = sorted(Path(folder).iterdir())
        except OSError:
            places = []
        return cls(folder, {name: place for place in places if (name := _module(place)) is not None})

    @property
    def places(self) -> Iterable[Path]:
        """The files and the folders of its modules."""
        return self._modules.values()

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002 - importlib's own signature
        """Return the module's spec, None if it was not there."""
        place = self._modules.get(fullname)
        if place is None:
            return None
        if place.is_dir():
            return spec_from_file_location(fullname, place / "__init__.py", submodule_search_locations=[str(place)])
        return spec_from_file_location(fullname, place)


def _module(place: Path) -> str | None:
    """Return the name under which a file or a folder is imported, None if it is not."""
    if place.is_dir():
        return place.name if place.name.isidentifier() and (place / "__init__.py").is_file() else None
    suffix = next((suffix for suffix in all_suffixes() if place.name.endswith(suffix)), None)
    name = place.name.removesuffix(suffix or "")
    return name if suffix and name.isidentifier() else None


def _folders() -> Iterator[str | Path]:
    yield from _FOLDERS
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix):
        yield from (Path(prefix, each) for each in _OF_A_PREFIX)
    yield from filter(None, map(sysconfig.get_path, _PARTS))
    yield from (each for each in sys.path if Path(each).name in _INSTALLED)


def _outermost(folders: Iterable[str | Path]) -> list[Path]:
    """Return the folders that are there and in none of the others, each once."""
    found: list[Path] = []
    for folder in sorted({Path(each).resolve() for each in folders}, key=lambda each: len(each.parts)):
        if folder.is_dir() and not _is_in(folder, found):
            found.append(folder)
    return found


def _is_in(place: Path, folders: Iterable[Path]) -> bool:
    return any(place.is_relative_to(each) for each in folders)
