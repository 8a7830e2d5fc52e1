"""Where a plugin comes from, so that another process can load it anew."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True, slots=True)
class Origin:
    """A plugin's files, or the module that it can be imported from, or neither."""

    path: Path | None = None
    module: str | None = None

    @property
    def loadable(self) -> bool:
        """Whether it can be loaded once more."""
        return self.path is not None or self.module is not None


def origin_of(plugin: object) -> Origin:
    """Find out where ``plugin`` (a path, a module, or what ``create_plugin()`` returned) can be loaded from."""
    if isinstance(plugin, str | os.PathLike):
        return Origin(path=Path(plugin).absolute())
    if isinstance(plugin, ModuleType):
        return Origin(path=_file(plugin))
    # A plugin may be a SimpleNamespace: then its parts tell.
    makers = (type(plugin), getattr(plugin, "create_format", None), getattr(plugin, "metadata", None))
    for part in (*makers, getattr(plugin, "config_type", None)):
        module = sys.modules.get(getattr(part, "__module__", None) or "")
        if module is not None and hasattr(module, "create_plugin") and _is_importable(module):
            return Origin(module=module.__name__)
    return Origin()


def _file(module: ModuleType) -> Path | None:
    if not module.__file__:
        return None
    path = Path(module.__file__).absolute()
    return path.parent if path.name == "__init__.py" else path


def _is_importable(module: ModuleType) -> bool:
    try:
        return importlib.util.find_spec(module.__name__) is not None
    except (ImportError, ValueError):
        return False
