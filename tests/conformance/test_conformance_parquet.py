"""The format ``parquet`` conforms."""

from format_plugins.builtin import parquet
from format_plugins.conformance import Conformance, How, Loss


class TestParquet(Conformance):
    plugin, memory_bytes = parquet, 192 << 20  # row groups, one gathered while one is encoded
    losses = (
        Loss("interval*, *union, run_end*, struct empty, no columns, *scale, timestamp_s far, *holding*", How.REFUSED),
        *(Loss("dictionary of [ds]*, *overflowing", How.REFUSED), Loss("dictionary of numbers", "int64")),
        *(Loss("date64*", "date32[day]"), Loss("time32_s*", "time32[ms]"), Loss("timestamp_s_utc*", "timestamp[ms, tz=UTC]")),
        *(Loss(f"dictionary of large_{x}", f"dictionary<values={x}, indices=int8, ordered=0>") for x in ("string", "binary")),
        Loss("timestamp_s*", "timestamp[ms]"),
    )
