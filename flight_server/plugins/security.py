"""Who else could change what the server runs: owners and modes of the plugin folder, of what leads to it, of its files."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import structlog

#: strict: nothing that another account owns or may write to. lenient: nothing that another account may write to, and a
#: warning of what it owns. unchecked: nothing is looked at.
Strictness: TypeAlias = Literal["strict", "lenient", "unchecked"]

_MAX_LINKS = 40
_LINK_IS_OFF = "is a symbolic link, and plugins.follow_symlinks is false"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with ``path``, and the command that repairs it. ``is_owner``: that it is another account's at all."""

    path: str
    what: str
    repair: str
    is_owner: bool = False


class Refused(OSError):
    """What lies there is not to be trusted. ``strerror`` names no folder of the server; ``finding`` is for its log."""

    def __init__(self, shown: str, finding: Finding) -> None:
        super().__init__(errno.EPERM, shown)
        self.sentence = shown
        self.finding = finding


class Guard:
    """Looks at owners and modes as ``strictness`` says. Root and the account of the server (``account``) are trusted."""

    def __init__(
        self, strictness: Strictness = "unchecked", *, follow_symlinks: bool = True, account: int | None = None
    ) -> None:
        self._strictness = strictness
        self._follow_symlinks = follow_symlinks
        self._trusted = {0, os.geteuid() if account is None else account}
        self._warned: set[Finding] = set()

    def check_folder(self, folder: Path) -> None:
        """Raise ``Refused`` when others could change what ``folder`` holds, or put another folder in its place.

        Raises another ``OSError`` when it is not there.
        """
        if self._strictness == "unchecked":
            return
        *above, last = trail(folder)
        self._check_folders(above, shown="a folder that leads to it")
        self._refuse(self._finding(last, last.stat(), is_above=False), "it")

    def check_link(self, path: Path, shown: str) -> None:
        """Raise ``Refused`` when ``path`` is a link that may not be followed, or that leads where others could change it."""
        if not path.is_symlink():
            return
        if not self._follow_symlinks:
            finding = Finding(str(path), _LINK_IS_OFF, f"cp --remove-destination {shlex.quote(os.path.realpath(path))} {path}")
            raise Refused(f"{shown} {_LINK_IS_OFF}", finding)
        if self._strictness != "unchecked":
            self._check_folders(list(trail(path))[:-1], shown=f"a folder that leads to {shown}")

    def check_file(self, path: Path, status: os.stat_result, shown: str) -> None:
        """Raise ``Refused`` when others could change this file, or this folder of a package."""
        if self._strictness != "unchecked":
            self._refuse(self._finding(path, status, is_above=False), shown)

    def opening(self) -> int:
        """Return the flag for ``os.open`` that keeps links from being followed, or 0."""
        return 0 if self._follow_symlinks else os.O_NOFOLLOW

    def _check_folders(self, folders: list[Path], shown: str) -> None:
        for folder in folders:
            self._refuse(self._finding(folder, folder.lstat(), is_above=True), shown)

    def _finding(self, path: Path, status: os.stat_result, *, is_above: bool) -> Finding | None:
        mode = stat.S_IMODE(status.st_mode)
        who = []
        # In a sticky folder nobody can rename or delete what others own.
        if not (stat.S_ISLNK(status.st_mode) or (is_above and mode & stat.S_ISVTX)):
            who += ["g"] if mode & stat.S_IWGRP and not self._is_trusted_group(status) else []
            who += ["o"] if mode & stat.S_IWOTH else []
        if who and not _is_read_only(path):
            whom = "every account" if "o" in who else f"the group {_group(status.st_gid)}"
            what = f"may be written by {whom} (mode {mode:04o}, owner {_account(status.st_uid)})"
            return Finding(str(path), what, f"chmod {''.join(who)}-w {shlex.quote(str(path))}")
        if status.st_uid not in self._trusted:
            what = f"belongs to {_account(status.st_uid)} (mode {mode:04o}), not to root or the account of the server"
            return Finding(str(path), what, f"chown {min(self._trusted)} {shlex.quote(str(path))}", is_owner=True)
        return None

    def _refuse(self, finding: Finding | None, shown: str) -> None:
        if finding is None:
            return
        if not finding.is_owner or self._strictness == "strict":
            name = os.path.basename(finding.path)  # noqa: PTH119 - the text is all that is here
            repair = f"run: {finding.repair.replace(shlex.quote(finding.path), name)}" if shown == name else "the log says how"
            raise Refused(f"{shown} {finding.what}; {repair}", finding)
        if finding not in self._warned:
            self._warned.add(finding)
            structlog.get_logger("flight_server.plugins").warning(
                f"plugins lie where another account may change them: {finding.path} {finding.what}", repair=finding.repair
            )

    def _is_trusted_group(self, status: os.stat_result) -> bool:
        """Say whether the group is root's, or the one that many systems give to each account for itself."""
        if status.st_gid == 0:
            return True
        if status.st_uid not in self._trusted:
            return False
        try:
            group = grp.getgrgid(status.st_gid)
            owner = pwd.getpwuid(status.st_uid).pw_name
        except KeyError:  # a number without a name, as in containers
            return status.st_gid == status.st_uid
        return group.gr_name == owner and set(group.gr_mem) <= {owner}


def trail(path: Path) -> Iterator[Path]:
    """Yield all that decides where ``path`` leads: every folder and link on the way, and its end last.

    Raises ``OSError`` when something on the way is not there, or links lead in circles.
    """
    current = Path("/")
    left = list(reversed(path.absolute().parts[1:]))
    links = 0
    while left:
        yield current
        step = left.pop()
        if step == "..":
            current = current.parent
            continue
        target = current / step
        if not target.is_symlink():
            target.lstat()
            current = target
            continue
        yield target
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        leads = target.readlink()
        if leads.is_absolute():
            current = Path("/")
        left += [part for part in reversed(leads.parts) if part != "/"]
    yield current


def _is_read_only(path: Path) -> bool:
    """Say whether ``path`` lies on a file system that is mounted read-only, where modes say nothing."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _account(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return f"gid {number}"
