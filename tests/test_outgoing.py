"""What Python makes reaches clients as it is, dictionaries and errors too."""

import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.errors import BadPayload
from flight_server.outgoing import stream

WORDS = pa.array(["a", "b", "a"]).dictionary_encode()


class Sends(flight.FlightServerBase):
    """Sends what a function yields."""

    def __init__(self, schema, batches):
        self.schema, self.batches = schema, batches
        super().__init__("grpc://127.0.0.1:0")

    def do_get(self, _context, _ticket):
        return stream(self.schema, self.batches(), "do_get")


def sent(schema, batches):
    with Sends(schema, batches) as server, flight.FlightClient(f"grpc://127.0.0.1:{server.port}") as client:
        return client.do_get(flight.Ticket(b"")).read_all()


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2, 3]),
        WORDS,
        pa.StructArray.from_arrays([WORDS], ["d"]),
        pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), WORDS),
    ],
    ids=["numbers", "dictionary", "dictionary in a struct", "dictionary in a list"],
)
def test_batches_arrive_as_they_are(column):
    batch = pa.record_batch({"c": column})
    assert sent(batch.schema, lambda: iter([batch, batch.slice(0, 0), batch])) == pa.Table.from_batches([batch, batch])


@pytest.mark.parametrize("column", [pa.array([1]), WORDS], ids=["numbers", "dictionary"])
def test_an_error_on_the_way_arrives_whole(column):
    batch = pa.record_batch({"c": column})

    def batches():
        yield batch
        raise BadPayload("row 7 is wrong", row=7)

    with pytest.raises(flight.FlightError, match=r"\[bad_payload\] row 7 is wrong") as caught:
        sent(batch.schema, batches)
    assert b'"row":7' in caught.value.extra_info
