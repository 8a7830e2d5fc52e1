"""All checks, in the order in which they are best read: what fails first often explains the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from format_plugins.conformance import carrying, entry, footprint, hostile, letting_go, memory, reading, side_by_side, writing
from format_plugins.conformance.subject import Subject


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. ``fresh`` ones look at the whole process, and run in one of their own."""

    run: Callable[[Subject], None]
    fresh: bool = False

    @property
    def name(self) -> str:
        """The rule as a sentence in snake case."""
        return self.run.__name__

    @property
    def rule(self) -> str:
        """The rule, explained."""
        return " ".join((self.run.__doc__ or "").split())


CHECKS = (
    Check(entry.it_can_be_loaded),
    Check(entry.metadata_is_valid_constant_and_cheap),
    Check(entry.options_are_strict_and_have_defaults),
    Check(footprint.making_a_codec_touches_nothing, fresh=True),
    Check(footprint.loading_it_changes_nothing_else, fresh=True),
    Check(footprint.a_hundred_loads_leave_nothing_behind, fresh=True),
    Check(reading.the_example_comes_back),
    Check(reading.it_has_a_schema_that_never_changes),
    Check(reading.every_batch_is_valid),
    Check(reading.it_is_read_to_its_end),
    Check(reading.where_chunks_end_changes_nothing),
    Check(reading.a_wanted_schema_is_met_or_refused),
    Check(hostile.empty_input_is_a_table_or_wrong_data),
    Check(hostile.zero_rows_make_a_whole_document),
    Check(hostile.a_document_cut_short_is_noticed),
    Check(hostile.garbage_is_wrong_data_or_data),
    Check(hostile.damaged_documents_are_wrong_data_or_data),
    Check(carrying.every_type_comes_back_or_is_a_declared_loss),
    Check(carrying.every_declared_loss_occurs),
    Check(carrying.what_is_refused_is_named),
    Check(carrying.another_schema_is_refused),
    Check(carrying.slices_are_written_as_their_rows),
    Check(carrying.what_is_inferred_keeps_every_row_and_null),
    Check(writing.the_same_rows_give_the_same_bytes),
    Check(writing.how_rows_are_batched_changes_nothing),
    Check(writing.output_is_lazy),
    Check(writing.reading_begins_before_the_end),
    Check(letting_go.a_reader_that_is_dropped_frees_its_source),
    Check(letting_go.a_writer_that_is_dropped_frees_its_rows),
    Check(letting_go.a_failing_source_is_heard_of),
    Check(letting_go.a_failing_supply_of_rows_is_heard_of),
    Check(side_by_side.streams_side_by_side_do_not_meet),
    Check(memory.reading_takes_bounded_memory, fresh=True),
    Check(memory.writing_takes_bounded_memory, fresh=True),
)


def check_named(name: str) -> Check:
    """Return the check of that name. Raises ``ValueError`` for one that is unknown."""
    for each in CHECKS:
        if each.name == name:
            return each
    raise ValueError(f"there is no check {name!r} (there are: {', '.join(each.name for each in CHECKS)})")
