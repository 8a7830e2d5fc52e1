"""What lies in the plugin folder: which entries are plugins, and the signature that moves when one of them changes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from format_plugins.native.filename import library_name

#: One file as the file system sees it: name, device, inode, size, mtime, ctime (nanoseconds). The ctime catches an edit
#: of the same size whose mtime was put back.
FileSignature: TypeAlias = tuple[str, int, int, int, int, int]
#: All the files of one plugin, by name.
Signature: TypeAlias = tuple[FileSignature, ...]

#: For messages.
WHAT_IS_ONE = "a module '*.py', a library 'lib*.so', or a folder with an '__init__.py'"

_LEFT_BY_EDITORS = ("~", ".swp", ".swx", ".swo", ".tmp", ".part", ".pyc", ".orig", ".bak")


def scan(folder: Path) -> dict[str, Signature]:
    """Return the plugins in ``folder`` by their base names: modules, libraries, and folders with an ``__init__.py``.

    Entries whose names begin with ``.`` or ``_`` are none, nor is what editors leave behind, nor what has a name that is no
    text. Raises ``OSError`` when the
    folder is not there or cannot be read; an entry that goes away meanwhile is left out.
    """
    with os.scandir(folder) as listing:
        names = sorted(entry.name for entry in listing if not _is_ignored(entry.name))
    found = {}
    for name in names:
        if signature := sign(folder / name):
            found[name] = signature
    return found


def sign(path: Path) -> Signature:
    """Return the signature of one plugin; an empty one if there is none at ``path``.

    A link that leads nowhere is signed itself: it is a plugin that cannot be read now, not one that was removed.
    """
    try:
        status = path.stat()
    except OSError:  # gone, or a link that leads nowhere, in circles, or where the server may not look
        return _sign_link(path)
    if stat.S_ISREG(status.st_mode):
        return (_signed(path.name, status),) if _is_file_of_a_plugin(path.name) else ()
    return _sign_package(path, status) if stat.S_ISDIR(status.st_mode) else ()


def claimed_name(file: str) -> str:
    """Return the name of a plugin as far as its file tells it: ``lines`` of ``lines.py``, ``npy`` of ``libnpy.so``."""
    return library_name(file) or file.removesuffix(".py")


def package_files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files of a package, data files too, by their names relative to ``folder``, in order."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__" and _is_text(name))
        for name in sorted(names):
            if name.startswith(".") or name.endswith(_LEFT_BY_EDITORS) or not _is_text(name):
                continue
            path = Path(parent, name)
            try:
                status = path.stat()
            except OSError:  # gone meanwhile: the signature moves, and the package is looked at again
                continue
            if stat.S_ISREG(status.st_mode):
                yield path.relative_to(folder).as_posix(), status


def newest_change(signature: Signature) -> float:
    """Return when the latest change of a plugin happened, in seconds of the system's clock."""
    return max(ctime for *_, ctime in signature) / 1e9


def _is_ignored(name: str) -> bool:
    return name.startswith((".", "_", "#")) or name.endswith(_LEFT_BY_EDITORS) or not _is_text(name)


def _is_file_of_a_plugin(name: str) -> bool:
    return name.endswith(".py") or library_name(name) is not None


def _is_text(name: str) -> bool:
    """Say whether a name can be told in JSON: file systems take any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sign_package(path: Path, status: os.stat_result) -> Signature:
    try:
        (path / "__init__.py").stat()
    except FileNotFoundError:
        return ()
    except OSError:  # a package that may not be looked into is one that cannot be read now
        return (_signed(path.name, status),)
    return tuple(_signed(name, file) for name, file in package_files(path))


def _sign_link(path: Path) -> Signature:
    try:
        return (_signed(path.name, path.lstat()),) if not path.suffix or _is_file_of_a_plugin(path.name) else ()
    except FileNotFoundError:
        return ()


def _signed(name: str, status: os.stat_result) -> FileSignature:
    return (name, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
