"""Columns and rows are chosen as they were asked for, without copying what need not be."""

import pyarrow as pa
import pytest

from flight_server.errors import BadRequest
from flight_server.selection import Selection, limited

BATCH = pa.record_batch(
    {
        "id": pa.array([1, 2, 3]),
        "place": pa.array([{"city": "Ulm", "at": {"lat": 48.4}}, None, {"city": None, "at": None}]),
        "dotted.name": pa.array(["a", "b", "c"]),
    }
)


def chosen(columns):
    selection = Selection.of(BATCH.schema, columns)
    batch = selection.apply(BATCH)
    batch.validate(full=True)
    assert batch.schema.equals(selection.schema)
    return batch.to_pydict()


def test_columns_come_in_the_order_wanted():
    assert list(chosen(["dotted.name", "id"])) == ["dotted.name", "id"]


def test_a_dotted_name_reaches_into_structs():
    assert chosen(["place.city", "place.at.lat"]) == {"place.city": ["Ulm", None, None], "place.at.lat": [48.4, None, None]}


def test_a_column_whose_own_name_has_a_dot_is_found_first():
    assert chosen(["dotted.name"]) == {"dotted.name": ["a", "b", "c"]}


def test_no_columns_named_is_all_of_them_as_they_are():
    assert Selection.of(BATCH.schema, None).apply(BATCH) is BATCH


@pytest.mark.parametrize("name", ["ID", "place.street", "place.city.x", "id.x", "", "."])
def test_an_unknown_column_is_refused(name):
    with pytest.raises(BadRequest, match="unknown column"):
        Selection.of(BATCH.schema, [name])


def test_a_near_miss_is_suggested():
    with pytest.raises(BadRequest, match="did you mean 'place'"):
        Selection.of(BATCH.schema, ["plce"])


def test_a_name_that_is_there_twice_cannot_be_chosen():
    schema = pa.schema([("a", pa.int8()), ("a", pa.int8())])
    with pytest.raises(BadRequest, match="2 times"):
        Selection.of(schema, ["a"])


@pytest.mark.parametrize(("limit", "rows"), [(None, 6), (0, 0), (1, 1), (3, 3), (4, 4), (6, 6), (99, 6)])
def test_a_limit_cuts_the_last_batch(limit, rows):
    assert sum(batch.num_rows for batch in limited([BATCH, BATCH], limit)) == rows


def test_a_limit_pulls_no_batch_that_it_does_not_need():
    def batches():
        yield BATCH
        raise AssertionError("pulled one too many")

    assert sum(batch.num_rows for batch in limited(batches(), 3)) == 3
