"""Checks of what a format carries: every type with its extremes comes back, or is a declared loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from format_plugins.conformance.cases import ODD, Case, cases
from format_plugins.conformance.finding import NotApplicable, Unmet, told
from format_plugins.conformance.hostile import cut_unnoticed
from format_plugins.conformance.loss import TRUNCATION, How, Loss, as_written, declared
from format_plugins.conformance.sameness import difference, keeps_metadata, nulls, same, same_tables, same_values
from format_plugins.conformance.subject import Document, Subject
from format_plugins.contract import FormatError, UnsupportedError
from format_plugins.kinds import Array


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a sample. ``how`` is None for one that came back as it was."""

    case: Case
    how: How | str | None = None
    note: str = ""
    refusal: UnsupportedError | None = None
    data: bytes = b""
    fault: Unmet | None = None  # a rule that broke on the way

    @property
    def sentence(self) -> str:
        """Say it in half a sentence."""
        if self.fault is not None:
            return f"{self.case.name}: {self.fault.sentence}"
        if self.how is None:
            return f"{self.case.name} comes back as it was"
        becomes = self.how if isinstance(self.how, How) else f"comes back as {self.how}"
        return f"{self.case.name} {becomes}{': ' if self.note else ''}{self.note}"


def every_type_comes_back_or_is_a_declared_loss(subject: Subject) -> None:
    """No value is lost in silence."""
    wrong, lines = [], []
    for outcome in outcomes(subject).values():
        if outcome.fault is not None and not outcome.fault.owner:
            raise outcome.fault
        loss = declared(subject.declared.losses, outcome.case.name)
        if outcome.fault is None and outcome.how not in {None, loss and loss.how}:
            wrong.append(outcome)
            lines.append(f"{outcome.sentence}\n    {as_written(outcome.case.name, outcome.how or '')}")
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if wrong[1:] else ""
        raise Unmet(
            f"{_capital(wrong[0].sentence)}, which is not declared{more}.",
            fix=f"Carry it, or declare the loss: {as_written(wrong[0].case.name, wrong[0].how or '')}.",
            detail="\n".join(lines),
        )


def every_declared_loss_occurs(subject: Subject) -> None:
    """A declaration that is no longer true is taken back."""
    found = outcomes(subject)
    for loss in subject.declared.losses:
        for pattern in loss.patterns:
            names = [name for name in found if Loss(pattern, loss.how).covers(name)]
            if not names and pattern != TRUNCATION:
                raise Unmet(
                    f"A loss is declared of {pattern!r}, and no sample is called so.",
                    fix="Take it out, or name a sample.",
                    detail="The samples: " + ", ".join([*found, TRUNCATION]),
                )
        if loss.covers(TRUNCATION) and subject.capabilities.read and not cut_unnoticed(subject):
            raise Unmet("A document that is cut short is noticed, and declared as if it were not.", fix=_take_out(TRUNCATION))
    for name, outcome in found.items():
        expected = declared(subject.declared.losses, name)
        if expected is not None and outcome.how is None and outcome.fault is None:
            raise Unmet(f"{_capital(outcome.sentence)}, and is declared as a loss.", fix=_take_out(name))


def _take_out(name: str) -> str:
    return f"Take {name!r} out of the losses; where a pattern covers it, write a narrower one."


def what_is_refused_is_named(subject: Subject) -> None:
    """``UnsupportedError`` for a type says which column has it."""
    for outcome in outcomes(subject).values():
        column, error = outcome.case.column, outcome.refusal
        if error is None or column is None or error.column == column or repr(column) in str(error):
            continue
        raise Unmet(
            f"{_capital(outcome.case.name)} is refused without a word that it is the column {column!r}: {told(error)}.",
            fix="Raise UnsupportedError(message, column=name).",
        )


def another_schema_is_refused(subject: Subject) -> None:
    """A format of one schema refuses all others, whatever their columns are called."""
    if not (subject.declared.fixed_schema and subject.capabilities.write):
        raise NotApplicable("it is not declared that the format has one schema (`fixed_schema`)")
    own = subject.rows(3)
    others = {
        "other columns": pa.table({ODD: [1, 2]}),
        "one column more": own.append_column(ODD, pa.array([1, 2, 3])),
        "a column of another type": own.set_column(0, own.column_names[0], pa.array([[1], [2], [3]])),
        "no columns": own.select([]),
    }
    for what, table in others.items():
        try:
            subject.written(table, what)
        except UnsupportedError:
            continue
        raise Unmet(f"A table of {what} is written.", fix="Compare names and types with those of the format; UnsupportedError.")


def slices_are_written_as_their_rows(subject: Subject) -> None:
    """Of a batch that is a slice, its rows are written, and nothing that lies around them."""
    for outcome in outcomes(subject).values():
        if outcome.fault is not None or isinstance(outcome.how, How) or outcome.case.table.num_rows < 2:  # noqa: PLR2004 - nothing to slice
            continue
        table = outcome.case.table
        for part in (table.slice(1), table.slice(0, 1), table.slice(1, 1)):
            sentence = f"A slice of {outcome.case.name} is not written as its rows"
            try:
                data = subject.written(part, f"a slice of {outcome.case.name}")
                if not subject.capabilities.read:
                    continue
                found = subject.read(data, f"a slice of {outcome.case.name}", schema=subject_hint(subject, part))
            except (FormatError, Unmet) as error:
                if isinstance(error, Unmet) and error.owner:
                    raise
                why = error.sentence if isinstance(error, Unmet) else told(error)
                raise Unmet(f"{sentence}: {why}", fix=_SLICES, detail=getattr(error, "detail", "")) from None
            if not _same_rows(part, found):
                raise Unmet(f"{sentence}: {difference(part, found)}.", fix=_SLICES)


def _same_rows(before: pa.Table, after: pa.Table) -> bool:
    """Say whether the values are the same, whatever their types have become."""
    return before.num_rows == after.num_rows and all(map(same_values, before.columns, after.columns))


_SLICES = "Mind the offset and length of arrays, also of those that are nested; never write whole buffers."


def what_is_inferred_keeps_every_row_and_null(subject: Subject) -> None:
    """Without a schema types may be others, but no row is lost, no value becomes null, and no null a value."""
    if not (subject.capabilities.infers_schema and subject.capabilities.read):
        raise NotApplicable("the documents carry their types")
    for outcome in outcomes(subject).values():
        if outcome.how is not None or outcome.fault is not None:
            continue
        before, name = outcome.case.table, outcome.case.name
        try:
            after = subject.read(outcome.data, f"the document of {name}, without a schema")
        except FormatError:
            continue  # nothing is lost in silence
        if after.num_rows != before.num_rows or after.column_names != before.column_names:
            raise Unmet(
                f"Without a schema {name} has {after.num_rows} rows of {after.column_names} instead of {before.num_rows}.",
                fix=_INFERENCE,
            )
        for one, other in zip(before.columns, after.columns, strict=True):
            if nulls(one) != nulls(other):
                raise Unmet(
                    f"Without a schema {nulls(other)} values of {name} are null instead of {nulls(one)}.", fix=_INFERENCE
                )


_INFERENCE = "Where a value does not fit the type that was inferred, read the column as text, or raise FormatError."


def outcomes(subject: Subject) -> Mapping[str, Outcome]:
    """Return what becomes of each sample, by its name."""
    known: dict[str, Outcome] | None = subject.remembered.get("outcomes")
    if known is None:
        if not subject.capabilities.write:
            raise NotApplicable("the format is not written")
        example = subject.declared.example if subject.declared.fixed_schema else None
        known = {case.name: _outcome(subject, case) for case in cases(example)}
        subject.remembered["outcomes"] = known
    return known


def carried_documents(subject: Subject) -> Iterator[Document]:
    """Yield a document for each sample that the format carries."""
    if subject.capabilities.write:
        for outcome in outcomes(subject).values():
            if outcome.data and outcome.refusal is None:
                yield Document(outcome.data, outcome.case.table)


def subject_hint(subject: Subject, table: pa.Table) -> pa.Schema | None:
    """Return the schema that ``table`` must be read with: its own, where the bytes carry no types."""
    return table.schema if subject.capabilities.infers_schema else None


def _outcome(subject: Subject, case: Case) -> Outcome:
    try:
        data = subject.written(case.table, case.name)
    except UnsupportedError as error:
        return Outcome(case, How.REFUSED, told(error), refusal=error)
    except Unmet as fault:
        return Outcome(case, fault=fault)
    if not subject.capabilities.read:
        return Outcome(case, data=data)
    try:
        found = subject.read(data, f"the document of {case.name}", schema=subject_hint(subject, case.table))
    except FormatError as error:
        return Outcome(case, How.UNREADABLE, told(error), data=data)
    except Unmet as fault:
        return Outcome(case, fault=fault, data=data)
    how = _how(case.table, found)
    return Outcome(case, how, "" if how is None else difference(case.table, found), data=data)


def _how(before: pa.Table, after: pa.Table) -> How | str | None:
    """Say how ``after`` is not ``before``: not at all, in the type of one column, or otherwise."""
    if same_tables(before, after):
        return None if keeps_metadata(before.schema, after.schema) else How.CHANGED
    if before.column_names != after.column_names or before.num_rows != after.num_rows:
        return How.CHANGED
    changed: list[Array] = []
    for one, other in zip(before.columns, after.columns, strict=True):
        if one.type == other.type and not same(one, other):
            return How.CHANGED
        if one.type != other.type:
            if not same_values(one, other):
                return How.CHANGED
            changed.append(other)
    return str(changed[0].type) if len(changed) == 1 else How.CHANGED


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
