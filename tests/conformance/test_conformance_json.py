"""The format ``json`` conforms."""

from format_plugins.builtin import json_array
from format_plugins.conformance import Conformance, How, Loss


class TestJsonArray(Conformance):
    plugin = json_array
    losses = (
        Loss("dictionary of dictionary, dictionary overflowing", How.UNREADABLE),
        Loss("float* nan, float* infinity, date32 far, timestamp_[smu]* far", How.REFUSED),
        Loss("interval*, *union, map of key twice, one name twice, name nul", How.REFUSED),
        Loss("dictionary ordered", How.CHANGED, why="values get the order in which they come first"),
    )
