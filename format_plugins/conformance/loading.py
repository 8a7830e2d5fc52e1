"""A plugin loaded from the bytes of its files, as a host does it: never from a ``.pyc``, each time as a new module."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType

from format_plugins.native.filename import library_name
from format_plugins.native.library import NativePlugin, load


class NotAPluginError(Exception):
    """There is nothing at a path that could be loaded; the message is a sentence."""


class Load(MetaPathFinder, InspectLoader):
    """One load: finder and loader of a plugin's modules, which it removes again when it is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = _files(path)
        self._name = ""

    def run(self) -> ModuleType:
        """Execute the plugin's module under a name of its own and return it; what its code raises comes through.

        Of a native library, which has no module, it is one that has ``create_plugin``.
        """
        if library_name(self._path.name) is not None and self._path.is_file():
            return _module_of_library(self._path.name, self._files[self._path.name])
        stem = self._path.name.removesuffix(".py").replace(".", "_")
        number = 1
        while f"{stem}@{number}" in sys.modules:
            number += 1
        self._name = f"{stem}@{number}"
        sys.meta_path.append(self)  # asked last: it knows names that nobody else has
        spec = self.find_spec(self._name)
        if spec is None:
            raise NotAPluginError(f"{self._path.name} has no __init__.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[self._name] = module
        self.exec_module(module)
        return module

    def close(self) -> None:
        """Remove every trace of the modules that a process keeps by name."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for registry in (sys.modules, logging.Logger.manager.loggerDict):
            for name in [name for name in list(registry) if name.partition(".")[0] == self._name]:
                registry.pop(name, None)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module among the plugin's files."""
        del path, target
        file = self._file(fullname)
        if file is None:
            return None
        spec = importlib.util.spec_from_loader(fullname, self, is_package=self.is_package(fullname))
        if spec is not None:
            spec.origin = str(self._path if self._path.is_file() else self._path / file)
            spec.has_location = True
        return spec

    def is_package(self, fullname: str) -> bool:
        """Say whether a module is an ``__init__.py``."""
        return (self._file(fullname) or "").endswith("__init__.py")

    def get_source(self, fullname: str) -> str:
        """Return the source that ran."""
        return importlib.util.decode_source(self.get_data(self._file(fullname) or ""))

    def get_data(self, path: str) -> bytes:
        """Return a file of the plugin as it was read, by its relative name or its path."""
        name = path.removeprefix(f"{self._path}/")
        if name not in self._files:
            raise OSError(f"the plugin has no file {name!r}")
        return self._files[name]

    def get_code(self, fullname: str) -> CodeType:
        """Compile a module from the bytes that were read."""
        file = self._file(fullname) or ""
        return compile(self.get_data(file), str(self._path if self._path.is_file() else self._path / file), "exec")

    def _file(self, fullname: str) -> str | None:
        top, _, rest = fullname.partition(".")
        if not self._name or top != self._name:
            return None
        if not self._path.is_dir():
            return self._path.name if not rest else None
        place = "/".join(rest.split(".")) if rest else ""
        choices = (f"{place}/__init__.py", f"{place}.py") if place else ("__init__.py",)
        return next((name for name in choices if name in self._files), None)


def _module_of_library(name: str, content: bytes) -> ModuleType:
    def create_plugin() -> NativePlugin:
        # Once it is open, the copy can go.
        with tempfile.TemporaryDirectory() as folder:
            return load(content, Path(folder))

    module = ModuleType(name)
    module.create_plugin = create_plugin  # type: ignore[attr-defined] # which makes it a plugin's
    return module


def _files(path: Path) -> Mapping[str, bytes]:
    try:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
            return {str(file.relative_to(path)): file.read_bytes() for file in found}
        if path.suffix != ".py" and library_name(path.name) is None:
            raise NotAPluginError(f"{path.name} is neither a Python module nor a library lib*.so nor a package folder")
        return {path.name: path.read_bytes()}
    except OSError as error:
        raise NotAPluginError(f"{path.name} cannot be read: {error.strerror}") from None
