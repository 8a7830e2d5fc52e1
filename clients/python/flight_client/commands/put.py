"""The command `put`: files into datasets, several at a time."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flight_client.commands import failures, parameters, printing
from flight_client.commands.failures import Failure
from flight_client.commands.meter import Meter, metered
from flight_client.commands.parameters import STANDARD
from flight_client.commands.reading import reading
from flight_client.commands.session import Command, Session, cancelling, pass_session
from flight_client.commands.work import Interrupt, run

if TYPE_CHECKING:
    from flight_client.commands.naming import Named
    from flight_client.results import PutResult

_JOBS = 4
_COLUMNS = ("file", "dataset", "version", "rows", "bytes", "replayed")


@dataclass(frozen=True, slots=True)
class _Item:
    path: str
    dataset: str
    named: Named


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=parameters.files)
@click.option(
    "--as",
    "dataset",
    metavar="DATASET",
    shell_complete=parameters.datasets,
    help="The dataset; the file's name without its extensions if left out. Several files are put one after the other.",
)
@click.option(
    "--under",
    default="",
    metavar="PREFIX",
    help="What to set before the names of datasets that come from files, such as shop/.",
)
@click.option(
    "--mode",
    type=click.Choice(["append", "create", "replace"]),
    default="append",
    help="What to do with a dataset that is there: add to it (append, if left out), refuse (create), or replace it.",
)
@parameters.format_name("--format", "format_name", "The files' format; told by their names if left out.")
@parameters.encoding("--encoding", "encoding", "the file")
@parameters.key_values("--option", "options", "the files'")
@parameters.schema_from()
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    default=_JOBS,
    metavar="NUMBER",
    help=f"How many files to put at a time; {_JOBS} if left out.",
)
@pass_session
def put(session: Session, /, *, files: tuple[str, ...], schema_from: str | None, jobs: int, **request: Any) -> None:  # noqa: ANN401 - the options
    """Store each FILE in a dataset: all of it, or nothing.

    A FILE may be a pattern in quotes ('data/**/*.csv'), or - for standard input. A file that fails is told in one line
    and does not keep the others from being stored.
    """
    paths, failed = _matched(files)
    _check(paths, request)
    among = len(paths) + len(failed)
    schema = session.ask(lambda client: client.info(schema_from).schema) if schema_from and paths else None
    items, unreadable = _items(session, paths, request) if paths else ([], [])
    failed += unreadable
    for failure in failed:
        failures.show(failure, as_json=session.json)
    answers = printing.Lines(_COLUMNS, as_json=session.json, quiet=session.quiet)

    def work(item: _Item) -> Callable[[Interrupt], PutResult]:
        return lambda interrupt: _put(session, item, interrupt, meter, {**sent, "schema": schema})

    def finished(number: int, outcome: PutResult | BaseException) -> None:
        path = items[number].path
        if not isinstance(outcome, BaseException):
            answers.add({"file": path, **printing.plain(outcome)})
        elif (failure := failures.failure_of(outcome, path)) is not None:
            _advise(failure, items[number])
            failed.append(failure)
            failures.show(failure, as_json=session.json)
        else:
            raise outcome

    sent = {"options": request["options"], "mode": request["mode"]}
    with metered(quiet=session.quiet, files=len(items)) as meter:
        run([work(item) for item in items], finished, jobs=1 if request["dataset"] else jobs)
    click.get_current_context().exit(failures.together(failed, among))


def _put(session: Session, item: _Item, interrupt: Interrupt, meter: Meter, sent: dict[str, Any]) -> PutResult:
    told = {"format": item.named.format, "content_encoding": item.named.encoding, **sent}
    with reading(item.path, interrupt, meter) as file, cancelling(interrupt) as cancel:
        return session.client.put(item.dataset, file, cancel=cancel, **told)


def _advise(failure: Failure, item: _Item) -> None:
    """Say what to do when the name of a file can be no dataset's."""
    if failure.known.get("code") == "bad_request" and repr(item.named.stem) in failure.message:
        failure.known["advice"] = "--as gives the dataset another name than the file's"


def _no_file(path: str) -> Failure | None:
    """Return what to say to who names the dataset behind the file, as copying commands want it."""
    if "." in Path(path).name or Path(path).exists():
        return None
    return Failure(os.strerror(errno.ENOENT), failures.REFUSED, subject=path, advice="the dataset is named by --as")


def _matched(files: Iterable[str]) -> tuple[list[str], list[Failure]]:
    """Return the paths that ``files`` stand for, and those of them that stand for none.

    Patterns are for shells that leave them as they are.
    """
    paths: list[str] = []
    failed: list[Failure] = []
    for file in files:
        found = [file]
        if glob.has_magic(file) and not Path(file).exists():
            matches = glob.iglob(file, recursive=True)  # noqa: PTH207 - pathlib takes no absolute patterns
            found = sorted(path for path in matches if not Path(path).is_dir())
            if not found:
                failed.append(Failure("no file has a name like this", failures.REFUSED, subject=file))
        paths += found
    return list(dict.fromkeys(paths)), failed


def _check(paths: list[str], request: dict[str, Any]) -> None:
    if request["dataset"] == "":
        raise click.UsageError("--as is empty: it names the dataset")
    if STANDARD in paths and not (request["dataset"] and request["format_name"]):
        raise click.UsageError("standard input has no name: give --as and --format")
    if request["dataset"] and request["under"]:
        raise click.UsageError("--as names the whole dataset: leave --under out")
    if request["dataset"] and len(paths) > 1 and request["mode"] != "append":
        raise click.UsageError(f"--mode {request['mode']} with --as takes one file: each would meet the one before")


def _items(session: Session, paths: list[str], request: dict[str, Any]) -> tuple[list[_Item], list[Failure]]:
    """Return what to put where, and what cannot be: names that do not tell a format, or tell one dataset twice."""
    from flight_client.commands.naming import Names
    from flight_client.errors import FlightClientError

    names = session.ask(Names.of)
    items: list[_Item] = []
    failed: list[Failure] = []
    for path in paths:
        try:
            named = names.read(path, request["format_name"], request["encoding"], flag="--format")
        except (FlightClientError, OSError) as error:
            failed.append(_no_file(path) or failures.failure_of(error, path) or Failure(str(error), failures.REFUSED))
            continue
        dataset = request["dataset"] or request["under"] + named.stem
        other = next((item.path for item in items if item.dataset == dataset and not request["dataset"]), None)
        if other is not None:
            raise click.UsageError(f"{other} and {path} would both be put in {dataset!r}: give --as to put them in one")
        items.append(_Item(path, dataset, named))
    return items, failed
