"""The kit as a test class: subclass it, name the plugin, declare its losses."""

from __future__ import annotations

import runpy
import sys
import unittest
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from format_plugins.conformance.catalogue import CHECKS, Check
from format_plugins.conformance.declaration import Declaration
from format_plugins.conformance.judging import judged
from format_plugins.conformance.loss import Loss
from format_plugins.conformance.subject import Subject


class Conformance:
    """A test for each check; subclasses are collected by pytest when their names begin with ``Test``.

    ``plugin`` is a path (a module's file or a package folder), a module, or what ``create_plugin()`` returned. The rest
    is what ``Declaration`` documents.
    """

    plugin: ClassVar[Any]
    losses: ClassVar[tuple[Loss, ...]] = ()
    example: ClassVar[pa.Table | None] = None
    fixed_schema: ClassVar[bool] = False
    samples: ClassVar[Mapping[bytes, pa.Table]] = {}
    options: ClassVar[Mapping[str, Any]] = {}
    memory_bytes: ClassVar[int] = 64 << 20
    _subject: ClassVar[Subject | None] = None

    def __init_subclass__(cls) -> None:
        """Give the subclass a test for each check, but for those that it has itself."""
        super().__init_subclass__()
        for check in CHECKS:
            name = f"test_{check.name}"
            if not hasattr(cls, name):
                setattr(cls, name, _test(check))

    @classmethod
    def declaration(cls) -> Declaration:
        """Return what is declared, as data."""
        return Declaration(**{field.name: getattr(cls, field.name) for field in fields(Declaration)})

    @classmethod
    def subject(cls) -> Subject:
        """Return the plugin under examination, loaded once for all tests of the class."""
        if cls._subject is None:
            cls._subject = Subject(cls.plugin, cls.declaration())
        return cls._subject

    @classmethod
    def teardown_class(cls) -> None:
        """Unload the plugin; called by pytest."""
        if cls._subject is not None:
            cls._subject.close()
            cls._subject = None


def classes_in(file: Path) -> list[type[Conformance]]:
    """Return the test classes in ``file``, run as pytest runs it: a command checks a plugin by what its author declared."""
    sys.path.insert(0, str(file.parent))
    try:
        names = runpy.run_path(str(file))
    finally:
        sys.path.remove(str(file.parent))
    return [
        item for item in names.values() if isinstance(item, type) and issubclass(item, Conformance) and item is not Conformance
    ]


def _test(check: Check) -> Callable[[Conformance], None]:
    def test(self: Conformance) -> None:
        __tracebackhide__ = True  # the plugin's author reads the sentence, not the kit
        finding = judged(self.subject(), check)
        if finding.skipped:
            raise unittest.SkipTest(finding.sentence)
        if not finding.ok:
            raise AssertionError("\n\n".join(part for part in (finding.sentence, finding.fix, finding.detail) if part))

    test.__name__ = test.__qualname__ = f"test_{check.name}"
    test.__doc__ = check.rule
    return test
