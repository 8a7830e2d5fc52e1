"""The format keeps the rules of every format; what it cannot carry stands here. `flight-server plugin check` goes by it too."""

from pathlib import Path

import pyarrow as pa

from format_plugins.conformance import Conformance, How, Loss


class TestFormat(Conformance):
    plugin = Path(__file__).parents[1] / "target/release/libmy_plugin.so"
    example = pa.table({"a": ["x", "y z", ""], "b": ["1", None, "3"]})
    losses = (
        Loss("*list*, struct*, map*, *union, *binary*, dictionary of dictionary, null", How.REFUSED),
        Loss("uuid*, opaque*, tensor*, run_end_encoded*, interval*, duration*", How.REFUSED),
        Loss("date* far, timestamp_s far, timestamp_ms far, timestamp_us far", How.REFUSED, why="they have no text"),
        Loss("one name twice, name empty, name quotes, name newline, name unicode, name nul", How.REFUSED),
        Loss("dictionary overflowing", How.UNREADABLE),
        Loss("dictionary ordered", How.CHANGED, why="values get the order in which they come first"),
        Loss("truncation", How.UNDETECTED, why="any line may be the last"),
    )
