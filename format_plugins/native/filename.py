"""What the file of a native plugin is called."""

from __future__ import annotations

_PREFIX, _SUFFIX = "lib", ".so"


def library_name(file: str) -> str | None:
    """Return what a library is called: ``my_plugin`` for ``libmy_plugin.so``; None for the name of any other file.

    A version behind it, as in ``libz.so.1``, is not for plugins: that is how libraries name what others link to.
    """
    name = file.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    return name if name and file == f"{_PREFIX}{name}{_SUFFIX}" else None
