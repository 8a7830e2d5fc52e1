"""The samples that a format is asked to carry: named tables, each of which comes back or is a declared loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from format_plugins.conformance.arrays import arrays
from format_plugins.kinds import Array

#: The column that a sample is in, beside one that any format carries.
ODD, FINE = "odd", "fine"


@dataclass(frozen=True, slots=True)
class Case:
    """A sample by its name, and the column that it is all about, if it is about one."""

    name: str
    table: pa.Table
    column: str | None = None


def cases(example: pa.Table | None) -> Iterator[Case]:
    """Yield all samples; those that fit into the columns of ``example`` when the format has no other schema than that."""
    if example is not None:
        yield from _fitting(example)
        return
    for name, array in arrays():
        yield Case(name, beside(array), ODD)
    yield from _changing()
    yield from _schemas()


def beside(array: Array) -> pa.Table:
    """Return a table of a harmless column and the odd one."""
    return pa.table({FINE: pa.array(range(len(array)), pa.int64()), ODD: array})


def _fitting(example: pa.Table) -> Iterator[Case]:
    """Put samples in the place of each column of their type, one at a time."""
    places = {field.type: index for index, field in reversed(list(enumerate(example.schema)))}
    for name, array in arrays():
        index = places.get(array.type)
        if index is None:
            continue
        field = example.schema.field(index)
        if array.null_count and not field.nullable:
            continue
        rows = [number % example.num_rows for number in range(len(array))]
        yield Case(name, example.take(rows).set_column(index, field, array), field.name)


def _changing() -> Iterator[Case]:
    """Dictionaries that are not the same in the next record batch."""
    words = {"changing": (["a", "b"], ["z", "b"]), "growing": (["a", "b"], ["a", "b", "c"])}
    for name, both in words.items():
        yield _chunks(f"dictionary {name}", *(_encoded(*each) for each in both))
        nested = (pa.ListArray.from_arrays(list(range(len(each) + 1)), _encoded(*each)) for each in both)
        yield _chunks(f"list of dictionary {name}", *nested)
    yield _chunks("dictionary ordered changing", _encoded("a", "b", ordered=True), _encoded("b", "a", ordered=True))
    yield _chunks("dictionary holding null changing", _encoded("a", None), _encoded("b", None))
    many = (_encoded(*(str(number) for number in range(start, start + 100)), index=pa.int8()) for start in (0, 100))
    yield _chunks("dictionary overflowing", *many)


def _encoded(*words: str | None, ordered: bool = False, index: pa.DataType | None = None) -> Array:
    indices = pa.array(range(len(words)), index or pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string()), ordered=ordered)


def _chunks(name: str, *chunks: Array) -> Case:
    return Case(name, pa.concat_tables(map(beside, chunks)), ODD)


def _schemas() -> Iterator[Case]:
    numbers = pa.array([1, 2])
    marked = pa.field(ODD, pa.int64(), metadata={"unit": "m"})
    yield Case("field metadata", pa.table([numbers], schema=pa.schema([marked])), ODD)
    yield Case("schema metadata", pa.table({ODD: numbers}).replace_schema_metadata({"k": "v"}))
    required = pa.field(ODD, pa.int64(), nullable=False)
    yield Case("not null", pa.table([numbers], schema=pa.schema([required])), ODD)
    yield Case("no columns", pa.table({ODD: numbers}).select([]))
    yield Case("one name twice", pa.Table.from_arrays([numbers, numbers], [ODD, ODD]), ODD)
    yield Case("name empty", pa.table({FINE: numbers, "": numbers}), "")
    for kind, name in {
        "quotes": " a,\"b';\t|\\",
        "newline": "a\r\nb",
        "unicode": "Größe 🫖",
        "nul": "a\0b",
        "dot": "a.b",
    }.items():
        yield Case(f"name {kind}", pa.table({FINE: numbers, name: numbers}), name)
