"""What the test beside a plugin declares of it, for `plugin check`: its losses, and what it is to be tried with."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from flight_server.plugins.scanner import claimed_name
from format_plugins.conformance import Conformance, Declaration
from format_plugins.native.filename import library_name


def test_of(plugin: Path) -> Path | None:
    """Return the test that lies beside ``plugin``, in its folder or in ``tests`` there; None if there is none.

    A library that cargo built lies beside what it was built from: its folder is that of the package.
    """
    home = plugin.parent
    if home.parent.name == "target" and library_name(plugin.name) is not None:
        home = home.parent.parent
    places = [home / "tests", home]
    if plugin.is_dir():
        places.insert(0, plugin / "tests")
    found = (place / f"test_{claimed_name(plugin.name)}.py" for place in places)
    return next((path for path in found if path.is_file()), None)


def declaration_in(test: Path, plugin: Path) -> Declaration | None:
    """Run the module ``test``, and return what it declares of ``plugin``; None when it does not.

    What its code raises comes through.
    """
    spec = importlib.util.spec_from_file_location(test.stem, test)
    if spec is None or spec.loader is None:
        raise ImportError(f"{test.name} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[test.stem] = module
    sys.path.insert(0, str(test.parent))  # as pytest has it
    spec.loader.exec_module(module)
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Conformance)]
    tests = [kind for kind in kinds if kind is not Conformance]
    chosen = next((kind for kind in tests if _is_of(kind, plugin)), None)
    return chosen.declaration() if chosen is not None else None


def _is_of(kind: type[Conformance], plugin: Path) -> bool:
    named = getattr(kind, "plugin", None)
    if isinstance(named, str | Path):
        return Path(named).resolve() == plugin.resolve()
    place = Path(getattr(named, "__file__", None) or "")
    return plugin.resolve() in {place.resolve(), place.resolve().parent}
