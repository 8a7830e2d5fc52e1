"""How much memory a type takes for each record: what keeps a few bytes of text from becoming gigabytes of nulls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from format_plugins.json_text.faults import RecordError
from format_plugins.json_text.records import Block
from format_plugins.kinds import Type, is_list

#: A block becomes at most about so many values; each takes about 8 bytes in a parsed record, and again in Arrow.
BLOCK_SLOTS = 1 << 20
#: A single record that could become more values than this is refused.
RECORD_SLOTS = 1 << 24


def slots(type_: Type) -> int:
    """Return how many values one row of ``type_`` holds, not counting what stands in lists and maps."""
    if isinstance(type_, pa.BaseExtensionType):
        return slots(type_.storage_type)
    if pa.types.is_struct(type_):
        return max(sum(slots(field.type) for field in type_), 1)
    if pa.types.is_fixed_size_list(type_):
        return int(type_.list_size) * slots(type_.value_type) + 1
    return 1


def repeated_slots(type_: Type) -> int:
    """Return how many values one object within a list or map of ``type_`` holds at most; 0 when there is none."""
    if isinstance(type_, pa.BaseExtensionType):
        return repeated_slots(type_.storage_type)
    if pa.types.is_struct(type_):
        return max((repeated_slots(field.type) for field in type_), default=0)
    if pa.types.is_map(type_) or is_list(type_):
        within = type_.item_type if pa.types.is_map(type_) else type_.value_type
        return max(slots(within), repeated_slots(within)) if pa.types.is_nested(within) else 0
    return 0


def divided(blocks: Iterable[Block], schema: pa.Schema) -> Iterator[Block]:
    """Yield ``blocks``, those in parts that would become more than ``BLOCK_SLOTS`` values.

    Raises ``RecordError`` for a record that is too large for the types that it has.
    """
    row = pa.struct(list(schema))
    width, repeated = slots(row), repeated_slots(row)
    for block in blocks:
        objects = block.data.count(b"{") if repeated else 0
        if block.most_records() * width + objects * repeated <= BLOCK_SLOTS:
            yield block
        else:
            yield from _parts(block, width, repeated)


def _parts(block: Block, width: int, repeated: int) -> Iterator[Block]:
    begin = end = records = weight = 0
    for start, stop in block.extents():
        cost = width + block.data.count(b"{", start, stop) * repeated
        if cost > RECORD_SLOTS:
            raise RecordError(
                f"the record may hold {cost:,} values, most of them nulls; more than {RECORD_SLOTS:,} are not decoded",
                index=records,
                offset=block.offset + start,
                option="columns",
            )
        if records and weight + cost > BLOCK_SLOTS:
            yield block.part(begin, end, records)
            records = weight = 0
        begin = begin if records else start
        end = stop
        records += 1
        weight += cost
    if records or not block.data:
        yield block.part(begin, end, records)
