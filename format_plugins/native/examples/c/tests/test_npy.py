"""The format keeps the rules of every format; what it cannot carry stands here. `flight-server plugin check` goes by it too."""

from pathlib import Path

import pyarrow as pa

from format_plugins.conformance import Conformance, How, Loss


class TestFormat(Conformance):
    plugin = Path(__file__).parents[1] / "libnpy.so"
    example = pa.table({"a": [1, -2, 3], "b": [0.5, 1.5, 2.5]})
    losses = (
        Loss("*list*, struct*, map*, *union, *dictionary*, *binary*, *string*, *date*, *time*, *duration*", How.REFUSED),
        Loss("interval*, *decimal*, uuid*, json*, opaque*, tensor*, run_end_encoded*", How.REFUSED),
        Loss("null, bool null, int* null, uint* null, float* null, bool8 null", How.REFUSED),
        Loss("bool8", "int8", why="extension types are lost"),
        Loss("field metadata, schema metadata, not null", How.CHANGED),
        Loss("no columns, one name twice, name empty, name quotes, name newline, name nul", How.REFUSED),
    )
