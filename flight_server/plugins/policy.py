"""Which plugins may be loaded at all: the names and hashes of ``plugins.allow``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flight_server.plugins.scanner import claimed_name
from flight_server.plugins.source import Source

_SHOWN_HASHES = 3


class AllowList:
    """An empty list allows everything.

    Two names count. Before any code of a plugin runs, its bytes must be listed under the name of its file: ``lines`` for
    ``lines.py``, for ``liblines.so`` and for the package folder ``lines``. And when it has said what it is called, they must
    be listed under that name, too, or bytes that were allowed as one format could take the place of another.
    """

    def __init__(self, allow: Mapping[str, str | Sequence[str]]) -> None:
        self._allow = {name: _hashes(listed) for name, listed in allow.items()}

    def refusal(self, source: Source) -> str | None:
        """Return why these bytes may not run, or None when they may."""
        name = source.file if source.is_package else claimed_name(source.file)
        if not self._allow or source.sha256 in self._allow.get(name, ()):
            return None
        if name in self._allow:
            has = f"{source.file} has the sha256 {source.sha256}, and plugins.allow.{name} has {self._listed(name)}"
            return f"{has}; {_cure(name, source)}"
        return f"{source.file} is not in plugins.allow, and has the sha256 {source.sha256}; {_cure(name, source)}"

    def refusal_of_name(self, source: Source, name: str) -> str | None:
        """Return why these bytes may not serve as the format ``name``, or None when they may."""
        if not self._allow or source.sha256 in self._allow.get(name, ()):
            return None
        return (
            f"{source.file} calls itself {name!r}, and plugins.allow.{name} has {self._listed(name)}, not its sha256"
            f" {source.sha256}; {_cure(name, source)}"
        )

    def _listed(self, name: str) -> str:
        hashes = self._allow.get(name, ())
        more = f" and {len(hashes) - _SHOWN_HASHES} more" if len(hashes) > _SHOWN_HASHES else ""
        return (" or ".join(hashes[:_SHOWN_HASHES]) or "nothing") + more


def _cure(name: str, source: Source) -> str:
    return f"if you trust these bytes, add them to the configuration: plugins.allow.{name}: {source.sha256}"


def _hashes(listed: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(each.lower() for each in ([listed] if isinstance(listed, str) else listed))
