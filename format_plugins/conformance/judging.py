"""Running checks: each has its time, a mistake makes one failure, and what needs a process of its own gets one."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterable, Iterator

from format_plugins.conformance.catalogue import CHECKS, Check, check_named
from format_plugins.conformance.child import Child
from format_plugins.conformance.declaration import Declaration
from format_plugins.conformance.finding import Finding, NotApplicable, Unmet, told, trace
from format_plugins.conformance.subject import Subject
from format_plugins.contract import UnsupportedError

#: A check that takes longer hangs: the slowest takes some seconds.
TIMEOUT_SECS = 120.0


def check(
    plugin: object,
    declaration: Declaration | None = None,
    *,
    only: Iterable[str] = (),
    isolated: bool = False,
    timeout_secs: float = TIMEOUT_SECS,
) -> Iterator[Finding]:
    """Yield what each check finds of ``plugin``, as soon as it is found.

    ``plugin`` is a path (a module's file or a package folder), a module, or what ``create_plugin()`` returned. ``only``
    names checks (see ``CHECKS``); all of them are run otherwise. ``isolated`` runs all of them in a child process, so
    that a plugin that ends its process, or fills its memory, is a finding. Raises ``ValueError`` for an unknown name.
    """
    chosen = [check_named(name) for name in only] or list(CHECKS)
    subject = Subject(plugin, declaration or Declaration())
    child = Child(subject) if isolated and subject.origin.loadable else None
    try:
        for each in chosen:
            yield child.ask(each.name, timeout_secs) if child and not each.fresh else judged(subject, each, timeout_secs)
    finally:
        subject.close()
        if child is not None:
            child.close()


def judged(subject: Subject, check: Check, timeout_secs: float = TIMEOUT_SECS) -> Finding:
    """Run one check of ``subject``, in a child process if it needs one of its own."""
    if not check.fresh:
        return judged_here(subject, check, timeout_secs)
    if not subject.origin.loadable:
        return Finding(
            check=check.name, ok=True, skipped=True, sentence="Where the plugin comes from is not known: give a path."
        )
    child = Child(subject)
    try:
        return child.ask(check.name, timeout_secs)
    finally:
        child.close()


def judged_here(subject: Subject, check: Check, timeout_secs: float = TIMEOUT_SECS) -> Finding:
    """Run one check in this process: in a thread, since it may hang."""
    found: list[Finding] = []
    thread = threading.Thread(target=lambda: found.append(verdict(subject, check)), name=check.name, daemon=True)
    thread.start()
    thread.join(timeout_secs)
    if found:
        return found[0]
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - the only way to see where a thread is
    return Finding(
        check=check.name,
        ok=False,
        sentence=f"It does not end within {timeout_secs:g} seconds.",
        fix="See below where it was; a loop that waits for bytes that do not come must end when the stream does.",
        detail="".join(traceback.format_stack(frame)) if frame is not None else "",
    )


def verdict(subject: Subject, check: Check) -> Finding:
    """Run one check in this thread."""
    try:
        check.run(subject)
    except NotApplicable as reason:
        return Finding(check=check.name, ok=True, skipped=True, sentence=f"Not judged: {reason}.")
    except UnsupportedError as refusal:  # of many rows, where a check writes some: the example is not refused
        sentence = f"Not judged: {told(refusal)}; `options` may allow it."
        return Finding(check=check.name, ok=True, skipped=True, sentence=sentence)
    except Unmet as unmet:
        if unmet.owner not in {"", check.name} and _fails(subject, unmet.owner):
            return Finding(check=check.name, ok=True, skipped=True, sentence=f"Not judged: see {unmet.owner}.")
        return Finding(check=check.name, ok=False, sentence=unmet.sentence, fix=unmet.fix, detail=unmet.detail)
    except BaseException as error:  # noqa: BLE001 - whatever a plugin brings about is its finding
        return Finding(
            check=check.name, ok=False, sentence=f"The check itself ends with {told(error)}.", fix=_ITSELF, detail=trace(error)
        )
    return Finding(check=check.name, ok=True)


_ITSELF = "The traceback says where. If the plugin has no part in it, the kit is wrong."


def _fails(subject: Subject, owner: str) -> bool:
    """Say whether the check whose rule was broken finds so, too: then it is told there."""
    try:
        check_named(owner).run(subject)
    except Unmet as unmet:
        return unmet.owner in {"", owner} or _fails(subject, unmet.owner)
    except NotApplicable:
        return False
    return False
