"""The format ``tsv`` conforms."""

from format_plugins.builtin import tab_separated
from format_plugins.conformance import Conformance, How, Loss


class TestTabSeparated(Conformance):
    plugin = tab_separated
    losses = (
        Loss("*list*, struct*, map*, *union, binary*, large_binary*, fixed_size_binary*, dictionary of *binary", How.REFUSED),
        Loss("uuid*, opaque*, tensor*, run_end_encoded*, interval*, * far, no columns", How.REFUSED),
        Loss("one name twice, dictionary overflowing", How.UNREADABLE),
        Loss("dictionary ordered", How.CHANGED, why="values get the order in which they come first"),
        Loss("truncation", How.UNDETECTED, why="any line may be the last"),
    )
