"""The modules of one generation: run from bytes under names of their own, and removed without a trace."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import linecache
import logging
import re
import sys
from collections.abc import Sequence
from importlib.abc import InspectLoader
from types import CodeType, ModuleType

from flight_server.plugins.source import Source


class CodeSpace(InspectLoader):
    """Finder and loader of one plugin's modules.

    The module of ``lines.py`` is ``lines@7``: two generations never share a module, so that an old one goes on while the
    new one serves. Nothing goes through ``.pyc`` files, whose check by time and size runs stale code after a quick edit.
    Code objects name files that are on no disk: only then do tracebacks show the source that ran, and not the
    file's present content.
    """

    def __init__(self, source: Source, generation: int) -> None:
        self._source = source
        stem = re.sub(r"\W", "_", source.path.stem)  # a dot in it would make it a package
        self.name = _reserved(f"{stem}@{generation}")
        self._entry = str(source.path.absolute().with_name(self.name))

    @property
    def shown_as(self) -> tuple[str, str]:
        """What the file names in this plugin's code objects begin with."""
        return (f"{self.name}.", f"{self.name}/")

    def run(self) -> ModuleType:
        """Execute the plugin's top module and return it; whatever its code raises comes through."""
        # One dictionary entry makes the package's modules importable: a finder on sys.meta_path could
        # not be taken out again without disturbing imports that other threads are in the middle of.
        sys.path_importer_cache[self._entry] = self
        spec = self.find_spec(self.name)
        if spec is None:  # the scanner has seen its __init__.py, and now it is gone
            raise ImportError(f"{self._source.file} has no __init__.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = module
        self.exec_module(module)
        return module

    def close(self) -> None:
        """Remove every trace of the modules; code that still runs keeps its globals but can import no more of its own."""
        sys.path_importer_cache.pop(self._entry, None)
        for registry in (sys.modules, logging.Logger.manager.loggerDict):
            for name in [name for name in list(registry) if self._owns(name)]:
                registry.pop(name, None)
        for name in [name for name in list(linecache.cache) if isinstance(name, str) and self._owns_file(name)]:
            linecache.cache.pop(name, None)

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        """Find a module among the plugin's files; called by the import system for relative imports."""
        del target
        file = self._file(fullname)
        if file is None:
            return None
        spec = importlib.util.spec_from_loader(fullname, self, is_package=self.is_package(fullname))
        if spec is None:
            return None
        spec.origin = str(self._source.path / file if self._source.is_package else self._source.path)
        spec.has_location = True
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(self._entry)
        return spec

    def is_package(self, fullname: str) -> bool:
        """Say whether a module is an ``__init__.py``."""
        return (self._file(fullname) or "").endswith("__init__.py")

    def get_source(self, fullname: str) -> str:
        """Return the source that ran, for tracebacks."""
        return importlib.util.decode_source(self.get_data(self._file(fullname) or ""))

    def get_data(self, path: str) -> bytes:
        """Return a file of the plugin as it was read, by its relative name or its path."""
        name = path.removeprefix(f"{self._source.path}/")
        if name not in self._source.files:
            raise OSError(f"{self._source.file} has no file {name!r}")
        return self._source.files[name]

    def get_code(self, fullname: str) -> CodeType:
        """Compile a module from the bytes that were hashed."""
        file = self._file(fullname) or ""
        shown = f"{self.name}/{file}" if self._source.is_package else f"{self.name}.py"
        return compile(self.get_data(file), shown, "exec", dont_inherit=True)

    def _file(self, fullname: str) -> str | None:
        if not self._source.is_package:
            return self._source.path.name if fullname == self.name else None
        parts: Sequence[str] = fullname.split(".")[1:]
        choices = ("/".join((*parts, "__init__.py")), "/".join(parts) + ".py")
        return next((name for name in choices if name in self._source.files), None)

    def _owns(self, module: str) -> bool:
        return module == self.name or module.startswith(f"{self.name}.")

    def _owns_file(self, file: str) -> bool:
        return file.startswith(self.shown_as)


def _reserved(name: str) -> str:
    """Take a free name in ``sys.modules``: another host in this process may count its generations too."""
    placeholder = ModuleType(name)
    taken = 0
    unique = name
    while sys.modules.setdefault(unique, placeholder) is not placeholder:
        taken += 1
        unique = f"{name}_{taken}"
    return unique
