"""What the same costs when there is ten and a hundred times more of it: time per MB, and peak memory."""

import contextlib
import functools
import statistics

import material
from documents import drain
from pairs import Row, timed
from processes import ours, settle

import flight_client

FACTORS = (1, 10, 100)
#: How much more memory a hundred times the data may take: nothing, give or take the allocator's mood.
FLAT = 1.25


class Size:
    """One size of the same table, and a server that has never seen another: its memory is that of this size."""

    def __init__(self, rows, folder, stack):
        folder.mkdir()
        self._table = material.table(rows)
        self._path = folder / "document.csv"
        material.write_csv(self._table, self._path)
        self.native = self._table.nbytes / 1e6
        self.text = self._path.stat().st_size / 1e6
        self.server = stack.enter_context(ours(folder))
        self._client = stack.enter_context(flight_client.connect(self.server.location))

    def native_put(self):
        self._client.put("native", self._table, mode="replace")

    def native_get(self):
        drain(self._client.get("native"))

    def csv_put(self):
        self._client.put("text", self._path, mode="replace")

    def csv_get(self):
        drain(self._client.get_bytes("native", format="csv"))

    def csv_to_parquet(self):
        drain(self._client.convert(self._path, to_format="parquet"))


WAYS = {
    "native put": (Size.native_put, "native"),
    "native get": (Size.native_get, "native"),
    "csv put": (Size.csv_put, "text"),
    "csv get": (Size.csv_get, "native"),
    "csv to parquet": (Size.csv_to_parquet, "text"),
}


def rows(smallest_rows, folder, pairs):
    """For each way of using the server, a row for each size; the ratio is the rate's, against the smallest size."""
    with contextlib.ExitStack() as stack:
        sizes = {factor: Size(smallest_rows * factor, folder / str(factor), stack) for factor in FACTORS}
        for name, (action, unit) in WAYS.items():
            settle()
            yield from _grown(name, {factor: (size, action, getattr(size, unit)) for factor, size in sizes.items()}, pairs)


def _grown(name, sizes, pairs):
    rates = {factor: [] for factor in sizes}
    for size, action, _ in sizes.values():
        action(size)
        size.server.reset_peak()
    for _ in range(pairs):
        for factor, (size, action, amount) in sizes.items():
            rates[factor].append(amount / timed(functools.partial(action, size)))
    peaks = {factor: size.server.peak_mb() for factor, (size, _, _) in sizes.items()}
    smallest = statistics.median(rates[1])
    for factor, (_, _, amount) in sizes.items():
        mine = statistics.median(rates[factor])
        yield Row(
            part="growth",
            name=f"{name}, {amount:,.1f} MB ({factor}x)",
            against="the same at 1x",
            unit="MB/s",
            ours=mine,
            theirs=smallest,
            ratio=mine / smallest,
            pairs=pairs,
            peak_mb=peaks[factor],
            target=f"peak <= {FLAT:g} of 1x" if factor > 1 else None,
            met=peaks[factor] <= FLAT * peaks[1] if factor > 1 else None,
        )
